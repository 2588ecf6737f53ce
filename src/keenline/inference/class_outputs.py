"""The names and sizes of what a graph that tells defect classes apart answers besides the anomaly.

`class_map`: float32, (batch, classes, map height, map width), confidence 0..1 of each class at
each place; `class_score`: float32, (batch, classes), of the whole view.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLASS_MAP = "class_map"
CLASS_SCORE = "class_score"

INSTANCES = "instances"
"""Of a graph that finds defects one by one, besides: float32, (1, number, 6), the surest first:
left, top, right and bottom in pixels of the view, the number of the class from 1, and confidence
0..1 before any threshold was moved to 0.5. The number is fixed; what is no defect is near 0."""

CLASS_TOP = 0.002
"""The score of a class is that of the mean logit of this fraction of a view's cells, the highest:
five cells of 48 x 48. Defects that are told apart by class are smaller than what is merely strange
(chosen on validation images, docs/decisions/0013-class-head.md)."""

LEAST = 1e-6
"""Probabilities are kept this far from 0 and 1, so that logits are finite."""


def confidence(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """The score of each class, (classes,), of maps (classes, any shape) as the graph forms it.

    For maps of which some cells were cut off afterwards (a region of interest over tiles).
    """
    flat = np.clip(maps.reshape(len(maps), -1), LEAST, 1 - LEAST).astype(np.float64)
    if not flat.shape[1]:
        return np.zeros(len(maps), np.float32)
    number = cells_counted(flat.shape[1])
    logits = np.partition(np.log(flat / (1 - flat)), flat.shape[1] - number, axis=1)[:, -number:]
    scores: NDArray[np.float32] = (1 / (1 + np.exp(-logits.mean(axis=1)))).astype(np.float32)
    return scores


def cells_counted(cells: int) -> int:
    """How many of a view's cells a class score is made from; the graph rounds the same way."""
    return max(1, int(np.ceil(np.float32(cells) * np.float32(CLASS_TOP))))
