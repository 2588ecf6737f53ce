"""Says what is wrong with a mark, and what is left of it: see docs/errors.md, LABEL_ codes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite

import numpy as np

from keenline.annotation import (
    BoxShape,
    EllipseShape,
    MaskShape,
    PolygonShape,
    PolylineShape,
    Shape,
)
from keenline.data.image_limits import LARGEST_AREA
from keenline.data.rasterise import bounds, mask_of, polygon_of, shape_of
from keenline.data.ring_geometry import clipped, crosses_itself, has_area, tidied
from keenline.errors import Code

UNTOLD = 1.0
"""Pixels. What lies less than this beyond the border is cut without a word: tools round."""
FARTHEST = 1e7
"""Pixels. No image is as large; numbers beyond are errors of the file."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a mark."""

    code: Code
    what: str
    is_dropped: bool
    """False: the mark is kept, changed or as it is."""


def fault_of(
    shape: Shape | None, size: tuple[int, int] | None
) -> tuple[Shape | None, tuple[Fault, ...]]:
    """What is kept of `shape` on an image of `size` (width, height; None: not known), and why.

    None for a shape that covers nothing or lies outside. Upright boxes, polygons and masks that
    cross the border are cut there; turned boxes, ellipses and lines stay as they are, and only
    their pixels on the image count. Corners that repeat the one before are left out silently, and
    so is what lies less than `UNTOLD` pixels beyond the border.
    """
    if shape is None:
        return None, ()
    wrong = _number_fault(shape)
    if wrong is not None:
        return None, (wrong,)
    tidy, faults = _with_area(shape)
    if tidy is None or size is None:
        return tidy, faults
    kept, outside = _on_image(tidy, size)
    return kept, (*faults, *outside)


def _number_fault(shape: Shape) -> Fault | None:
    if isinstance(shape, MaskShape):
        cells = shape.width * shape.height
        fits = shape.width >= 0 and shape.height >= 0 and all(run >= 0 for run in shape.runs)
        if not fits or sum(shape.runs) != cells:
            what = f"the runs of a mask do not add up to its {shape.width} x {shape.height} pixels"
            return Fault(Code.LABEL_ENTRY, what, is_dropped=True)
        if cells > LARGEST_AREA:
            what = f"a mask of {shape.width} x {shape.height} pixels is larger than any image read"
            return Fault(Code.LABEL_ENTRY, what, is_dropped=True)
    for value in _numbers(shape):
        if not isfinite(value) or abs(value) > FARTHEST:
            what = f"{value:g} is no place or length in pixels"
            return Fault(Code.LABEL_ENTRY, what, is_dropped=True)
    return None


def _numbers(shape: Shape) -> Iterable[float]:
    if isinstance(shape, PolygonShape):
        return (value for ring in shape.rings for point in ring for value in point)
    if isinstance(shape, PolylineShape):
        return (*(value for point in shape.points for value in point), shape.width)
    if isinstance(shape, EllipseShape):
        return (shape.x, shape.y, shape.radius_x, shape.radius_y, shape.angle)
    if isinstance(shape, BoxShape):
        return (shape.x, shape.y, shape.width, shape.height, shape.angle)
    return (shape.x, shape.y)


def _with_area(shape: Shape) -> tuple[Shape | None, tuple[Fault, ...]]:
    """The shape without what covers nothing."""
    if isinstance(shape, PolygonShape):
        return _rings_with_area(shape)
    if isinstance(shape, BoxShape):
        what = f"a box of {shape.width:g} x {shape.height:g} pixels covers nothing"
        covers = shape.width > 0 and shape.height > 0
    elif isinstance(shape, EllipseShape):
        what = f"an ellipse of radii {shape.radius_x:g} and {shape.radius_y:g} covers nothing"
        covers = shape.radius_x > 0 and shape.radius_y > 0
    elif isinstance(shape, MaskShape):
        what, covers = "a mask without a marked pixel covers nothing", any(shape.runs[1::2])
    else:
        what, covers = "a line without length covers nothing", len(set(shape.points)) > 1
    if covers:
        return shape, ()
    return None, (Fault(Code.LABEL_NO_AREA, what, is_dropped=True),)


