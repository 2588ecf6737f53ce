"""A folder, or a seed, turned into the images that a simulated camera shows, with their parts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keenline.data.demo_defects import DefectKind
from keenline.data.demo_part import SIZE, render_part
from keenline.data.image_file import is_image_name
from keenline.data.reading import read_image
from keenline.devices.file_order import by_name
from keenline.errors import CameraError, Code
from keenline.types import GOOD, Image


@dataclass(frozen=True, slots=True)
class Shot:
    """What one part looks like."""

    image: Image | Path
    """A file is read when it is shown."""
    part_id: str

    def pixels(self) -> Image:
        """Contiguous and read-only, shared by all who ask. Raises ImageError."""
        image = self.image if isinstance(self.image, np.ndarray) else read_image(self.image)
        pixels = np.ascontiguousarray(image).view()
        pixels.flags.writeable = False
        return pixels


def shots_of(folder: Path) -> tuple[Shot, ...]:
    """The image files of `folder` in the order of their names, numbers by value; a part is named
    like its file without the ending. Raises CameraError CAMERA_MISSING: no folder, or no image."""
    try:
        with os.scandir(folder) as entries:
            found = [Path(entry.path) for entry in entries if entry.is_file()]
    except OSError as error:
        raise _missing(folder, error.strerror or "") from error
    images = sorted(
        (path for path in found if is_image_name(path)), key=lambda path: by_name(path.name)
    )
    if not images:
        raise _missing(folder, "no image file")
    return tuple(Shot(path, path.stem) for path in images)


def rendered_shots(
    count: int, seed: int, *, every_bad: int = 6, size: tuple[int, int] = SIZE
) -> tuple[Shot, ...]:
    """`count` photos of the demo's part; each `every_bad`-th has a defect, and its name says so.

    A part is named by its number and what it is: `0001-good`, `0006-scratch`. About 50 ms each.
    """
    rng = np.random.default_rng(seed)
    kinds = tuple(DefectKind)
    shots = []
    for number in range(1, count + 1):
        bad = number % every_bad == 0
        kind = kinds[(number // every_bad - 1) % len(kinds)]
        image, _ = render_part(rng, defects=(kind,) if bad else (), size=size)
        shots.append(Shot(image, f"{number:04d}-{kind if bad else GOOD}"))
    return tuple(shots)


def _missing(folder: Path, got: str) -> CameraError:
    return CameraError(
        Code.CAMERA_MISSING,
        "The folder of a simulated camera has no images",
        where=folder,
        expected="a folder with image files",
        got=got,
        next="check the key `folder` of the camera",
    )
