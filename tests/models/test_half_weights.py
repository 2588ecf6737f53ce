"""Weights kept in half the bytes come back, and a graph without them is left alone."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper
from tests.small_parts import convolutions

from keenline.inference.engines import open_engine
from keenline.models.half_weights import in_full, in_halves


def _run(model: onnx.ModelProto, name: str = "onnxruntime") -> dict[str, np.ndarray]:
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 3, 32, 48)).astype(np.float32)
    graph = model.SerializeToString()
    return dict(open_engine(graph, name=name, precision="f32").run(picture))  # type: ignore[arg-type]


def test_half_the_bytes_and_nearly_the_same_features():
    exact = convolutions()
    small = in_halves(exact)
    onnx.checker.check_model(small)
    kept = [t for t in small.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16]
    assert {numpy_helper.to_array(t).size for t in kept} == {8 * 3 * 16, 12 * 8 * 4}
    assert all(t.data_type == onnx.TensorProto.FLOAT for t in exact.graph.initializer)
    wanted = _run(exact)
    for engine in ("openvino", "onnxruntime"):
        found = _run(small, engine)
        for name, features in wanted.items():
            np.testing.assert_allclose(found[name], features, atol=2e-3 * features.max())


def test_in_full_there_is_no_cast_and_the_features_are_the_same():
    small = in_halves(convolutions())
    full = in_full(small)
    onnx.checker.check_model(full)
    assert [n.op_type for n in full.graph.node] == [n.op_type for n in convolutions().graph.node]
    assert {t.data_type for t in full.graph.initializer} == {onnx.TensorProto.FLOAT}
    for name, features in _run(small).items():
        np.testing.assert_array_equal(_run(full)[name], features)
    assert in_full(full) is full


def test_a_cast_of_something_else_stays():
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> g (float[1] x) => (float[1] y) '
        "<float16[1] w = {1}> { z = Cast<to = 11>(x) v = Cast<to = 1>(z) y = Add(v, v) }"
    )
    assert in_full(model) is model
