"""Turns scores of labelled parts, in columns, into what becomes of them at any thresholds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keenline.evaluation.intervals import Proportion
from keenline.types import ANOMALY, GOOD

PASS, REVIEW, REJECT = 0, 1, 2
"""The places of a verdict in a table of costs."""

NOBODY = -1
GOOD_PART = 0
"""In `ScoredParts.kind`: nobody said, or good; from 1 on the place in `classes` plus 1."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where one score divides the parts: PASS up to `low`, REVIEW up to `high`, above it REJECT."""

    low: float
    high: float
    """At least `low`; equal: nothing is reviewed; infinite: nothing is rejected."""

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ValueError(f"low must not exceed high, got {self.low} and {self.high}")


@dataclass(frozen=True, slots=True, eq=False)
class ScoredParts:
    """Parts as columns, so that a hundred thousand are judged anew in milliseconds."""

    scores: Mapping[str, NDArray[np.float64]]
    """(parts,) by what is scored: `anomaly`, then classes; the highest of a part's images."""
    kind: NDArray[np.int64]
    """(parts,): `NOBODY`, `GOOD_PART`, or 1 + the place in `classes` of the defect it shows. A part
    that shows several counts as the first of them in `classes`."""
    classes: tuple[str, ...]
    """Of the labelled parts; the costliest to miss first."""

    def __post_init__(self) -> None:
        for name, column in self.scores.items():
            if column.shape != self.kind.shape:
                raise ValueError(f"{name} has {column.size} scores of {self.kind.size} parts")
            if not np.isfinite(column).all():
                raise ValueError(f"a score of {name} is not finite")
        if ANOMALY not in self.scores:
            raise ValueError("every part needs an anomaly score")

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which parts somebody labelled."""
        known: NDArray[np.bool_] = self.kind != NOBODY
        return known

    def counts(self) -> dict[str, int]:
        """Parts by label, good ones first; those that nobody labelled are left out."""
        found = np.bincount(self.kind[self.labelled], minlength=1 + len(self.classes))
        return dict(zip((GOOD, *self.classes), map(int, found), strict=True))

    def of(self, label: str) -> NDArray[np.bool_]:
        """Which parts are of `label`: `GOOD` or one of `classes`."""
        number = GOOD_PART if label == GOOD else 1 + self.classes.index(label)
        those: NDArray[np.bool_] = self.kind == number
        return those

    def verdicts(self, cuts: Mapping[str, Cut]) -> NDArray[np.int64]:
        """`PASS`, `REVIEW` or `REJECT` of each part, (parts,): the worst that any score says.

        A score without a cut says nothing.
        """
        worst = np.full(self.kind.shape, PASS, np.int64)
        for name, cut in cuts.items():
            worst = np.maximum(worst, said(self.scores[name], cut))
        return worst


@dataclass(frozen=True, slots=True)
class Fates:
    """What becomes of the parts of one label."""

    label: str
    passed: int
    reviewed: int
    rejected: int

    @property
    def n(self) -> int:
        """All of them."""
        return self.passed + self.reviewed + self.rejected

    @property
    def flagged(self) -> Proportion:
        """Those that do not pass: recall of a class, or the false-alarm rate of good parts."""
        return Proportion.of(self.n - self.passed, self.n)

    def as_dict(self) -> dict[str, object]:
        """JSON values."""
        share = self.flagged
        return {
            "label": self.label,
            "passed": self.passed,
            "reviewed": self.reviewed,
            "rejected": self.rejected,
            "flagged": share.value,
            "lower95": share.lower95,
            "upper95": share.upper95,
        }


def said(scores: NDArray[np.float64], cut: Cut) -> NDArray[np.int64]:
    """What one score says of each part, (parts,)."""
    return (scores > cut.low).astype(np.int64) + (scores > cut.high)


def fates(parts: ScoredParts, verdicts: NDArray[np.int64]) -> tuple[Fates, ...]:
    """Of good parts, then of each class; labels without parts are left out."""
    found = []
    for label, n in parts.counts().items():
        if n:
            counts = np.bincount(verdicts[parts.of(label)], minlength=3)
            found.append(Fates(label, *map(int, counts)))
    return tuple(found)
