"""Samples turned into how much each weighs in a lesson: defects that had passed say most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keenline.training.labelled_cells import Cells
from keenline.types import Sample

MISS_WEIGHT = 2.0
"""Of the cells of a defect that a person found on a part that had passed, compared with those of
other defects of its class. The smallest of those tried: on validation images what 2, 4 or 8 change
is about as much as another draw of the cells does (benchmarks/miss_weight.py)."""


def is_confirmed_miss(sample: Sample) -> bool:
    """Whether a person found a defect on it after it had passed."""
    return any(mark.is_confirmed_miss for mark in sample.marks)


def cell_weights(cells: Cells, samples: Sequence[Sample]) -> NDArray[np.float64]:
    """The weight of each cell, (cells,). Cells that are of none of the samples weigh 1."""
    of_samples = np.array([MISS_WEIGHT if is_confirmed_miss(each) else 1.0 for each in samples])
    # Behind the last sample stands 1.0: the source of a synthetic cell is -1.
    weights: NDArray[np.float64] = np.append(of_samples, 1.0)[cells.source]
    return weights
