"""Turns shapes into the pixels they mark, and pixels into shapes.

A pixel is marked when its centre lies inside. Of a ring, inside is what it goes around an odd
number of times; a centre on an edge belongs to the shape to the right of, or below, that edge, so
that two boxes side by side share no pixel.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from keenline.annotation import (
    BoxShape,
    EllipseShape,
    MaskShape,
    Point,
    PolygonShape,
    PolylineShape,
    Shape,
)
from keenline.data.image_limits import LARGEST_AREA
from keenline.data.tracing import rings_of
from keenline.types import Mask

ELLIPSE_CORNERS = 64
"""Of the polygon for an ellipse; it lies within 0.13 % of the larger radius of it."""


def mask_of(shape: Shape, size: tuple[int, int]) -> Mask:
    """The pixels of an image of `size` (width, height) that `shape` marks.

    A polyline marks the pixels whose centres lie within half its width, and those it passes
    through. What lies beyond the image is left out.
    """
    width, height = size
    mask = np.zeros((height, width), np.bool_)
    left, upper, right, lower = _window(shape, size)
    if left >= right or upper >= lower:
        return mask
    view = mask[upper:lower, left:right]
    if isinstance(shape, MaskShape):
        decoded = _decoded(shape)
        view |= decoded[upper - shape.y : lower - shape.y, left - shape.x : right - shape.x]
    elif isinstance(shape, PolygonShape):
        for ring in shape.rings:
            view |= _filled(_moved(ring, left, upper), view.shape)
    elif isinstance(shape, BoxShape):
        view |= _filled(_moved(_corners(shape), left, upper), view.shape)
    elif isinstance(shape, EllipseShape) and min(shape.radius_x, shape.radius_y) > 0:
        view |= _ellipse(shape, left, upper, view.shape)
    elif isinstance(shape, PolylineShape):
        _draw(view, _moved(shape.points, left, upper), shape.width)
    return mask


def shape_of(mask: Mask, x: int = 0, y: int = 0) -> MaskShape:
    """The marked pixels of `mask` (height, width), whose upper left corner lies at (x, y).

    The rectangle is the smallest around them; that of the whole mask when none is marked.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size:
        mask = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        x, y = x + int(columns[0]), y + int(rows[0])
    flat = mask.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    runs: list[int] = np.diff(ends, prepend=0).tolist()
    if flat.size and flat[0]:
        runs.insert(0, 0)
    return MaskShape(x, y, mask.shape[1], mask.shape[0], tuple(runs))


def bounds(shape: Shape) -> tuple[float, float, float, float]:
    """Left, upper, right and lower edge of the smallest upright rectangle around it, pixels.

    Of a polyline with its width; of a mask around its marked pixels (all of it, when none is).
    Four zeros for a polygon without rings.
    """
    if isinstance(shape, MaskShape):
        whole = shape_of(_decoded(shape), shape.x, shape.y)
        return (whole.x, whole.y, whole.x + whole.width, whole.y + whole.height)
    if isinstance(shape, EllipseShape):
        turn = np.deg2rad(shape.angle)
        across = float(np.hypot(shape.radius_x * np.cos(turn), shape.radius_y * np.sin(turn)))
        along = float(np.hypot(shape.radius_x * np.sin(turn), shape.radius_y * np.cos(turn)))
        return (shape.x - across, shape.y - along, shape.x + across, shape.y + along)
    if isinstance(shape, BoxShape) and not shape.angle:
        return (shape.x, shape.y, shape.x + shape.width, shape.y + shape.height)
    if isinstance(shape, BoxShape):
        points: tuple[Point, ...] = _corners(shape)
    elif isinstance(shape, PolygonShape):
        points = tuple(point for ring in shape.rings for point in ring)
    else:
        points = shape.points
    if not points:
        return (0.0, 0.0, 0.0, 0.0)
    margin = shape.width / 2 if isinstance(shape, PolylineShape) else 0.0
    across_all, down_all = zip(*points, strict=True)
    return (
        min(across_all) - margin,
        min(down_all) - margin,
        max(across_all) + margin,
        max(down_all) + margin,
    )


