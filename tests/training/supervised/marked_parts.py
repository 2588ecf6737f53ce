"""Seeds turned into small photos of good parts and of marked dents and scratches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from tests.small_parts import dented, good_folder, good_part, save_image

from keenline.types import Image

PLACES = [(20, 12), (70, 14), (30, 52), (80, 50), (50, 12), (60, 52)]


def scratched(seed: int, at: tuple[int, int]) -> Image:
    """A good part with a bright vertical line."""
    part = good_part(seed)
    part[max(0, at[1] - 9) : at[1] + 9, at[0] : at[0] + 3] = 250
    return part


def marked_folder(root: Path, number: int = 6, good: int = 12) -> Path:
    """Good parts, dents and scratches, each defect with its mask."""
    good_folder(root, good)
    for seed in range(number):
        at = PLACES[seed % len(PLACES)]
        for name, first, part in (
            ("dent", 50 + seed, dented(50 + seed, at)),
            ("scratch", 80 + seed, scratched(80 + seed, at)),
        ):
            save_image(root / name / f"{seed}.png", part)
            changed = np.abs(part.astype(int) - good_part(first)).max(axis=2) > 0
            save_mask(root / name / f"{seed}_mask.png", changed)
    return root


def save_mask(path: Path, mask: np.ndarray) -> None:
    PillowImage.fromarray((mask * 255).astype(np.uint8)).save(path)
