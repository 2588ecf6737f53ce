"""Turns the marks of two people on one image into pairs, and each pair into how far they overlap.

Overlap is intersection over union, 0..1: of the smallest upright rectangles around two marks
(boxes), and of the pixels they mark (masks).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from keenline.annotation import (
    Annotation,
    BoxShape,
    EllipseShape,
    MaskShape,
    PolygonShape,
    PolylineShape,
    Shape,
)
from keenline.data.image_limits import LARGEST_AREA
from keenline.data.rasterise import bounds, mask_of
from keenline.types import Mask

SAME_PLACE = 0.5
"""Overlap from which two marks mean the same place (as Pascal VOC has it;
Everingham et al., IJCV 88, 2010)."""


@dataclass(frozen=True, slots=True)
class Matched:
    """Two marks, one of each person, by their places in what was given."""

    first: int
    second: int
    box: float
    mask: float


def match(first: Sequence[Annotation], second: Sequence[Annotation]) -> list[Matched]:
    """Pair the marks of two people so that the overlaps of their masks add up to the most.

    One mark has one partner at most, of its own class, and overlaps it (Hungarian method,
    H. W. Kuhn, Nav. Res. Logist. Q. 2, 1955). Marks of the whole image have none.
    """
    if not first or not second:
        return []
    from scipy.optimize import linear_sum_assignment

    overlaps = np.zeros((len(first), len(second)))
    for row, mine in enumerate(first):
        for column, other in enumerate(second):
            if mine.class_name == other.class_name:
                overlaps[row, column] = mask_overlap(mine.shape, other.shape)
    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    return [
        Matched(
            int(row),
            int(column),
            box_overlap(first[row].shape, second[column].shape),
            float(overlaps[row, column]),
        )
        for row, column in zip(rows, columns, strict=True)
        if overlaps[row, column] > 0
    ]


def box_overlap(first: Shape | None, second: Shape | None) -> float:
    """Intersection over union of the rectangles around two shapes; 0 without a shape."""
    if first is None or second is None:
        return 0.0
    left, upper, right, lower = bounds(first)
    x0, y0, x1, y1 = bounds(second)
    across = max(0.0, min(right, x1) - max(left, x0))
    down = max(0.0, min(lower, y1) - max(upper, y0))
    union = (right - left) * (lower - upper) + (x1 - x0) * (y1 - y0) - across * down
    return across * down / union if union > 0 else 0.0


def mask_overlap(first: Shape | None, second: Shape | None) -> float:
    """Intersection over union of the pixels of two shapes; 0 without a shape or any pixel.

    Of two upright boxes it is that of their areas, which is the same but for parts of pixels.
    """
    if first is None or second is None or _are_apart(first, second):
        return 0.0
    if _is_upright(first) and _is_upright(second):
        return box_overlap(first, second)
    window = np.array([bounds(shape) for shape in (first, second)])
    if np.prod(window[:, 2:].max(axis=0) - window[:, :2].min(axis=0)) > LARGEST_AREA:
        return box_overlap(first, second)  # of an image that is not here to cut the marks
    mine, other = drawn([first, second])[1]
    union = int((mine | other).sum())
    return int((mine & other).sum()) / union if union else 0.0


def drawn(shapes: Sequence[Shape]) -> tuple[tuple[int, int], list[Mask]]:
    """Upper left corner (x, y) of a window around all shapes, and the pixels of each in it."""
    edges = np.array([bounds(shape) for shape in shapes])
    # A pixel more all around: a line marks what it passes through, also on its border.
    x, y = (math.floor(edge) - 1 for edge in edges[:, :2].min(axis=0))
    right, lower = (math.ceil(edge) + 1 for edge in edges[:, 2:].max(axis=0))
    size = (right - x, lower - y)
    return (x, y), [mask_of(moved(shape, -x, -y), size) for shape in shapes]


def moved(shape: Shape, across: int, down: int) -> Shape:
    """The same shape in another place."""
    if isinstance(shape, BoxShape | EllipseShape):
        return replace(shape, x=shape.x + across, y=shape.y + down)
    if isinstance(shape, MaskShape):
        return replace(shape, x=shape.x + across, y=shape.y + down)
    if isinstance(shape, PolylineShape):
        return replace(shape, points=tuple((x + across, y + down) for x, y in shape.points))
    return PolygonShape(
        tuple(tuple((x + across, y + down) for x, y in ring) for ring in shape.rings)
    )


def mean_interval(
    values: Sequence[NDArray[np.float64]], seed: int = 0, draws: int = 2000
) -> tuple[float, float] | None:
    """Two-sided 95 % interval of a mean over all values; None for fewer than two images.

    values: those of each image, (n,), together independent of the other images' only. Percentiles
    of `draws` seeded bootstrap samples of images (Efron and Tibshirani, An Introduction to the
    Bootstrap, 1993, ch. 13).
    """
    full = [each for each in values if each.size]
    if len(full) < 2:
        return None
    sums = np.array([each.sum() for each in full])
    sizes = np.array([each.size for each in full])
    picks = np.random.default_rng(seed).integers(len(full), size=(draws, len(full)))
    means = sums[picks].sum(axis=1) / sizes[picks].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _is_upright(shape: Shape) -> bool:
    return isinstance(shape, BoxShape) and not shape.angle


def _are_apart(first: Shape, second: Shape) -> bool:
    left, upper, right, lower = bounds(first)
    x0, y0, x1, y1 = bounds(second)
    # Lines mark every pixel they pass through, so a pixel more.
    return right + 1 < x0 or x1 + 1 < left or lower + 1 < y0 or y1 + 1 < upper
