"""Labelled images turned into a stock of crops: good surfaces, and the same kind with a defect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from keenline.augment_settings import ClassAugment
from keenline.data.augment import policy_for
from keenline.data.class_masks import class_masks
from keenline.data.dataset import Dataset, Skipped
from keenline.data.paste import plausible
from keenline.data.reading import read_image
from keenline.errors import Code, ImageError, TrainingError
from keenline.inference.region_of_interest import roi_mask
from keenline.models.base import Progress
from keenline.recipe import Recipe
from keenline.types import Image, Mask, Sample

_Crop = TypeVar("_Crop")

FEWEST = 5
"""Images of a defect; from fewer a network learns them by heart and nothing else."""
_EACH = 12
"""Crops of an image."""
_MOST = 3000
"""Crops of a kind, so that memory stays small."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A crop of a good image."""

    crop: Image
    sample: Sample
    at: tuple[int, int]
    """Column and row of its upper left corner."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What is learnt from."""

    good: tuple[Surface, ...]
    defective: tuple[Image, ...]
    """Crops with some of the defect in them."""
    samples: tuple[Sample, ...]
    """All of which crops were taken."""
    policy: ClassAugment
    is_grey: bool
    skipped: tuple[Skipped, ...]
    without_place: int
    """Good images without a surface like that around the defects, or smaller than a crop."""

    def drawn(self, rng: np.random.Generator, number: int) -> tuple[NDArray[np.uint8], ...]:
        """Good and defective crops, each (number, side, side, 3), mirrored and turned by quarters
        as the class allows."""
        good = [self.good[place].crop for place in rng.integers(len(self.good), size=number)]
        bad = [self.defective[place] for place in rng.integers(len(self.defective), size=number)]
        return tuple(
            np.stack([_moved(crop, self.policy, rng) for crop in crops]) for crops in (good, bad)
        )


def stock_of(
    dataset: Dataset, name: str, recipe: Recipe, side: int, seed: int, progress: Progress
) -> Stock:
    """Crops of `side` pixels of the class `name` and of good images; nothing of a test split.

    Defective crops hold the whole of a small defect, or part of a large one. Good ones lie where
    the part is inspected, on a surface like that around the defects (`keenline.data.paste`). Raises
    TrainingError (TOO_FEW_IMAGES).
    """
    rng = np.random.default_rng(seed)
    usable = [sample for sample in dataset.samples if sample.split != "test"]
    bad: list[Image] = []
    around: list[tuple[float, float]] = []
    shown, skipped = [], []
    for place, sample in enumerate(usable):
        progress("cut surfaces", place, len(usable))
        if sample.is_good:
            continue
        try:
            image = read_image(sample.image, bit_depth=recipe.image.bit_depth)
            masks = class_masks(sample, (image.shape[1], image.shape[0]))
        except ImageError as error:
            skipped.append(Skipped(sample.image, error))
            continue
        if name in masks and min(image.shape[:2]) >= side:
            shown.append(sample)
            bad += _defective(image, masks[name], side, rng)
            around.append(_surroundings(image, np.logical_or.reduce(list(masks.values()))))
    if len(shown) < FEWEST:
        raise TrainingError(
            Code.TOO_FEW_IMAGES,
            "There are too few marked images of this defect to learn what it looks like",
            where=name,
            expected=f"at least {FEWEST} marked images of {side} x {side} px or more",
            got=len(shown),
            next="mark more, or use keenline synthesise without it",
        )
    good: list[Surface] = []
    without = 0
    for place, sample in enumerate(usable):
        progress("cut surfaces", place, len(usable))
        if not sample.is_good:
            continue
        try:
            image = read_image(sample.image, bit_depth=recipe.image.bit_depth)
        except ImageError as error:
            skipped.append(Skipped(sample.image, error))
            continue
        allowed = roi_mask(recipe.inspect, image.shape[1], image.shape[0])
        found = _good(image, allowed, around, side, rng)
        without += not found
        good += [Surface(crop, sample, at) for crop, at in found]
    progress("cut surfaces", len(usable), len(usable))
    if not good:
        raise TrainingError(
            Code.TOO_FEW_IMAGES,
            "No good image has a surface like that around the defects",
            where=name,
            expected=f"good images with {side} x {side} px of the same grey and texture",
            got=f"{without} good images without",
        )
    bad, good = _at_most(bad, rng), _at_most(good, rng)
    taken = {surface.sample.image: surface.sample for surface in good}
    is_grey = all(_grey(crop) for crop in (*bad, *(surface.crop for surface in good)))
    samples = (*shown, *taken.values())
    policy = policy_for(recipe, [name])
    return Stock(tuple(good), tuple(bad), samples, policy, is_grey, tuple(skipped), without)


def source_of(surface: Surface, root: Path) -> str:
    """The image of a surface as an index names it."""
    image = surface.sample.image
    return (image.relative_to(root) if image.is_relative_to(root) else image).as_posix()


def _defective(image: Image, mask: Mask, side: int, rng: np.random.Generator) -> list[Image]:
    rows, columns = np.nonzero(mask)
    crops = []
    for _ in range(_EACH):
        at = int(rng.integers(len(rows)))
        # The marked pixel lies in the middle half of the crop, where the image has room for that.
        off = rng.integers(side // 4, side - side // 4, 2)
        top = int(np.clip(rows[at] - off[0], 0, image.shape[0] - side))
        left = int(np.clip(columns[at] - off[1], 0, image.shape[1] - side))
        crops.append(image[top : top + side, left : left + side].copy())
    return crops


def _good(
    image: Image,
    allowed: Mask | None,
    around: Sequence[tuple[float, float]],
    side: int,
    rng: np.random.Generator,
) -> list[tuple[Image, tuple[int, int]]]:
    found = []
    mean, spread = around[int(rng.integers(len(around)))]
    rows, columns = np.nonzero(plausible(image, allowed, (side, side), mean, spread))
    for _ in range(_EACH if rows.size else 0):
        choice = int(rng.integers(rows.size))
        top, left = int(rows[choice]), int(columns[choice])
        found.append((image[top : top + side, left : left + side].copy(), (left, top)))
    return found


def _surroundings(image: Image, mask: Mask) -> tuple[float, float]:
    """Mean and spread of grey beside the defects of an image; of all of it where nothing is."""
    grey = image.mean(axis=2)
    beside = grey[~mask] if not mask.all() else grey.ravel()
    return float(beside.mean()), float(beside.std())


def _at_most(crops: list[_Crop], rng: np.random.Generator) -> list[_Crop]:
    if len(crops) <= _MOST:
        return crops
    return [crops[place] for place in sorted(rng.permutation(len(crops))[:_MOST])]


def _moved(crop: Image, policy: ClassAugment, rng: np.random.Generator) -> Image:
    turns, mirror = int(rng.integers(4)), rng.random() < 0.5
    if policy.kind == "directional":
        return np.rot90(crop, 2) if policy.mirrored and mirror else crop
    return np.rot90(crop[:, ::-1] if policy.mirrored and mirror else crop, turns)


def _grey(crop: Image) -> bool:
    return bool((crop[..., 0] == crop[..., 1]).all() and (crop[..., 0] == crop[..., 2]).all())
