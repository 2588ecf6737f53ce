"""The backbone in the package is there, small, described, and runs in both engines."""

from __future__ import annotations

import numpy as np
import pytest
from tests.small_parts import good_part

from keenline.inference.engines import open_engine
from keenline.models.backbones import BUILT_IN, open_backbone
from keenline.models.feature_graph import raw_features

LARGEST = 8_000_000


def test_it_is_small_free_and_at_strides_8_and_16():
    assert BUILT_IN.stat().st_size <= LARGEST
    backbone = open_backbone("keenline")
    assert [(name, level.stride) for name, level in backbone.levels] == [("s8", 8), ("s16", 16)]
    about = backbone.description
    assert about.licence == "Apache-2.0"
    assert "random initialisation" in about.source
    assert {node.op_type for node in backbone.model.graph.node} == {"Conv", "Relu", "Add"}


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_it_tells_parts_of_an_image_apart_by_what_is_there(name: str):
    """Two pieces of one surface are more alike than a piece and a rib."""
    size = (160, 96)
    graph = raw_features(open_backbone("keenline"), (96, 160)).SerializeToString()
    engine = open_engine(graph, name=name, precision="f32")
    found = engine.run(good_part(0, size)[None])
    features = next(iter(found.values()))[0].reshape(288, 12, 20)
    assert np.isfinite(features).all()
    surface, other, rib = features[:, 2, 5], features[:, 2, 14], features[:, 6, 5]
    assert np.linalg.norm(surface - other) < 0.7 * np.linalg.norm(surface - rib)
