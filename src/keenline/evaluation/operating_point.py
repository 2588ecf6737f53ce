"""Turns scores of good parts into a threshold, with a guarantee where there are enough of them.

Everywhere in Keenline an image alarms when its score is greater than the threshold; an equal
score passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from keenline.evaluation.intervals import CONFIDENCE, misses_allowed, parts_needed

# Two or three parts, or one with an almost empty score, would put the prediction limit beyond any
# defect: it goes no farther than twice the largest score.
_FARTHEST = float(np.log(2))


@dataclass(frozen=True, slots=True)
class Threshold:
    """A score above which an image alarms, and what may be said about it."""

    value: float
    kind: Literal["guaranteed", "estimated"]
    held_out: int
    """Good parts it rests on: held out (guaranteed) or left out one at a time (estimated)."""
    above: int
    """How many of them score above it."""
    false_alarm_rate: float
    """The rate aimed at, 0..1."""
    confidence: float

    @property
    def statement(self) -> str:
        """The sentence to print beside the threshold."""
        claim = f"<= {_percent(self.false_alarm_rate)} at {_percent(self.confidence)} confidence"
        if self.kind == "guaranteed":
            above = "none" if self.above == 0 else str(self.above)
            return f"{self.held_out} held-out parts, {above} above: false-alarm rate {claim}"
        needed = parts_needed(1 - self.false_alarm_rate, 0, self.confidence)
        return (
            f"estimate from {self.held_out} parts left out one at a time; no guarantee. "
            f"{needed} more parts, held out from learning, are needed to claim {claim}"
        )


def guaranteed_threshold(
    held_out_scores: ArrayLike, false_alarm_rate: float = 0.05, confidence: float = CONFIDENCE
) -> Threshold | None:
    """The lowest threshold whose false-alarm rate is proven; None when there are too few parts.

    `held_out_scores`, (n,), come from independent good parts that were not learnt from, one score
    a part. With k the most misses n allows, it is the (k + 1)-th largest score: a distribution-free
    tolerance bound (Wilks, Ann. Math. Statist. 12, 1941). Pr[false-alarm rate <= rate] is at least
    `confidence` for any distribution; ties only make it safer.
    Raises ValueError for a score that is not finite.
    """
    scores = _ascending(held_out_scores)
    allowed = misses_allowed(scores.size, 1 - false_alarm_rate, confidence)
    if allowed is None:
        return None
    value = float(scores[-1 - allowed])
    return _threshold("guaranteed", value, scores, false_alarm_rate, confidence)


def estimated_threshold(
    leave_one_out_scores: ArrayLike, false_alarm_rate: float = 0.05, confidence: float = CONFIDENCE
) -> Threshold:
    """A threshold from the learning parts themselves, (n,), n >= 1: an estimate, no guarantee.

    From the n that would carry a guarantee on, the same order statistic. Below it, the largest
    score, whose false-alarm rate is expected to be 1 / (n + 1). Where even that is above the rate
    aimed at (n < 19 for 5 %), the largest score or, if higher, the one-sided prediction limit of
    one more part with log-normal scores, exp(mean + t sd sqrt(1 + 1/n)) (Hahn and Meeker,
    Statistical Intervals, 1991, section 4.7), at most twice the largest score.

    Simulated over normal, uniform, gamma and log-normal scores the mean false-alarm rate is
    3-5 % for n = 5 (the largest score alone: 17 %, the 95th percentile: 19 %), 2-5 % for 10,
    5 % for 19, 3 % for 30 and 2 % for 60; with Pareto tails 11 % for 5 and 8 % for 10. The 95th
    percentile is too low at any of these n (7 % for 60), which is why it is not used.
    Raises ValueError when there is no score or one is not finite.
    """
    scores = _ascending(leave_one_out_scores)
    if scores.size == 0:
        raise ValueError("a threshold needs at least one score")
    allowed = misses_allowed(scores.size, 1 - false_alarm_rate, confidence)
    value = float(scores[-1 - (allowed or 0)])
    if (scores.size + 1) * false_alarm_rate < 1:
        value = max(value, _prediction_limit(scores, false_alarm_rate))
    return _threshold("estimated", value, scores, false_alarm_rate, confidence)


def _threshold(
    kind: Literal["guaranteed", "estimated"],
    value: float,
    scores: NDArray[np.float64],
    false_alarm_rate: float,
    confidence: float,
) -> Threshold:
    above = int(np.count_nonzero(scores > value))
    return Threshold(value, kind, scores.size, above, false_alarm_rate, confidence)


def _prediction_limit(scores: NDArray[np.float64], rate: float) -> float:
    n = scores.size
    if n < 2 or scores[0] <= 0:  # no spread to see, or no logarithm
        return float(scores[-1])
    logs = np.log(scores)
    reach = float(stdtrit(n - 1, 1 - rate)) * float(logs.std(ddof=1)) * (1 + 1 / n) ** 0.5
    return float(np.exp(min(logs.mean() + reach, logs[-1] + _FARTHEST)))


def _ascending(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.sort(np.asarray(scores, dtype=np.float64).ravel())
    if not np.isfinite(values).all():
        raise ValueError("a score is not finite")
    return values


def _percent(share: float) -> str:
    return f"{100 * share:.6g} %"
