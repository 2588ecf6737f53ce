"""A coarse map brought to a finer grid, as the `Resize` operator does it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keenline.types import ScoreMap


def enlarge(score_map: ScoreMap, shape: tuple[int, int]) -> ScoreMap:
    """Bring a map (height, width) to `shape` bilinearly, cell centres kept in place."""
    rows, row_share = _between(score_map.shape[0], shape[0])
    tall = score_map[rows] * (1 - row_share)[:, None]
    tall += score_map[np.minimum(rows + 1, score_map.shape[0] - 1)] * row_share[:, None]
    columns, column_share = _between(score_map.shape[1], shape[1])
    wide = np.take(tall, columns, axis=1)
    step = np.take(tall, np.minimum(columns + 1, score_map.shape[1] - 1), axis=1)
    step -= wide
    step *= column_share
    wide += step
    return wide


def _between(cells: int, pixels: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For each pixel the cell before it and how far it lies towards the next, 0..1."""
    place = (np.arange(pixels) + 0.5) * (cells / pixels) - 0.5
    place = np.clip(place, 0, cells - 1)
    before = np.floor(place).astype(np.intp)
    return before, (place - before).astype(np.float32)
