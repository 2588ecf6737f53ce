"""Turns scores of good and defective images, or pixels, into ranking metrics.

Scores are higher for more anomalous. Nothing here is normalised over the images measured.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from keenline.inference.enlarging import enlarge
from keenline.types import Mask, ScoreMap

_DROPPED_BITS = 12  # of float32's 23 mantissa bits; 11 remain
_BINS = 1 << (31 - _DROPPED_BITS)  # the sign bit is always 0

Curve = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def auroc(good: ArrayLike, defective: ArrayLike) -> float:
    """Chance, 0..1, that a defective score exceeds a good one, ties counting half.

    The area under the ROC curve as the Mann-Whitney statistic (Hanley and McNeil, Radiology 143,
    1982). Raises ValueError when a side is empty or a score is not finite.
    """
    low, high = _both(good, defective)
    low = np.sort(low)
    below = np.searchsorted(low, high, "left").sum(dtype=np.float64)
    not_above = np.searchsorted(low, high, "right").sum(dtype=np.float64)
    return float((below + not_above) / (2.0 * low.size * high.size))


def average_precision(good: ArrayLike, defective: ArrayLike) -> float:
    """Precision averaged over the steps of recall, 0..1, without interpolation.

    Raises ValueError when a side is empty or a score is not finite.
    """
    false_alarms, found, _ = _counts(*_both(good, defective))
    return _average_precision(false_alarms, found)


def f1_max(good: ArrayLike, defective: ArrayLike) -> tuple[float, float]:
    """The best F1 that any threshold reaches on these scores, and that threshold.

    The threshold is chosen on the images it is measured on: never inspect with it. It is the
    highest score that passes (just below the lowest score when nothing passes).
    Raises ValueError when a side is empty or a score is not finite.
    """
    low, high = _both(good, defective)
    false_alarms, found, values = _counts(low, high)
    f1 = 2 * found / (high.size + found + false_alarms)
    best = int(np.argmax(f1))
    passing = values[best + 1] if best + 1 < values.size else np.nextafter(values[best], -np.inf)
    return float(f1[best]), float(passing)


def roc_curve(good: ArrayLike, defective: ArrayLike) -> Curve:
    """False-alarm rate, recall and threshold, each (points,), from nothing alarming to everything.

    A point counts scores >= its threshold as alarms; the first threshold is infinite.
    Raises ValueError when a side is empty or a score is not finite.
    """
    low, high = _both(good, defective)
    false_alarms, found, values = _counts(low, high)
    zero, endless = np.zeros(1), np.full(1, np.inf)
    return (
        np.concatenate([zero, false_alarms / low.size]),
        np.concatenate([zero, found / high.size]),
        np.concatenate([endless, values]),
    )


class PixelMetrics:
    """Pixel metrics over any number of images in 12 MB, whatever their size.

    Scores are binned by the upper bits of their float32 form, which keeps their order: a bin is
    at most 2**-11 (0.05 %) of its score wide, from 0 to the largest float32, so no range has to be
    known beforehand. Scores of one bin count as ties; `auroc_error` and `au_pro_error` say how much
    that can have changed the results at most.
    """

    def __init__(self) -> None:
        self.images = 0
        self.regions = 0
        """Connected defects seen (8-connected)."""
        self._good = np.zeros(_BINS, np.int64)
        self._defective = np.zeros(_BINS, np.int64)
        self._overlap = np.zeros(_BINS, np.float64)

    def add(self, score_map: ScoreMap, mask: Mask | None) -> None:
        """Count one image in; a map of another size than the mask is enlarged to it first.

        `mask` is None for a good image, whose map is then counted as it is. Raises ValueError for
        a score that is negative or not finite.
        """
        if mask is not None and mask.shape != score_map.shape:
            score_map = enlarge(score_map, (mask.shape[0], mask.shape[1]))
        keys = _bin_of(score_map)
        self.images += 1
        if mask is None or not mask.any():
            self._good += np.bincount(keys.ravel(), minlength=_BINS)
            return
        self._good += np.bincount(keys[~mask], minlength=_BINS)
        inside = keys[mask]
        self._defective += np.bincount(inside, minlength=_BINS)
        labels, count = ndimage.label(mask, structure=np.ones((3, 3), np.int8))
        member = labels[mask]
        share = 1.0 / np.maximum(np.bincount(member, minlength=count + 1), 1)
        self._overlap += np.bincount(inside, weights=share[member], minlength=_BINS)
        self.regions += int(count)

    @property
    def defined(self) -> bool:
        """Whether good and defective pixels were both seen; without them nothing is defined."""
        return bool(self._good.any() and self._defective.any())

    def auroc(self) -> float | None:
        """Pixel AUROC, 0..1; None unless `defined`."""
        if not self.defined:
            return None
        false_alarms, found = self._rates(self._good), self._rates(self._defective)
        return float(np.trapezoid(found, false_alarms))

    def average_precision(self) -> float | None:
        """Pixel average precision, 0..1; None unless `defined`."""
        if not self.defined:
            return None
        used = np.flatnonzero(self._good + self._defective)[::-1]
        return _average_precision(
            np.cumsum(self._good[used]).astype(np.float64),
            np.cumsum(self._defective[used]).astype(np.float64),
        )

    def au_pro(self, limit: float = 0.3) -> float | None:
        """Area under the per-region overlap curve up to the pixel false-alarm rate `limit`.

        Divided by `limit`, so 0..1 (Bergmann et al., IJCV 129, 2021, section 5: every 8-connected
        defect counts the same, whatever its size). None unless `defined`.
        """
        if not self.defined:
            return None
        return _area_up_to(self._rates(self._good), self._rates(self._overlap), limit)

    def auroc_error(self) -> float:
        """How far binning can have moved `auroc`, at most."""
        return self._tied(1.0) if self.defined else 0.0

    def au_pro_error(self, limit: float = 0.3) -> float:
        """How far binning can have moved `au_pro`, at most."""
        return min(1.0, self._tied(limit)) if self.defined else 0.0

    def _tied(self, limit: float) -> float:
        """Half the area of the steps of the curve, up to the first point at or past `limit`.

        Inside one bin the true curve lies anywhere in the rectangle its straight line halves.
        """
        weights = self._defective if limit >= 1 else self._overlap
        false_alarms, found = self._rates(self._good), self._rates(weights)
        steps = np.diff(false_alarms) * np.diff(found)
        return float(steps[false_alarms[:-1] < limit].sum() / (2 if limit >= 1 else limit))

    def _rates(self, counts: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Share at or above each bin, from none to all, (bins + 1,)."""
        shares: NDArray[np.float64] = np.zeros(_BINS + 1)
        np.cumsum(counts[::-1], out=shares[1:])
        shares /= shares[-1]
        return shares


