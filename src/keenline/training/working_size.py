"""Marked defects turned into the working size at which the thinnest of them still fill a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt

from keenline.data.class_masks import class_masks
from keenline.data.reading import probe
from keenline.errors import ImageError
from keenline.training.detectors import AUTO_SIDE
from keenline.types import Mask, Sample

CELL = 8
"""Pixels of a view that one cell of the finest features looks at: the stride of every backbone."""

THIN = 0.25
"""Of the marked defects so many may be thinner than a cell."""

LARGEST_SIDE = 768
"""However thin they are: four times the pixels of `AUTO_SIDE`, and so the time of an image."""

FEWEST = 5
"""Marked defects below which nothing is concluded from their widths."""

_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class WorkingSize:
    """The side of the square of equal area to which larger images are brought, and why."""

    side: float
    notes: tuple[str, ...] = ()


def working_size(samples: Sequence[Sample]) -> WorkingSize:
    """`AUTO_SIDE`, or as much more as the marked defects among `samples` need.

    The width of a defect is that of the largest circle in it. Images that cannot be read say
    nothing here; whoever learns from them says what is wrong.
    """
    marked = [sample for sample in samples if not sample.is_good]
    if len(marked) > _LOOKED_AT:
        marked = [marked[place] for place in np.linspace(0, len(marked) - 1, _LOOKED_AT, dtype=int)]
    known = thinnest(marked)
    if known is None:
        return WorkingSize(AUTO_SIDE)
    width, image_side = known
    thin = width * min(1.0, AUTO_SIDE / image_side)
    side = round(min(LARGEST_SIDE, image_side, AUTO_SIDE * CELL / thin))
    if side <= AUTO_SIDE:
        return WorkingSize(AUTO_SIDE)
    more = (side / AUTO_SIDE) ** 2
    note = (
        f"at the usual working size, {AUTO_SIDE} px, a quarter of the marked defects are thinner "
        f"than {thin:.1f} px, and a cell has {CELL}: {side} px are used, with {more:.1f} times the "
        f"pixels and the time; size = {AUTO_SIDE} in [image] of the recipe takes that back"
    )
    return WorkingSize(side, (note,))


def thinnest(marked: Sequence[Sample]) -> tuple[float, float] | None:
    """(the width than which a quarter are thinner, the side of the square that has the area of the
    image), in pixels of the images as they were read; None where fewer than `FEWEST` are marked."""
    known = [each for each in map(_width_and_side, marked) if each is not None]
    if len(known) < FEWEST:
        return None
    widths, sides = np.array(known).T
    side = float(np.median(sides))
    return float(np.quantile(widths / sides, THIN)) * side, side


def _width_and_side(sample: Sample) -> tuple[float, float] | None:
    """Pixels of the image as it was read; None where nothing is marked or it cannot be read."""
    try:
        facts = probe(Path(sample.image))
        masks = class_masks(sample, (facts.width, facts.height))
    except ImageError:
        return None
    if not masks:
        return None
    thinnest = min(_width(mask) for mask in masks.values())
    return thinnest, float(facts.width * facts.height) ** 0.5


def _width(mask: Mask) -> float:
    depth = distance_transform_edt(np.pad(mask, 1))
    return 2 * float(np.max(depth))