def polygon_of(shape: Shape, size: tuple[int, int] | None = None) -> PolygonShape:
    """The outline of a shape, for formats that hold nothing else.

    Exact for boxes; an ellipse gets `ELLIPSE_CORNERS` corners; of a mask or a polyline the outline
    of its pixels, which marks those same pixels again. A hole is joined to the ring around it by a
    cut without width. Of a polyline, only what lies on an image of `size` (width, height) where
    that is given. Without rings where no pixel is marked, and for a line longer than any image.
    """
    if isinstance(shape, PolygonShape):
        return shape
    if isinstance(shape, BoxShape):
        return PolygonShape((_corners(shape),))
    if isinstance(shape, EllipseShape):
        step = np.arange(ELLIPSE_CORNERS) * (2 * np.pi / ELLIPSE_CORNERS)
        offsets = np.stack([shape.radius_x * np.cos(step), shape.radius_y * np.sin(step)], axis=1)
        return PolygonShape((_turned(offsets, shape.x, shape.y, shape.angle),))
    if isinstance(shape, MaskShape):
        return PolygonShape(rings_of(_decoded(shape), shape.x, shape.y))
    return _outline_of_line(shape, size)


def _outline_of_line(shape: PolylineShape, size: tuple[int, int] | None) -> PolygonShape:
    left, upper, right, lower = bounds(shape)
    x, y = int(np.floor(left)) - 1, int(np.floor(upper)) - 1
    width, height = int(np.ceil(right)) + 1 - x, int(np.ceil(lower)) + 1 - y
    if size is not None:
        x, y, width, height = 0, 0, *size
    if width * height > LARGEST_AREA:
        return PolygonShape(())
    moved = PolylineShape(tuple((px - x, py - y) for px, py in shape.points), shape.width)
    return PolygonShape(rings_of(mask_of(moved, (width, height)), x, y))


