"""Turns a mask into rings along the borders of its pixels that mark the same pixels again."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from keenline.annotation import Point
from keenline.types import Mask

_Corner = tuple[int, int]
_RIGHT_TURN = {(1, 0): (0, 1), (0, 1): (-1, 0), (-1, 0): (0, -1), (0, -1): (1, 0)}
"""Steps clockwise on the screen, where y points down."""


def rings_of(mask: Mask, x: int = 0, y: int = 0) -> tuple[tuple[Point, ...], ...]:
    """One ring for each group of pixels that hang together by their sides; a hole is joined to
    the ring around it by a cut without width. Corners are whole numbers; (x, y) is that of the
    mask's upper left."""
    loops = _loops(mask)
    outer = [place for place, loop in enumerate(loops) if _area(loop) > 0]
    holes = sorted(set(range(len(loops))) - set(outer), key=lambda place: _first(loops[place]))
    # Only one loop passes through a corner that is met from the right through marked pixels, so it
    # does not matter that a corner where pixels touch diagonally is claimed by the later loop.
    owner = {corner: place for place, loop in enumerate(loops) for corner in loop}
    joined: dict[_Corner, int] = {}
    for hole in holes:
        across, down = _first(loops[hole])[::-1]
        across -= 1
        while (across, down) not in owner:
            across -= 1
        joined[across, down] = hole
    return tuple(_ring(loops, place, joined, x, y) for place in outer)


def _loops(mask: Mask) -> list[list[_Corner]]:
    """Closed walks along pixel borders, marked pixels on the right hand: clockwise around marked
    pixels, the other way around holes."""
    padded = np.pad(mask, 1)
    ways: defaultdict[_Corner, list[_Corner]] = defaultdict(list)
    here, above, before = padded[1:, 1:], padded[:-1, 1:], padded[1:, :-1]
    for rows_columns, start, end in (
        (np.nonzero(here & ~above), (0, 0), (1, 0)),
        (np.nonzero(~here & above), (1, 0), (0, 0)),
        (np.nonzero(here & ~before), (0, 1), (0, 0)),
        (np.nonzero(~here & before), (0, 0), (0, 1)),
    ):
        for row, column in zip(*(part.tolist() for part in rows_columns), strict=True):
            from_ = (column + start[0], row + start[1])
            ways[from_].append((column + end[0], row + end[1]))
    loops = []
    for first in list(ways):
        while ways[first]:
            loops.append(_walk(first, ways))
    return loops


def _walk(first: _Corner, ways: dict[_Corner, list[_Corner]]) -> list[_Corner]:
    loop = [first]
    here = ways[first].pop()
    while here != first or _goes_on(loop, here, ways):
        step = (here[0] - loop[-1][0], here[1] - loop[-1][1])
        loop.append(here)
        choices = ways[here]
        turn = _RIGHT_TURN[step]
        wanted = (here[0] + turn[0], here[1] + turn[1])
        here = choices.pop(choices.index(wanted) if wanted in choices else 0)
    return loop


def _goes_on(loop: list[_Corner], here: _Corner, ways: dict[_Corner, list[_Corner]]) -> bool:
    """Whether a walk that is back at its first corner keeps to its pixels only by going on."""
    step = (here[0] - loop[-1][0], here[1] - loop[-1][1])
    turn = _RIGHT_TURN[step]
    return (here[0] + turn[0], here[1] + turn[1]) in ways[here]


def _area(loop: list[_Corner]) -> int:
    """Twice the area, positive when walked clockwise on the screen."""
    return sum(
        one[0] * other[1] - other[0] * one[1]
        for one, other in zip(loop, [*loop[1:], loop[0]], strict=True)
    )


def _first(loop: list[_Corner]) -> tuple[int, int]:
    """Row and column of the leftmost of the uppermost corners."""
    return min((down, across) for across, down in loop)


def _ring(
    loops: list[list[_Corner]], place: int, joined: dict[_Corner, int], x: int, y: int
) -> tuple[Point, ...]:
    walk: list[_Corner] = []
    waiting = [iter(loops[place])]
    while waiting:
        corner = next(waiting[-1], None)
        if corner is None:
            waiting.pop()
            continue
        walk.append(corner)
        hole = joined.pop(corner, None)
        if hole is not None:
            loop = loops[hole]
            start = loop.index(_first(loop)[::-1])
            waiting.append(iter([*loop[start:], *loop[: start + 1], corner]))
    return tuple((float(across + x), float(down + y)) for across, down in _without_straights(walk))


def _without_straights(walk: list[_Corner]) -> list[_Corner]:
    kept = []
    for before, here, after in zip([walk[-1], *walk[:-1]], walk, [*walk[1:], walk[0]], strict=True):
        if _direction(before, here) != _direction(here, after):
            kept.append(here)
    return kept


def _direction(one: _Corner, other: _Corner) -> tuple[int, int]:
    across, down = other[0] - one[0], other[1] - one[1]
    return (across > 0) - (across < 0), (down > 0) - (down < 0)
