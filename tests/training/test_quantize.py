"""An int8 graph keeps what float32 says, of good parts and of what no good part shows."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from tests.models.graphs import ENGINES
from tests.small_parts import dented, good_part, tiny_backbone

from keenline.inference.bank import EMBEDDING
from keenline.models.backbones import open_backbone
from keenline.models.feature_graph import SCALES, embedding_graph, raw_features
from keenline.models.projection import StreamingPca
from keenline.training.quantize import quantise

GOOD = [good_part(seed) for seed in range(8)]


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    """An embedding graph in float32."""
    backbone = open_backbone(tiny_backbone(tmp_path_factory.mktemp("backbone")))
    features = ENGINES["onnxruntime"](raw_features(backbone), {"image": np.stack(GOOD)})
    projections = []
    for number in range(len(SCALES)):
        grid = features[EMBEDDING.format(number)]
        pca = StreamingPca(grid.shape[1])
        pca.add(np.moveaxis(grid, 1, -1).reshape(-1, grid.shape[1]))
        projections.append(pca.projection(12))
    return embedding_graph(backbone, projections, GOOD[0].shape[:2])


@pytest.fixture(scope="module")
def rounded(exact: onnx.ModelProto) -> onnx.ModelProto:
    return quantise(exact, [part[None] for part in GOOD])


def _kept(
    exact: onnx.ModelProto, rounded: onnx.ModelProto, image: NDArray[np.uint8], engine: str
) -> float:
    """The least share of variance kept over all scales."""
    shares = []
    one, other = (ENGINES[engine](model, {"image": image[None]}) for model in (exact, rounded))
    for name, values in one.items():
        spread = values - values.mean(axis=(0, 2, 3), keepdims=True)
        error = np.square(values - other[name]).sum()
        shares.append(1 - float(error / np.square(spread).sum()))
    return min(shares)


@pytest.mark.parametrize("engine", ENGINES)
def test_good_parts_keep_their_features(
    exact: onnx.ModelProto, rounded: onnx.ModelProto, engine: str
) -> None:
    assert min(_kept(exact, rounded, good_part(seed), engine) for seed in (50, 51)) > 0.9


@pytest.mark.parametrize("engine", ENGINES)
def test_so_does_what_no_good_part_shows(
    exact: onnx.ModelProto, rounded: onnx.ModelProto, engine: str
) -> None:
    white = good_part(60)
    white[10:40, 30:60] = 255
    for image in (dented(61, radius=14), white, 255 - good_part(62)):
        assert _kept(exact, rounded, image, engine) > 0.9


def test_convolutions_are_in_int8_and_the_ends_are_not(rounded: onnx.ModelProto) -> None:
    weights = {value.name: value.data_type for value in rounded.graph.initializer}
    assert onnx.TensorProto.INT8 in weights.values()
    for output in rounded.graph.output:
        (node,) = [node for node in rounded.graph.node if output.name in node.output]
        assert node.op_type == "Add"
    assert {node.op_type for node in rounded.graph.node} >= {"QuantizeLinear", "DequantizeLinear"}
    onnx.checker.check_model(rounded, full_check=True)


def test_it_is_the_same_every_time(exact: onnx.ModelProto, rounded: onnx.ModelProto) -> None:
    again = quantise(exact, [part[None] for part in GOOD])
    assert again.SerializeToString() == rounded.SerializeToString()


def test_tiles_and_small_views_can_be_shown(tmp_path: Path) -> None:
    backbone = open_backbone(tiny_backbone(tmp_path))
    features = raw_features(backbone)
    views = [np.zeros((3, 16, 16, 3), np.uint8), good_part(1, (24, 40))[None]]
    model = quantise(features, views)
    found = ENGINES["onnxruntime"](model, {"image": good_part(2)[None]})
    assert all(np.isfinite(values).all() for values in found.values())


def test_sizes_that_come_with_the_image_are_not_rounded(tmp_path: Path) -> None:
    backbone = open_backbone(tiny_backbone(tmp_path))
    sizes = [(width, 56) for width in range(48, 320, 24)]
    views = [good_part(seed, size) for seed, size in enumerate(sizes)]
    projections = []
    for number in range(len(SCALES)):
        pca = StreamingPca(20)
        for view in views:
            found = ENGINES["onnxruntime"](raw_features(backbone), {"image": view[None]})
            pca.add(found[EMBEDDING.format(number)].reshape(20, -1).T)
        projections.append(pca.projection(12))
    exact = embedding_graph(backbone, projections, None)
    rounded = quantise(exact, [view[None] for view in views])
    for view in views:
        one, other = (ENGINES["onnxruntime"](m, {"image": view[None]}) for m in (exact, rounded))
        assert [grid.shape for grid in one.values()] == [grid.shape for grid in other.values()]


def test_advice_meant_for_others_is_not_logged_and_the_level_is_put_back(
    exact: onnx.ModelProto, caplog: pytest.LogCaptureFixture
) -> None:
    level = logging.getLogger().level
    quantise(exact, [GOOD[0][None]])
    assert logging.getLogger().level == level
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