def _window(shape: Shape, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of the image in which the shape may mark pixels: left, upper, right, lower."""
    if isinstance(shape, MaskShape):
        left, upper = float(shape.x), float(shape.y)
        right, lower = left + shape.width, upper + shape.height
    else:
        left, upper, right, lower = bounds(shape)
    # A pixel more all around: a line marks what it passes through, also on its border.
    grown = 0 if isinstance(shape, MaskShape) else 1
    low = [int(max(np.floor(edge) - grown, 0)) for edge in (left, upper)]
    pairs = ((right, size[0]), (lower, size[1]))
    high = [int(min(np.ceil(edge) + grown, most)) for edge, most in pairs]
    return low[0], low[1], high[0], high[1]


def _moved(points: tuple[Point, ...], left: int, upper: int) -> NDArray[np.float64]:
    return np.array(points, np.float64) - (left, upper)


def _corners(box: BoxShape) -> tuple[Point, ...]:
    right, lower = box.x + box.width, box.y + box.height
    if not box.angle:
        return ((box.x, box.y), (right, box.y), (right, lower), (box.x, lower))
    half = np.array([box.width / 2, box.height / 2])
    offsets = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    return _turned(offsets, box.x + half[0], box.y + half[1], box.angle)


def _turned(offsets: NDArray[np.float64], x: float, y: float, angle: float) -> tuple[Point, ...]:
    """Offsets from a centre, turned clockwise on the screen (y points down), as points."""
    turn = np.deg2rad(angle)
    cosine, sine = np.cos(turn), np.sin(turn)
    across = x + offsets[:, 0] * cosine - offsets[:, 1] * sine
    down = y + offsets[:, 0] * sine + offsets[:, 1] * cosine
    return tuple(zip(across.tolist(), down.tolist(), strict=True))


def _filled(ring: NDArray[np.float64], shape: tuple[int, ...]) -> Mask:
    """Even-odd fill: every edge toggles, in each row whose centre it passes, all pixels to its
    right."""
    height, width = shape
    following = np.roll(ring, -1, axis=0)
    falls = ring[:, 1] <= following[:, 1]
    top = np.where(falls[:, None], ring, following)
    end = np.where(falls[:, None], following, ring)
    first = np.clip(np.ceil(top[:, 1] - 0.5), 0, height).astype(np.intp)
    last = np.clip(np.ceil(end[:, 1] - 0.5), 0, height).astype(np.intp)
    count = last - first
    edge = np.repeat(np.arange(len(ring)), count)
    row = np.arange(edge.size) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = (end[edge, 0] - top[edge, 0]) / (end[edge, 1] - top[edge, 1])
    across = top[edge, 0] + (row + 0.5 - top[edge, 1]) * slope
    column = np.clip(np.ceil(across - 0.5), 0, width).astype(np.intp)
    toggles = np.bincount(row * (width + 1) + column, minlength=height * (width + 1))
    parity = (toggles & 1).astype(np.bool_).reshape(height, width + 1)
    return np.logical_xor.accumulate(parity, axis=1)[:, :width]


def _ellipse(shape: EllipseShape, left: int, upper: int, size: tuple[int, ...]) -> Mask:
    turn = np.deg2rad(shape.angle)
    across = np.arange(size[1]) + (left + 0.5 - shape.x)
    down = (np.arange(size[0]) + (upper + 0.5 - shape.y))[:, None]
    along = (across * np.cos(turn) + down * np.sin(turn)) / shape.radius_x
    off = (down * np.cos(turn) - across * np.sin(turn)) / shape.radius_y
    return np.asarray(along**2 + off**2 <= 1.0)


def _draw(view: Mask, points: NDArray[np.float64], width: float) -> None:
    """A polyline: the pixels it passes through, a rectangle along each piece, a disc at each
    point."""
    for start, end in itertools.pairwise(points):
        across, down = _passed(start, end, view.shape)
        inside = (across >= 0) & (across < view.shape[1]) & (down >= 0) & (down < view.shape[0])
        view[down[inside], across[inside]] = True
        length = np.hypot(*(end - start))
        if length > 0 and width > 0:
            aside = (end - start)[::-1] / length * (-width / 2, width / 2)
            ring = np.array([start + aside, end + aside, end - aside, start - aside])
            _fill_within(view, ring)
    for x, y in points:
        low = np.maximum(np.floor([x - width / 2, y - width / 2]), 0).astype(int)
        high = np.ceil([x + width / 2, y + width / 2]).astype(int)
        part = view[low[1] : max(high[1], 0), low[0] : max(high[0], 0)]
        if part.size and width > 0:
            disc = EllipseShape(x, y, width / 2, width / 2)
            part |= _ellipse(disc, int(low[0]), int(low[1]), part.shape)


def _fill_within(view: Mask, ring: NDArray[np.float64]) -> None:
    """Fill a ring, working only in the rectangle around it."""
    low = np.maximum(np.floor(ring.min(axis=0)), 0).astype(int)
    high = np.maximum(np.ceil(ring.max(axis=0)), 0).astype(int)
    part = view[low[1] : high[1], low[0] : high[0]]
    if part.size:
        part |= _filled(ring - low, part.shape)


def _passed(
    start: NDArray[np.float64], end: NDArray[np.float64], size: tuple[int, ...]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Columns and rows of the pixels a straight piece passes through; of those outside `size`
    (height, width) only some."""
    shares = [np.array([0.0, 1.0])]
    for from_, to, most in zip(start, end, reversed(size), strict=True):
        if from_ != to:
            first, last = max(min(from_, to), 0.0), min(max(from_, to), most)
            shares.append((np.arange(np.ceil(first), np.floor(last) + 1) - from_) / (to - from_))
    share = np.unique(np.clip(np.concatenate(shares), 0.0, 1.0))
    middle = (share[1:] + share[:-1]) / 2 if len(share) > 1 else share
    places = np.floor(start + middle[:, None] * (end - start)).astype(np.intp)
    return places[:, 0], places[:, 1]


def _decoded(shape: MaskShape) -> Mask:
    marked = np.arange(len(shape.runs)) % 2 == 1
    return np.repeat(marked, shape.runs).reshape(shape.height, shape.width)
