"""Turns one closed ring of corners into what can be said of it: its area, crossings, what of it
lies inside an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keenline.annotation import Point

_PAIRS_AT_ONCE = 1 << 20


def tidied(ring: Sequence[Point]) -> tuple[Point, ...]:
    """Without corners that repeat the one before; the first counts as following the last."""
    kept = [corner for place, corner in enumerate(ring) if not place or corner != ring[place - 1]]
    while len(kept) > 1 and kept[0] == kept[-1]:
        kept.pop()
    return tuple(kept)


def has_area(ring: Sequence[Point]) -> bool:
    """Whether a ring goes around anything: three corners off one line, and not merely there and
    back."""
    if len(ring) < 3:
        return False
    corners = np.array(ring, np.float64)
    corners -= corners[0]
    reach = float(np.abs(corners).max())
    following = np.roll(corners, -1, axis=0)
    twice = float(np.sum(corners[:, 0] * following[:, 1] - following[:, 0] * corners[:, 1]))
    return abs(twice) > 1e-12 * reach * reach or crosses_itself(ring)


def crosses_itself(ring: Sequence[Point]) -> bool:
    """Whether two edges cross between their ends. An outline that only touches itself, or runs
    back along itself as a cut to a hole does, does not cross."""
    start = np.array(ring, np.float64)
    end = np.roll(start, -1, axis=0)
    low, high = np.minimum(start, end), np.maximum(start, end)
    # Edges in the order in which they begin along one side: each can meet only those that begin
    # before it ends. Along the side on which that leaves fewer.
    orders = [np.argsort(low[:, axis], kind="stable") for axis in (0, 1)]
    counts = [
        np.searchsorted(low[order, axis], high[order, axis], side="right")
        - np.arange(1, len(low) + 1)
        for axis, order in enumerate(orders)
    ]
    axis = int(counts[0].sum() > counts[1].sum())
    order, count = orders[axis], counts[axis]
    start, end, low, high = start[order], end[order], low[order], high[order]
    done = 0
    while done < len(low):
        size = int(np.searchsorted(np.cumsum(count[done:]), _PAIRS_AT_ONCE, side="right"))
        edges = np.arange(done, min(done + max(size, 1), len(low)))
        done = int(edges[-1]) + 1
        one = np.repeat(edges, count[edges])
        first = np.repeat(np.cumsum(count[edges]) - count[edges], count[edges])
        other = one + 1 + np.arange(one.size) - first
        across = 1 - axis
        meet = low[one, across] <= high[other, across]
        meet &= low[other, across] <= high[one, across]
        one, other = one[meet], other[meet]
        apart_one = _sides(start[one], end[one], start[other], end[other])
        apart_other = _sides(start[other], end[other], start[one], end[one])
        if np.any(apart_one & apart_other):
            return True
    return False


def clipped(ring: Sequence[Point], size: tuple[int, int]) -> tuple[Point, ...]:
    """What of a ring lies on an image of `size` (width, height); empty when nothing does.

    Sutherland and Hodgman, Reentrant polygon clipping, CACM 17 (1974): cut at one border after
    another. Where a ring falls apart, its parts stay joined along the border, which changes
    nothing of what is inside.
    """
    corners = np.array(ring, np.float64)
    for axis, sign, border in ((0, 1, 0), (0, -1, size[0]), (1, 1, 0), (1, -1, size[1])):
        if not len(corners):
            return ()
        corners = _cut(corners, axis, sign, border)
    kept = tidied([(float(x), float(y)) for x, y in corners])
    return kept if has_area(kept) else ()


def _cut(corners: NDArray[np.float64], axis: int, sign: int, border: float) -> NDArray[np.float64]:
    """What lies on one side of a border; each corner comes before the crossing that follows it."""
    depth = (corners[:, axis] - border) * sign
    inside = depth >= 0
    if inside.all():
        return corners
    after, depth_after = np.roll(corners, -1, axis=0), np.roll(depth, -1)
    crosses = inside != (depth_after >= 0)
    span = np.where(crosses, depth - depth_after, 1.0)
    met = corners + (after - corners) * (depth / span)[:, None]
    met[:, axis] = border
    both = np.stack([corners, met], axis=1)
    kept: NDArray[np.float64] = both[np.stack([inside, crosses], axis=1)]
    return kept


def _sides(
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    one: NDArray[np.float64],
    other: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Whether two points lie strictly on different sides of the line through an edge."""
    run = end - start

    def side(point: NDArray[np.float64]) -> NDArray[np.float64]:
        off = point - start
        return np.asarray(run[:, 0] * off[:, 1] - run[:, 1] * off[:, 0])

    # Products of thousands of pixels leave errors of this size beside nothing.
    slack = 1e-12 * (1.0 + np.abs(run).sum(axis=1)) * (1.0 + np.abs(start).sum(axis=1))
    first, second = side(one), side(other)
    return np.asarray(((first > slack) & (second < -slack)) | ((first < -slack) & (second > slack)))
