"""Turns an isolation forest into standard ONNX operators.

Why not ai.onnx.ml.TreeEnsembleRegressor: see docs/decisions/0005-trees-in-standard-operators.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from keenline.models.graph_writer import GraphWriter

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

EULER_GAMMA = 0.5772156649015329


@dataclass(frozen=True, slots=True)
class Forest:
    """All trees, each filled up to the same depth, so that every walk takes as many steps.

    Nodes lie in heap order: below node i are 2 i + 1 (feature <= limit) and 2 i + 2. Where a tree
    ends early, both ways lead to its leaf again.
    """

    feature: NDArray[np.int64]
    """(trees, 2^depth - 1): which feature a node asks for."""
    limit: NDArray[np.float32]
    """(trees, 2^depth - 1): up to where the way is the left one."""
    path: NDArray[np.float32]
    """(trees, 2^depth): length of the path to a leaf, with what its samples would still need."""
    expected: float
    """Length of the path of an ordinary sample: c(n) of Liu, Ting and Zhou, ICDM 2008."""

    @property
    def depth(self) -> int:
        return int(self.path.shape[1]).bit_length() - 1


def filled_forest(model: IsolationForest) -> Forest:
    """The trees of a fitted `sklearn.ensemble.IsolationForest`."""
    trees = [estimator.tree_ for estimator in model.estimators_]
    depth = max(1, *(int(tree.max_depth) for tree in trees))
    filled = [
        _filled_tree(tree, np.asarray(features), depth)
        for tree, features in zip(trees, model.estimators_features_, strict=True)
    ]
    feature, limit, path = (np.stack(part) for part in zip(*filled, strict=True))
    expected = float(_unsuccessful_search(np.array([model.max_samples_]))[0])
    return Forest(feature, limit, path, expected)


def add_forest(writer: GraphWriter, samples: str, forest: Forest) -> str:
    """Adds the operators; answers with the anomaly of each sample, (samples,), 0..1.

    `samples` is (samples, features), float32. The anomaly is 2^(-mean path / c(n)), which is
    minus what scikit-learn calls `score_samples`.
    """
    trees, inner = forest.feature.shape
    features = writer.constant(forest.feature.ravel(), np.int64)
    limits = writer.constant(forest.limit.ravel())
    one, two = writer.integers(1), writer.integers(2)
    starts = np.arange(trees)
    node = ""
    for level in range(forest.depth):
        if level == 0:
            value = writer.op(
                "Gather", samples, writer.constant(forest.feature[:, 0], np.int64), axis=1
            )
            limit = writer.constant(forest.limit[:, 0][None])
        else:
            place = writer.op("Add", node, writer.constant((starts * inner)[None], np.int64))
            asked = writer.op("Gather", features, place, axis=0)
            value = writer.op("GatherElements", samples, asked, axis=1)
            limit = writer.op("Gather", limits, place, axis=0)
        right = writer.op("Cast", writer.op("Greater", value, limit), to=TensorProto.INT64)
        step = writer.op("Add", right, one)
        node = writer.op("Add", writer.op("Mul", node, two), step) if node else step
    first_leaf = starts * (inner + 1) - inner
    leaf = writer.op("Add", node, writer.constant(first_leaf[None], np.int64))
    paths = writer.op("Gather", writer.constant(forest.path.ravel()), leaf, axis=0)
    mean = writer.op("ReduceMean", paths, axes=[1], keepdims=0)
    return writer.op("Exp", writer.op("Mul", mean, writer.constant(-np.log(2) / forest.expected)))


def _filled_tree(
    tree: Any, features: NDArray[np.int64], depth: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
    left, right = tree.children_left, tree.children_right
    is_leaf = left < 0
    level = np.zeros(1, dtype=np.int64)
    steps = np.zeros(1)
    feature, limit = [], []
    for _ in range(depth):
        leaf = is_leaf[level]
        feature.append(np.where(leaf, 0, features[tree.feature[level]]))
        limit.append(np.where(leaf, 0, _not_above(tree.threshold[level])))
        below = np.stack([left[level], right[level]], axis=1)
        level = np.where(leaf[:, None], level[:, None], below).ravel()
        steps = np.repeat(steps + ~leaf, 2)
    path = steps + _unsuccessful_search(tree.n_node_samples[level])
    return (
        np.concatenate(feature).astype(np.int64),
        np.concatenate(limit).astype(np.float32),
        path.astype(np.float32),
    )


def _not_above(limits: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 not above each limit: for float32 values, `<=` then says the same."""
    rounded = limits.astype(np.float32)
    return np.where(rounded > limits, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _unsuccessful_search(samples: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean path of an unsuccessful search in a binary tree of so many samples (Liu 2008, eq. 1)."""
    count = np.maximum(np.asarray(samples, dtype=np.float64), 2.0)
    many = 2 * (np.log(count - 1) + EULER_GAMMA) - 2 * (count - 1) / count
    return np.where(samples <= 1, 0.0, np.where(samples == 2, 1.0, many))
