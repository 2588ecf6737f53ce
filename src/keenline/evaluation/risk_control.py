"""Turns scores of labelled parts into the thresholds that keep an escape rate, proven or expected.

An escape is a defective part that passes: its score is not above the threshold. Everything here
holds for any distribution of scores, as long as the parts to come are drawn like those at hand.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from keenline.evaluation.intervals import CONFIDENCE, misses_allowed, parts_needed

Promise: TypeAlias = Literal["expected", "proven"]
"""`expected`: the rate averaged over studies like this one is kept (conformal risk control).
`proven`: in 95 % of studies like this one the rate is kept."""

_TAIL_STEPS = 2000
_TAIL_REACH = 20.0


def misses_tolerated(
    n: int, rate: float, promise: Promise = "expected", confidence: float = CONFIDENCE
) -> int | None:
    """How many of `n` defects may be missed so that the escape rate promised is kept; None: n is
    too small to promise it.

    `expected`: the most m with (m + 1) / (n + 1) <= rate, so n >= 1 / rate - 1 (conformal risk
    control with a loss of 0 or 1: Angelopoulos et al., ICLR 2024, theorem 1). `proven`: the most
    that still prove a recall of 1 - rate (Clopper-Pearson), so n from the table of
    `parts_needed`. Raises ValueError unless 0 < rate < 1.
    """
    if not 0 < rate < 1:
        raise ValueError(f"rate must lie between 0 and 1, got {rate}")
    if promise == "proven":
        return misses_allowed(n, 1 - rate, confidence)
    # As the rate was written: 0.29 * 100 is a little less than 29 in binary.
    allowed = int(Fraction(repr(float(rate))) * (n + 1)) - 1
    return min(allowed, n) if allowed >= 0 else None


def defects_needed(rate: float, promise: Promise = "expected") -> int:
    """The fewest defects with which the promise can be kept at all."""
    if promise == "proven":
        return parts_needed(1 - rate)
    exact = 1 / Fraction(repr(float(rate))) - 1
    return max(1, -int(-exact // 1))


def escape_limit(
    defect_scores: ArrayLike, rate: float, promise: Promise = "expected"
) -> float | None:
    """The highest threshold that keeps the promise about defects of one kind, scored (n,).

    It lies just below the (m + 1)-th lowest score, m being `misses_tolerated`; any lower threshold
    keeps the promise too. Infinite when every defect may be missed; None when there are too few.
    Raises ValueError for a score that is not finite.
    """
    scores = _ascending(defect_scores)
    tolerated = misses_tolerated(scores.size, rate, promise)
    if tolerated is None:
        return None
    if tolerated >= scores.size:
        return np.inf
    return float(np.nextafter(scores[tolerated], -np.inf))


class Ladder:
    """Thresholds of several scores that rise together, so that one number moves them all.

    A promise about a single number stays valid when it is a choice among thresholds fixed without
    looking at the defects. Rung j holds, for each score, its j-th lowest value among good parts;
    the last rungs go on above the highest, in equal steps of the spread of that score.
    """

    def __init__(self, good_scores: NDArray[np.float64], floor: float = 0.0) -> None:
        """good_scores: (good parts, scores), finite, at least one part."""
        ordered = np.sort(good_scores, axis=0)
        top = ordered[-1]
        spread = np.maximum(top - np.median(ordered, axis=0), 1e-6 * np.maximum(np.abs(top), 1e-6))
        reach = np.linspace(0, _TAIL_REACH, _TAIL_STEPS + 1)[1:]
        first = np.full((1, ordered.shape[1]), floor)
        self.rungs: NDArray[np.float64] = np.concatenate(
            [np.minimum(first, ordered[:1]), ordered, top + reach[:, None] * spread]
        )
        """(rungs, scores), ascending."""

    def missed_from(self, defect_scores: NDArray[np.float64]) -> NDArray[np.int64]:
        """For each defect, (n, scores), the lowest rung at which it passes; beyond the last for
        one that none misses."""
        places = [
            np.searchsorted(rung, column, "left")
            for rung, column in zip(self.rungs.T, defect_scores.T, strict=True)
        ]
        highest: NDArray[np.int64] = np.max(places, axis=0)
        return highest

    def highest(
        self, defect_scores: NDArray[np.float64], rate: float, promise: Promise
    ) -> NDArray[np.float64] | None:
        """The highest rung, (scores,), that keeps the promise; None when there are too few
        defects, or when even the lowest rung misses too many."""
        tolerated = misses_tolerated(len(defect_scores), rate, promise)
        if tolerated is None:
            return None
        if tolerated >= len(defect_scores):
            last: NDArray[np.float64] = self.rungs[-1]
            return last
        rung = int(np.sort(self.missed_from(defect_scores))[tolerated]) - 1
        if rung < 0:
            return None
        highest: NDArray[np.float64] = self.rungs[min(rung, len(self.rungs) - 1)]
        return highest


def _ascending(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.sort(np.asarray(scores, dtype=np.float64).ravel())
    if not np.isfinite(values).all():
        raise ValueError("a score is not finite")
    return values
