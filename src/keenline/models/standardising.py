"""Turns raw features of good cells into standardised, decorrelated components (scaling, PCA)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keenline.models.graph_writer import GraphWriter

KEPT = 0.99
"""Share of the variance the components keep."""

LEAST_DEVIATION = 0.01
"""Features are shares or of order one; one that varies less over the good cells is not blown up
to the weight of the others."""

LEAST_VARIANCE = 1e-3
"""Of a component, relative to a feature's: keeps whitening from amplifying rounding."""


@dataclass(frozen=True, slots=True)
class Standardising:
    """Scaling, PCA and whitening as one affine map."""

    mean: NDArray[np.float64]
    """(features,)."""
    weights: NDArray[np.float64]
    """(components, features)."""

    @property
    def components(self) -> int:
        return len(self.weights)

    def apply(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(cells, features) -> (cells, components)."""
        return ((features - self.mean) @ self.weights.T).astype(np.float32)

    def add(self, writer: GraphWriter, features: str) -> str:
        """(batch, features, rows, columns) -> (batch, components, rows, columns)."""
        centred = writer.op("Sub", features, writer.constant(self.mean[None, :, None, None]))
        return writer.convolution(centred, self.weights[:, :, None, None])


def fit_standardising(good: NDArray[np.float32]) -> Standardising:
    """From (cells, features); good cells that are all alike give all components, not rotated."""
    cells = good.astype(np.float64)
    mean = cells.mean(axis=0)
    scale = 1 / np.maximum(cells.std(axis=0), LEAST_DEVIATION)
    scaled = (cells - mean) * scale
    variances, directions = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    variances, directions = np.maximum(variances[::-1], 0.0), directions[:, ::-1]
    total = variances.sum()
    if total < LEAST_VARIANCE:
        return Standardising(mean, np.diag(scale))
    kept = int(np.searchsorted(np.cumsum(variances), KEPT * total)) + 1
    whitened = directions[:, :kept] / np.sqrt(np.maximum(variances[:kept], LEAST_VARIANCE))
    return Standardising(mean, whitened.T * scale)
