"""The isolation forest in standard operators against scikit-learn and skl2onnx."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from skl2onnx import to_onnx
from sklearn.ensemble import IsolationForest
from tests.models.graphs import ENGINES, in_onnxruntime

from keenline.models.graph_writer import GraphWriter
from keenline.models.trees import add_forest, filled_forest

FEATURES = 12


def _cells(count: int, seed: int, spread: float = 1.0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (spread * rng.normal(size=(count, FEATURES))).astype(np.float32)


def _in_graph(
    model: IsolationForest, cells: NDArray[np.float32], engine: str
) -> NDArray[np.float32]:
    writer = GraphWriter()
    anomaly = add_forest(writer, "cells", filled_forest(model))
    writer.op("Identity", anomaly, name="anomaly")
    graph = writer.model(
        "forest",
        {"cells": (TensorProto.FLOAT, ("count", FEATURES))},
        {"anomaly": ("count",)},
    )
    return ENGINES[engine](graph, {"cells": cells})["anomaly"]


@pytest.fixture(scope="module")
def forest() -> IsolationForest:
    return IsolationForest(n_estimators=60, random_state=5).fit(_cells(2000, 0))


@pytest.mark.parametrize("engine", ENGINES)
def test_says_what_scikit_learn_says(forest: IsolationForest, engine: str) -> None:
    cells = np.concatenate([_cells(500, 1), _cells(500, 2, spread=3.0)])
    found = _in_graph(forest, cells, engine)
    np.testing.assert_allclose(found, -forest.score_samples(cells), rtol=1e-5)


def test_says_what_skl2onnx_says(forest: IsolationForest) -> None:
    cells = np.concatenate([_cells(300, 3), _cells(300, 4, spread=3.0)])
    converted = to_onnx(
        forest,
        cells[:1],
        target_opset={"": 17, "ai.onnx.ml": 3},
        options={"score_samples": True},
    )
    reference = in_onnxruntime(converted, {"X": cells})["score_samples"].ravel()
    np.testing.assert_allclose(_in_graph(forest, cells, "onnxruntime"), -reference, rtol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_value_on_the_limit_goes_left_as_in_scikit_learn(engine: str) -> None:
    # Whole numbers and their halves: limits fall exactly on many of the values asked.
    grid = np.random.default_rng(6).integers(-4, 5, (600, FEATURES)).astype(np.float32)
    forest = IsolationForest(n_estimators=40, random_state=1).fit(grid)
    tree = forest.estimators_[0].tree_
    cells = _cells(200, 7)
    feature = tree.feature[0]
    cells[:, feature] = np.nextafter(
        np.float32(tree.threshold[0]), np.array([-9, 9], np.float32)[np.arange(200) % 2]
    )
    cells[::3, feature] = np.float32(tree.threshold[0])
    found = _in_graph(forest, cells, engine)
    np.testing.assert_allclose(found, -forest.score_samples(cells), rtol=1e-5)


@pytest.mark.parametrize("count", [2, 3, 40])
def test_few_samples_make_shallow_trees(count: int) -> None:
    forest = IsolationForest(n_estimators=10, random_state=0).fit(_cells(count, 8))
    cells = _cells(50, 9)
    np.testing.assert_allclose(
        _in_graph(forest, cells, "onnxruntime"), -forest.score_samples(cells), rtol=1e-5
    )


def test_cells_that_are_all_alike_give_finite_values() -> None:
    forest = IsolationForest(n_estimators=10, random_state=0).fit(np.zeros((300, FEATURES)))
    found = _in_graph(forest, _cells(20, 10), "onnxruntime")
    assert np.isfinite(found).all()
    assert np.ptp(found) == 0
