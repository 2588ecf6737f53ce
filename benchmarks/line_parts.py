"""Rendered plates turned into images for a simulated camera, and into bundles that know them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from keenline import __version__
from keenline.data.importers import open_dataset
from keenline.devices.simulated_images import rendered_shots
from keenline.lifecycle.stages import move
from keenline.recipe import Recipe
from keenline.training.fit import train

SMALL, LARGE = (256, 256), (2448, 2048)
"""Width and height of a part's image: the usual, and that of a 5-megapixel camera."""

Made = tuple[Path, Path]
"""A bundle, and the folder of images it is shown."""


def small_parts(folder: Path) -> Made:
    """256 px as the camera sends it: 60 plates to learn, 24 to show, each 6th with a defect."""
    return _made(folder / f"small-{__version__}", SMALL, 256, learnt=60, shown=24)


def in_shadow(bundle: Path) -> Path:
    """A copy of the bundle, as heavy as it, in the stage in which a station may ask it beside."""
    copied = bundle.with_name("shadow.keen")
    if not copied.is_file():
        partial = bundle.with_name("partial.keen")
        partial.write_bytes(bundle.read_bytes())
        move(partial, "shadow", who="benchmark", why="to see what it costs")
        partial.rename(copied)
    return copied


def large_parts(folder: Path) -> Made:
    """5 megapixels, grey, in tiles: 8 plates to learn and 4 to show."""
    return _made(folder / f"large-{__version__}", LARGE, "native", learnt=8, shown=4)


def _made(
    folder: Path, pixels: tuple[int, int], size: int | str, *, learnt: int, shown: int
) -> Made:
    bundle, images = folder / "plate.keen", folder / "shown"
    if not images.is_dir():
        _render(folder / "learnt" / "good", pixels, learnt, seed=0, every_bad=learnt + 1)
        _render(images, pixels, shown, seed=1, every_bad=6)
    if not bundle.is_file():
        recipe = Recipe.model_validate(
            {"image": {"size": size}, "detector": {"backbone": "keenline"}}
        )
        train(open_dataset(folder / "learnt"), bundle, recipe=recipe)
    return bundle, images


def _render(
    folder: Path, pixels: tuple[int, int], number: int, *, seed: int, every_bad: int
) -> None:
    """Written with a name that is complete only once all are there."""
    partial = folder.with_name(f"{folder.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    for shot in rendered_shots(number, seed, every_bad=every_bad, size=pixels):
        grey = shot.pixels().mean(axis=2) if pixels == LARGE else shot.pixels()
        picture = PillowImage.fromarray(np.asarray(grey, np.uint8))
        picture.save(partial / f"{shot.part_id}.png", compress_level=1)
    partial.rename(folder)