def _rings_with_area(shape: PolygonShape) -> tuple[PolygonShape | None, tuple[Fault, ...]]:
    tidy = [tidied(ring) for ring in shape.rings]
    rings = tuple(ring for ring in tidy if has_area(ring))
    faults: list[Fault] = []
    if len(rings) < len(tidy) or not tidy:
        empty = next((ring for ring in tidy if ring not in rings), ())
        what = f"a polygon of {len(empty)} corners covers nothing"
        faults.append(Fault(Code.LABEL_NO_AREA, what, is_dropped=not rings))
    crossing = [ring for ring in rings if crosses_itself(ring)]
    if crossing:
        what = f"a polygon of {len(crossing[0])} corners crosses itself; it is used as drawn"
        faults.append(Fault(Code.LABEL_CROSSING, what, is_dropped=False))
    if not rings:
        return None, tuple(faults)
    return (shape if rings == shape.rings else PolygonShape(rings)), tuple(faults)


def _on_image(shape: Shape, size: tuple[int, int]) -> tuple[Shape | None, tuple[Fault, ...]]:
    left, upper, right, lower = bounds(shape)
    beyond = max(-left, -upper, right - size[0], lower - size[1])
    if beyond <= 0:
        return shape, ()
    kept = _cut(shape, size)
    if kept is None:
        where = f"{left:g}, {upper:g} to {right:g}, {lower:g}"
        what = f"{where} lies outside the {size[0]} x {size[1]} pixels"
        return None, (Fault(Code.LABEL_OUTSIDE, what, is_dropped=True),)
    if beyond < UNTOLD or _may_reach_out(shape, size):
        return kept, ()
    what = f"reaches {beyond:g} pixels beyond the {size[0]} x {size[1]}; what is inside is kept"
    return kept, (Fault(Code.LABEL_OUTSIDE, what, is_dropped=False),)


def _may_reach_out(shape: Shape, size: tuple[int, int]) -> bool:
    """A turned box or an ellipse around a place on the image: it cannot be drawn otherwise."""
    if isinstance(shape, EllipseShape):
        x, y = shape.x, shape.y
    elif isinstance(shape, BoxShape) and shape.angle:
        x, y = shape.x + shape.width / 2, shape.y + shape.height / 2
    else:
        return False
    return 0 <= x <= size[0] and 0 <= y <= size[1]


def _cut(shape: Shape, size: tuple[int, int]) -> Shape | None:
    """What is kept; None when nothing of it lies on the image."""
    if isinstance(shape, BoxShape) and not shape.angle:
        left, upper = max(shape.x, 0.0), max(shape.y, 0.0)
        width = min(shape.x + shape.width, size[0]) - left
        height = min(shape.y + shape.height, size[1]) - upper
        return BoxShape(left, upper, width, height) if width > 0 and height > 0 else None
    if isinstance(shape, PolygonShape):
        rings = tuple(kept for ring in shape.rings if (kept := clipped(ring, size)))
        return PolygonShape(rings) if rings else None
    if isinstance(shape, MaskShape):
        mask = mask_of(shape, size)
        return shape_of(mask) if mask.any() else None
    if isinstance(shape, PolylineShape):
        return shape if _line_meets(shape, size) else None
    rings = tuple(kept for ring in polygon_of(shape).rings if (kept := clipped(ring, size)))
    return shape if rings else None


def _line_meets(shape: PolylineShape, size: tuple[int, int]) -> bool:
    """Whether any piece comes within half its width of the image.

    Liang and Barsky, A new concept and method for line clipping, ACM TOG 3 (1984): the shares of
    the piece at which it enters and leaves the image.
    """
    margin = shape.width / 2
    points = np.array(shape.points, np.float64)
    start, run = points[:-1], np.diff(points, axis=0)
    enters, leaves = np.zeros(len(start)), np.ones(len(start))
    for axis in (0, 1):
        for sign, room in (
            (-1, start[:, axis] + margin),
            (1, size[axis] + margin - start[:, axis]),
        ):
            step = run[:, axis] * sign
            share = room / np.where(step == 0, 1.0, step)
            leaves = np.where(step > 0, np.minimum(leaves, share), leaves)
            enters = np.where(step < 0, np.maximum(enters, share), enters)
            leaves = np.where((step == 0) & (room < 0), -1.0, leaves)
    return bool(np.any(enters <= leaves))
