"""Boxes that were found and boxes that are there turned into the average precision of COCO.

T.-Y. Lin et al., Microsoft COCO, ECCV 2014, as its own evaluation counts: at most 100 boxes an
image, the surest first; each takes the free true box of its class that it overlaps most; precision
is made to fall with recall and read off at 101 recalls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OVERLAPS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""Intersection over union, from which a box counts as found: .50, .55, ... .95."""

_RECALLS = np.linspace(0, 1, 101)
_MOST = 100


@dataclass(frozen=True, slots=True)
class Boxes:
    """Of one image."""

    places: NDArray[np.float64]
    """(boxes, 4): left, top, right, bottom in pixels; right and bottom are outside."""
    classes: NDArray[np.int64]
    """(boxes,)"""
    scores: NDArray[np.float64] | None = None
    """(boxes,): how sure each is; None for those that are there."""


def box_precision(
    found: Sequence[Boxes], true: Sequence[Boxes], overlaps: Sequence[float] = OVERLAPS
) -> Mapping[int, NDArray[np.float64]]:
    """Average precision of each class that is there, (overlaps,), 0..1; images in one order."""
    named = sorted({int(number) for each in true for number in each.classes})
    return {number: _of_class(found, true, number, np.array(overlaps)) for number in named}


def mean_precision(by_class: Mapping[int, NDArray[np.float64]]) -> float:
    """Over classes and overlaps; NaN without any class."""
    return float(np.mean(list(by_class.values()))) if by_class else float("nan")


def overlap(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of every box of one list with every one of another, 0..1."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [
        np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1) for boxes in (first, second)
    ]
    both = areas[0][:, None] + areas[1][None] - shared
    shares: NDArray[np.float64] = shared / np.where(both > 0, both, 1.0)
    return shares


def _of_class(
    found: Sequence[Boxes], true: Sequence[Boxes], number: int, overlaps: NDArray[np.float64]
) -> NDArray[np.float64]:
    scores, hits, there = [], [], 0
    for said, real in zip(found, true, strict=True):
        assert said.scores is not None
        mine = said.classes == number
        order = np.argsort(-said.scores[mine], kind="stable")[:_MOST]
        places = real.places[real.classes == number]
        there += len(places)
        scores.append(said.scores[mine][order])
        hits.append(_matched(overlap(said.places[mine][order], places), overlaps))
    order = np.argsort(-np.concatenate(scores), kind="stable")
    hit = np.concatenate(hits)[order].astype(np.float64)
    right = np.cumsum(hit, axis=0)
    ranks = np.arange(1, len(hit) + 1)[:, None]
    precision = np.maximum.accumulate((right / ranks)[::-1], axis=0)[::-1]
    values = []
    for column in range(len(overlaps)):
        at = np.searchsorted(right[:, column] / there, _RECALLS, side="left")
        known = at < len(hit)
        values.append(precision[at[known], column].sum() / len(_RECALLS))
    return np.array(values)


def _matched(shares: NDArray[np.float64], overlaps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which boxes, the surest first, are hits at each overlap: (boxes, overlaps)."""
    hits = np.zeros((len(shares), len(overlaps)), np.bool_)
    if not shares.shape[1]:
        return hits
    for column, least in enumerate(overlaps):
        free = np.ones(shares.shape[1], np.bool_)
        for row, share in enumerate(shares):
            # Of equal overlaps the last one, as COCO's own code takes them.
            open_shares = np.where(free, share, -1.0)
            best = len(share) - 1 - int(np.argmax(open_shares[::-1]))
            if open_shares[best] >= min(least, 1 - 1e-10):
                hits[row, column], free[best] = True, False
    return hits
