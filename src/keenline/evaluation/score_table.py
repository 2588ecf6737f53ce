"""Turns rows of scored images into parts as columns, each with the score that counts for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from keenline.errors import Code, DatasetError
from keenline.evaluation.judged import Rule
from keenline.evaluation.scored import GOOD_PART, NOBODY, ScoredParts
from keenline.types import ANOMALY, GOOD


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """Scored images, one row each."""

    keys: Sequence[str]
    """By which labels are found: the image file, or the part as the line named it."""
    parts: Sequence[str]
    """The physical part; empty: the image stands for itself."""
    labels: Sequence[str | None]
    """`GOOD`, a defect class, or None where nobody said."""
    scores: Mapping[str, NDArray[np.float64]]
    """(rows,) by what is scored; NaN where a row has none."""
    without_score: int = 0
    """Rows left out because nothing was scored (INVALID)."""

    @classmethod
    def of(
        cls,
        keys: Sequence[str],
        parts: Sequence[str],
        labels: Sequence[str | None],
        anomaly: Sequence[float],
        class_scores: Sequence[Mapping[str, float]],
        without_score: int = 0,
    ) -> ScoreTable:
        """From one entry a row in each sequence."""
        scores = {ANOMALY: np.asarray(anomaly, np.float64)}
        for name in sorted(set().union(*class_scores) if any(class_scores) else ()):
            scores[name] = np.array([row.get(name, np.nan) for row in class_scores], np.float64)
        return cls(keys, parts, labels, scores, without_score)

    def labelled_by(self, truth: Mapping[str, str]) -> tuple[ScoreTable, int]:
        """The table with labels by key, and how many of `truth` meet no row."""
        labels = [truth.get(key, label) for key, label in zip(self.keys, self.labels, strict=True)]
        return replace(self, labels=labels), len(truth.keys() - set(self.keys))

    def scored_parts(
        self, names: Sequence[str], miss: Mapping[str, float], rule: Rule
    ) -> ScoredParts:
        """One entry a part, with the scores `names`; classes by `miss`, the costliest first.

        With the rule `each image` a defective part has the lowest score of the images that show a
        defect, since each of them must be found alone; any other part the highest of its images.
        `together`: always the highest. Raises DatasetError (SCORES_UNUSABLE) when a row lacks one
        of the scores.
        """
        self._require(names)
        found = {label for label in self.labels if label not in (None, GOOD)}
        classes = sorted(map(str, found), key=lambda name: (-miss.get(name, 0.0), name))
        number = {None: NOBODY, GOOD: GOOD_PART} | {n: k for k, n in enumerate(classes, 1)}
        kinds = np.array([number[label] for label in self.labels], np.int64)
        columns = {name: self.scores[name] for name in names}
        if any(self.parts):
            return _grouped(columns, kinds, _numbered(self.parts), tuple(classes), rule)
        return ScoredParts(columns, kinds, tuple(classes))

    def _require(self, names: Sequence[str]) -> None:
        for name in names:
            column = self.scores.get(name)
            missing = len(self.keys) if column is None else int(np.isnan(column).sum())
            if missing:
                raise DatasetError(
                    Code.SCORES_UNUSABLE,
                    f"Results lack the score of {name}",
                    expected=f"a score of {name} in each of {len(self.keys)} rows",
                    got=f"{missing} rows without it",
                    next="inspect these images again with this bundle, with --csv",
                )


def _numbered(parts: Sequence[str]) -> NDArray[np.int64]:
    """The number of the part of each row, (rows,); a row without a name is a part of its own."""
    known: dict[object, int] = {}
    return np.array(
        [known.setdefault(part or row, len(known)) for row, part in enumerate(parts)], np.int64
    )


def _grouped(
    columns: Mapping[str, NDArray[np.float64]],
    kinds: NDArray[np.int64],
    group: NDArray[np.int64],
    classes: tuple[str, ...],
    rule: Rule,
) -> ScoredParts:
    count = int(group.max()) + 1
    last = len(classes) + 1
    costliest = np.full(count, last, np.int64)
    np.minimum.at(costliest, group, np.where(kinds > GOOD_PART, kinds, last))
    known = np.full(count, NOBODY, np.int64)
    np.maximum.at(known, group, np.minimum(kinds, GOOD_PART))
    kind = np.where(costliest < last, costliest, known)
    bad = kind[group] > GOOD_PART
    labelled = (kind[group] == NOBODY) | (kinds > NOBODY)
    counts = np.where(bad, kinds > GOOD_PART, True) & labelled
    if rule == "together":
        counts = labelled
    scores = {}
    for name, column in columns.items():
        highest, lowest = np.full(count, -np.inf), np.full(count, np.inf)
        np.maximum.at(highest, group[counts], column[counts])
        np.minimum.at(lowest, group[counts], column[counts])
        weakest = (kind > GOOD_PART) & (rule == "each image")
        scores[name] = np.where(weakest, lowest, highest)
    return ScoredParts(scores, kind, classes)
