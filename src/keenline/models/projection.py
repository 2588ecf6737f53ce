"""Feature vectors, one image at a time, turned into a whitening projection to fewer dimensions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WHITENING = 0.5
"""Power of the whitening: 0 leaves principal components as they are, 1 gives all equal weight.

What other powers are worth on validation data: docs/decisions/0006-memory-bank.md."""

RIDGE = 0.01
"""Added to each variance, as a fraction of the mean variance, so that directions in which the
learning images hardly vary are not blown up to noise."""


@dataclass(frozen=True, slots=True)
class Projection:
    """y = (x - mean) @ weights."""

    mean: NDArray[np.float32]
    """(channels,)"""
    weights: NDArray[np.float32]
    """(channels, dimensions)"""

    def __call__(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        projected: NDArray[np.float32] = np.matmul(vectors - self.mean, self.weights)
        return projected


class StreamingPca:
    """Principal components from sums, so that memory does not grow with the number of images."""

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._sum = np.zeros(channels)
        self._products = np.zeros((channels, channels))

    def add(self, vectors: NDArray[np.float32]) -> None:
        """vectors: (any number, channels)."""
        self._count += len(vectors)
        self._sum += vectors.sum(axis=0, dtype=np.float64)
        # Single precision is enough within one image; the sum over images is double.
        self._products += vectors.T @ vectors

    @property
    def empty(self) -> bool:
        """Whether nothing was added."""
        return self._count == 0

    def projection(
        self, dimensions: int, whitening: float = WHITENING, ridge: float = RIDGE
    ) -> Projection:
        """The projection to at most `dimensions` components, partly whitened."""
        mean = self._sum / self._count
        covariance = self._products / self._count - np.outer(mean, mean)
        variances, directions = np.linalg.eigh(covariance)
        order = np.argsort(variances)[::-1][:dimensions]
        variances = np.maximum(variances[order], 0.0)
        floor = ridge * float(variances.mean()) + 1e-12
        weights = directions[:, order] * (variances + floor) ** (-whitening / 2)
        return Projection(mean.astype(np.float32), weights.astype(np.float32))