def _bin_of(score_map: ScoreMap) -> NDArray[np.int32]:
    scores = np.ascontiguousarray(score_map, dtype=np.float32) + np.float32(0)  # -0.0 becomes 0.0
    if scores.size and not (np.isfinite(scores).all() and scores.min() >= 0):
        raise ValueError("a score map holds a negative score or one that is not finite")
    return scores.view(np.int32) >> _DROPPED_BITS


def _counts(low: NDArray[np.float64], high: NDArray[np.float64]) -> Curve:
    """Good and defective scores at or above each distinct score, and that score, descending."""
    values = np.unique(np.concatenate([low, high]))[::-1]
    false_alarms = low.size - np.searchsorted(np.sort(low), values, "left")
    found = high.size - np.searchsorted(np.sort(high), values, "left")
    return false_alarms.astype(np.float64), found.astype(np.float64), values


def _average_precision(false_alarms: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    gained = np.diff(found, prepend=0.0)
    return float((gained * found / (found + false_alarms)).sum() / found[-1])


def _area_up_to(x: NDArray[np.float64], y: NDArray[np.float64], limit: float) -> float:
    if not 0 < limit <= 1:
        raise ValueError(f"limit must lie between 0 and 1, got {limit}")
    inside = x <= limit
    xs, ys = x[inside], y[inside]
    if xs[-1] < limit:
        after = xs.size  # the first point past the limit
        slope = (y[after] - ys[-1]) / (x[after] - xs[-1])
        xs = np.append(xs, limit)
        ys = np.append(ys, ys[-1] + slope * (limit - xs[-2]))
    return float(np.trapezoid(ys, xs) / limit)


def _both(good: ArrayLike, defective: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low = np.asarray(good, dtype=np.float64).ravel()
    high = np.asarray(defective, dtype=np.float64).ravel()
    if low.size == 0 or high.size == 0:
        raise ValueError("a ranking metric needs good and defective scores")
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError("a score is not finite")
    return low, high
