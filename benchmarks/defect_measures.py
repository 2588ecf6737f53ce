"""What a bundle says of defects turned into counts of pixels, AUROC, and a mean with its spread."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keenline.evaluation.metrics import auroc
from keenline.types import Prediction


@dataclass(slots=True)
class Pixels:
    """Counts of pixels over images."""

    hit: int = 0
    missed: int = 0
    wrong: int = 0
    right: int = 0

    def add(self, said: NDArray[np.bool_], true: NDArray[np.bool_]) -> None:
        self.hit += int((said & true).sum())
        self.missed += int((~said & true).sum())
        self.wrong += int((said & ~true).sum())
        self.right += int((~said & ~true).sum())

    @property
    def f1(self) -> float:
        return 2 * self.hit / max(1, 2 * self.hit + self.missed + self.wrong)

    @property
    def mean_iou(self) -> float:
        """Of defective and of good pixels."""
        defect = self.hit / max(1, self.hit + self.missed + self.wrong)
        return (defect + self.right / max(1, self.right + self.missed + self.wrong)) / 2


def certainty(said: Prediction) -> float:
    """Logit of the highest confidence."""
    highest = float(np.clip(max(said.class_scores.values()), 1e-6, 1 - 1e-6))
    return float(np.log(highest / (1 - highest)))


def told_apart(values: Sequence[float] | NDArray[np.float64], good: NDArray[np.bool_]) -> float:
    """AUROC of defective images against good ones."""
    scores = np.asarray(values)
    return auroc(scores[good], scores[~good])


def spread(values: Sequence[float], digits: int) -> str:
    """Mean and half the range."""
    half = (max(values) - min(values)) / 2
    return f"{statistics.mean(values):.{digits}f} ± {half:.{digits}f}"
