"""Scores of parts that were left out turned into the confidence at which a class counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST = 1e-6


def class_threshold(
    defects: NDArray[np.float64], good: NDArray[np.float64], false_alarm_rate: float
) -> float:
    """The confidence, 0..1, that finds the most defects with at most that share of false alarms.

    defects, good: confidence of each left-out part of the class, and of each good one. Between the
    lowest defect that is found and the highest good part below it, the middle (of the logits) is
    taken. Without any defect, or when none can be found, just above all good parts.
    """
    allowed = int(np.floor(false_alarm_rate * len(good) + 1e-9))
    ordered = np.sort(good)[::-1]
    floor = float(ordered[allowed]) if len(ordered) > allowed else 0.0
    found = np.sort(defects[defects > floor])
    if not len(found):
        return float(np.clip(floor, 0.5, 1 - _LEAST))
    lowest = float(found[0])
    below = float(good[good < lowest].max(initial=0.0))
    middle = (logit(max(below, floor)) + logit(lowest)) / 2
    return float(1 / (1 + np.exp(-middle)))


def logit(share: float) -> float:
    """log(p / (1 - p)) of a share, kept a little away from 0 and 1."""
    kept = float(np.clip(share, _LEAST, 1 - _LEAST))
    return float(np.log(kept / (1 - kept)))
