"""Pictures and a step's number turned into that step's crops, always the same ones.

Nothing here remembers anything: a run that is taken up again sees what it would have seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from keenline.data.procedural import procedural_image
from keenline.models.base import Progress, silent
from keenline.training.unlabelled import Unlabelled

MARGIN = 1.25
"""Side of a crop before it is turned, for each pixel of side after."""

_SMALLEST, _LARGEST = 0.3, 2.0
"""Pixels of a picture for one of a crop; each halving and doubling between is as likely."""

_LEAST_PIXELS = 40
"""A crop shows at least so many pixels of its picture a side."""


class Pool:
    """Procedural pictures, a few of which are replaced at every step.

    Which picture lies at a place after some steps follows from the seed and the steps alone.
    """

    def __init__(self, seed: int, count: int, *, per_step: float = 0.1, side: int = 320) -> None:
        self._seed, self._per_step, self._side = seed, per_step, side
        self._pictures: list[PillowImage.Image] = []
        self._ages = [-1] * count

    def __len__(self) -> int:
        return len(self._ages)

    def fill(self, step: int, progress: Progress = silent) -> None:
        """Make what lies there at `step`: seconds to a minute for some hundred pictures."""
        total = len(self)
        for place in range(total):
            progress("drawing procedural images", place, total)
            self._renew(place, self._age(place, step))
        progress("drawing procedural images", total, total)

    def at(self, step: int) -> list[PillowImage.Image]:
        """The pictures as they are at `step`; steps are asked for in ascending order."""
        for place in range(len(self)):
            age = self._age(place, step)
            if age != self._ages[place]:
                self._renew(place, age)
        return self._pictures

    def _age(self, place: int, step: int) -> int:
        """How often a place was renewed: one place after another."""
        return (int(step * self._per_step) + len(self) - 1 - place) // max(1, len(self))

    def _renew(self, place: int, age: int) -> None:
        image = procedural_image(self._seed, place, age, side=self._side)
        picture = PillowImage.fromarray(image)
        if place == len(self._pictures):
            self._pictures.append(picture)
        else:
            self._pictures[place] = picture
        self._ages[place] = age


def crops_of(
    step: int,
    *,
    seed: int,
    unlabelled: Unlabelled,
    pool: Sequence[PillowImage.Image],
    share: float,
    count: int,
    side: int,
) -> NDArray[np.uint8]:
    """Crops (count, side * MARGIN, side * MARGIN, 3), uint8.

    share: of the crops that come from the pool, 0..1.
    """
    random = np.random.default_rng((seed, 1, step))
    wide = round(side * MARGIN)
    natural = random.choice(len(unlabelled.pictures), count, p=unlabelled.weights)
    drawn = random.integers(0, max(1, len(pool)), count)
    procedural = random.random(count) < (share if pool else 0.0)
    crops = np.empty((count, wide, wide, 3), np.uint8)
    for place in range(count):
        picture = pool[drawn[place]] if procedural[place] else unlabelled.pictures[natural[place]]
        crops[place] = _crop(random, picture, wide)
    return crops


def fixed_crops(
    pictures: Sequence[PillowImage.Image], *, seed: int, count: int, side: int
) -> NDArray[np.uint8]:
    """Crops (count, side, side, 3) to measure with, the pictures in turn."""
    random = np.random.default_rng((seed, 2))
    crops = [_crop(random, pictures[n % len(pictures)], side) for n in range(count)]
    return np.stack(crops) if crops else np.empty((0, side, side, 3), np.uint8)


def _crop(random: np.random.Generator, picture: PillowImage.Image, wide: int) -> NDArray[np.uint8]:
    scale = np.exp(random.uniform(np.log(_SMALLEST), np.log(_LARGEST)))
    stretch = np.exp(random.uniform(-0.15, 0.15))
    width = _side(picture.width, wide * scale * stretch)
    height = _side(picture.height, wide * scale / stretch)
    # A picture narrower than the window is not squeezed: the window becomes smaller.
    if max(width / height, height / width) > 1.5:
        width = height = min(width, height)
    left = random.uniform(0, picture.width - width)
    top = random.uniform(0, picture.height - height)
    window = (left, top, left + width, top + height)
    cut = picture.resize((wide, wide), PillowImage.Resampling.BILINEAR, box=window)
    return np.asarray(cut if cut.mode == "RGB" else cut.convert("RGB"))


def _side(available: int, wanted: float) -> float:
    return min(float(available), max(wanted, _LEAST_PIXELS))
