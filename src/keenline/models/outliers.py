"""Turns standardised features of good cells into a measure of how unlike them a cell is.

Two measures with one shape: fitted by scikit-learn, evaluated in numpy while learning, written
into the graph in standard operators.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from keenline.models.graph_writer import GraphWriter
from keenline.models.trees import add_forest, filled_forest

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

Cells = NDArray[np.float32]
"""(cells, components): standardised, decorrelated features."""

FIT_LIMIT = 6000
"""Cells a one-class SVM is fitted on, whose time grows with the square."""

OUTSIDE = 0.05
"""`nu`: at most this share of good cells may lie outside the fitted support."""

WIDTH = 0.5
"""`gamma` times the number of components, which are scaled to unit variance: the kernel falls to
1/e where the squared distance is twice that of a typical cell from the mean."""

TREES = 100
"""Number of trees, as in Liu, Ting and Zhou, "Isolation Forest", ICDM 2008."""


class Outliers(Protocol):
    """A fitted measure; >= 0, higher is more unlike the good cells."""

    def measure(self, cells: Cells) -> NDArray[np.float64]:
        """(cells,), as the graph would say up to float32 rounding."""

    def add(self, writer: GraphWriter, cells: str) -> str:
        """Adds the operators: (batch, components, rows, columns) -> (batch, rows, columns)."""


class ForestOutliers:
    """Isolation forest: 2^(-path / expected path), 0..1."""

    def __init__(self, good: Cells, seed: int) -> None:
        from sklearn.ensemble import IsolationForest

        self._model: IsolationForest = IsolationForest(n_estimators=TREES, random_state=seed)
        self._model.fit(good)

    def measure(self, cells: Cells) -> NDArray[np.float64]:
        return -np.asarray(self._model.score_samples(cells), dtype=np.float64)

    def add(self, writer: GraphWriter, cells: str) -> str:
        last = writer.op("Transpose", cells, perm=[0, 2, 3, 1])
        width = writer.op("Slice", writer.op("Shape", last), *map(writer.integers, (3, 4)))
        rows = writer.op("Concat", writer.integers(-1), width, axis=0)
        measure = add_forest(writer, writer.op("Reshape", last, rows), filled_forest(self._model))
        grid = writer.op("Slice", writer.op("Shape", last), *map(writer.integers, (0, 3)))
        return writer.op("Reshape", measure, grid)


@dataclass(frozen=True, slots=True)
class _Support:
    vectors: NDArray[np.float64]
    log_weights: NDArray[np.float64]
    gamma: float


class SupportOutliers:
    """One-class SVM: minus the logarithm of its kernel sum, relative to the largest it can be.

    The logarithm orders cells as the decision function does (Schoelkopf et al., Neural
    Computation 13(7), 2001), but far from all support vectors, where the kernel sum is zero in
    any floating point, it still grows, like the squared distance.
    """

    def __init__(self, good: Cells, seed: int) -> None:
        from sklearn.svm import OneClassSVM

        chosen = np.random.default_rng(seed).permutation(len(good))[:FIT_LIMIT]
        gamma = WIDTH / good.shape[1]
        model = OneClassSVM(nu=OUTSIDE, gamma=gamma)
        model.fit(good[chosen])
        weights = np.asarray(model.dual_coef_, dtype=np.float64)[0]
        vectors = np.asarray(model.support_vectors_, dtype=np.float64)
        self._support = _Support(vectors, np.log(weights / weights.sum()), gamma)

    def measure(self, cells: Cells) -> NDArray[np.float64]:
        support = self._support
        linear = 2 * support.gamma * support.vectors
        constant = support.log_weights - support.gamma * (support.vectors**2).sum(axis=1)
        exponents = cells @ linear.T + constant
        exponents -= support.gamma * (cells.astype(np.float64) ** 2).sum(axis=1)[:, None]
        largest = exponents.max(axis=1)
        spread = np.exp(exponents - largest[:, None]).sum(axis=1)
        measured: NDArray[np.float64] = np.maximum(-largest - np.log(spread), 0.0)
        return measured

    def add(self, writer: GraphWriter, cells: str) -> str:
        support = self._support
        linear = (2 * support.gamma * support.vectors)[:, :, None, None]
        constant = support.log_weights - support.gamma * (support.vectors**2).sum(axis=1)
        exponents = writer.convolution(cells, linear, constant)
        largest = writer.op("ReduceMax", exponents, axes=[1], keepdims=1)
        powers = writer.op("Exp", writer.op("Sub", exponents, largest))
        axis = writer.integers(1)
        spread = writer.op("Log", writer.op("ReduceSum", powers, axis, keepdims=0))
        square = writer.op("ReduceSum", writer.op("Mul", cells, cells), axis, keepdims=0)
        distance = writer.op("Mul", square, writer.constant(support.gamma))
        nearest = writer.op("Sub", distance, writer.op("Squeeze", largest, axis))
        return writer.op("Relu", writer.op("Sub", nearest, spread))
