"""Turns what people said of the same images into kappa: their agreement beyond chance.

1 is full agreement, 0 what chance alone would give, below 0 less than chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from keenline.evaluation.intervals import recall_lower_bound

CONFIDENCE = 0.95
"""Of the two-sided intervals."""


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement beyond chance, with its interval."""

    value: float | None
    """-1..1; None where chance alone would make everybody agree: one class only, or no image."""
    lower95: float | None
    """Of the two-sided interval; None with `value`."""
    upper95: float | None
    standard_error: float | None
    observed: float | None
    """Share of images (or pairs of judgements) that agree, 0..1; None without an image."""
    expected: float | None
    """The same by chance, 0..1."""
    images: int


def cohen(table: ArrayLike) -> Kappa:
    """Cohen's kappa of two people (Cohen, Educ. Psychol. Meas. 20, 1960).

    table: (k, k), images that the first put into class i and the second into class j. The interval
    is asymptotic (Fleiss, Cohen and Everitt, Psychol. Bull. 72, 1969), cut at -1 and 1; where the
    two agree on every image it has no width, and the exact lower bound of their agreement is put
    in its place.
    """
    counts = np.asarray(table, np.float64)
    images = int(counts.sum())
    if not images:
        return _nothing()
    p = counts / images
    rows, columns = p.sum(axis=1), p.sum(axis=0)
    observed, expected = float(np.trace(p)), float(rows @ columns)
    if math.isclose(expected, 1.0):
        return Kappa(None, None, None, None, observed, expected, images)
    value = (observed - expected) / (1 - expected)
    same = np.diag(p) @ (1 - (rows + columns) * (1 - value)) ** 2
    # p_ij with the second's share of class i and the first's of class j.
    crossed = p * (columns[:, None] + rows[None, :]) ** 2
    other = (1 - value) ** 2 * (crossed.sum() - np.trace(crossed))
    both = (value - expected * (1 - value)) ** 2
    variance = max(0.0, float(same + other - both)) / (images * (1 - expected) ** 2)
    return _with_interval(value, math.sqrt(variance), observed, expected, images)


def fleiss(ratings: ArrayLike) -> Kappa:
    """Fleiss' kappa of two or more people (Fleiss, Psychol. Bull. 76, 1971).

    ratings: (images, k), how many put the image into each class. Not everybody needs to have seen
    every image; images seen by fewer than two are left out. The interval is asymptotic (Gwet,
    Educ. Psychol. Meas. 81, 2021), as for `cohen`.
    """
    counts = np.asarray(ratings, np.float64)
    counts = counts[counts.sum(axis=1) >= 2] if counts.size else counts.reshape(0, 1)
    images = len(counts)
    if not images:
        return _nothing()
    seen = counts.sum(axis=1)
    agreeing = (counts * (counts - 1)).sum(axis=1) / (seen * (seen - 1))
    shares = (counts / seen[:, None]).mean(axis=0)
    observed, expected = float(agreeing.mean()), float(shares @ shares)
    if math.isclose(expected, 1.0):
        return Kappa(None, None, None, None, observed, expected, images)
    value = (observed - expected) / (1 - expected)
    by_image = (agreeing - expected) / (1 - expected)
    chance = (counts / seen[:, None]) @ shares
    by_image = by_image - 2 * (1 - value) * (chance - expected) / (1 - expected)
    spread = float(((by_image - value) ** 2).sum())
    error = math.sqrt(spread / (images * (images - 1))) if images > 1 else math.inf
    return _with_interval(value, error, observed, expected, images)


def table_of(
    first: Sequence[str], second: Sequence[str]
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The classes two people used, sorted, and the table of `cohen`."""
    names = tuple(sorted({*first, *second}))
    place = {name: index for index, name in enumerate(names)}
    table = np.zeros((len(names), len(names)), np.int64)
    for mine, other in zip(first, second, strict=True):
        table[place[mine], place[other]] += 1
    return names, table


def _with_interval(
    value: float, error: float, observed: float, expected: float, images: int
) -> Kappa:
    reach = float(ndtri(0.5 + CONFIDENCE / 2)) * error
    low, high = max(-1.0, value - reach), min(1.0, value + reach)
    if math.isclose(observed, 1.0):
        least = recall_lower_bound(images, images, 0.5 + CONFIDENCE / 2)
        low = max(-1.0, (least - expected) / (1 - expected))
    return Kappa(value, low, high, None if math.isinf(error) else error, observed, expected, images)


def _nothing() -> Kappa:
    return Kappa(None, None, None, None, None, None, 0)
