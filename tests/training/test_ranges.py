"""Ranges hold every value that a tensor takes, and views without numbers say nothing of them."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from keenline.errors import Code, EngineError
from keenline.models.graph_writer import GraphWriter
from keenline.training.ranges import tensor_ranges


def _network() -> onnx.ModelProto:
    """Pixels as shares of their mean, which black has not, convolved and cut off below."""
    rng = np.random.default_rng(3)
    writer = GraphWriter()
    planes = writer.op("Transpose", "image", perm=[0, 3, 1, 2])
    pixels = writer.op("Cast", planes, to=TensorProto.FLOAT)
    shares = writer.op("Div", pixels, writer.op("ReduceMean", pixels, axes=[1, 2, 3]), name="in")
    conv = writer.convolution(shares, rng.normal(size=(4, 3, 3, 3)), strides=[2, 2])
    cut = writer.op("Relu", conv)
    shape = writer.op("Shape", cut)
    writer.op("Add", shape, shape, name="whole_numbers")
    return writer.model(
        "network",
        {"image": (TensorProto.UINT8, ("batch", "height", "width", 3))},
        {cut: ("batch", 4, "h", "w")},
    )


VIEWS = np.random.default_rng(4).integers(1, 256, (5, 1, 16, 24, 3), np.uint8)


def test_they_are_the_lowest_and_highest_over_all_views() -> None:
    model = _network()
    found = tensor_ranges(model, ("Conv", "Relu", "Add"), VIEWS)
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in found
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    seen = [session.run(list(found), {"image": view}) for view in VIEWS]
    for place, (name, (low, high)) in enumerate(found.items()):
        values = np.stack([each[place] for each in seen])
        assert low == pytest.approx(float(values.min()), rel=1e-4, abs=1e-6), name
        assert high == pytest.approx(float(values.max()), rel=1e-4, abs=1e-6), name
    assert set(found) == {"in", "t4", "t5"}


def test_a_view_without_numbers_is_passed_over_unless_there_is_no_other() -> None:
    black = np.zeros_like(VIEWS[0])
    alone = tensor_ranges(_network(), ("Conv", "Relu"), VIEWS)
    assert tensor_ranges(_network(), ("Conv", "Relu"), [black, *VIEWS, black]) == alone
    with pytest.raises(EngineError) as caught:
        tensor_ranges(_network(), ("Conv", "Relu"), [black])
    assert caught.value.code is Code.ENGINE_NOT_FINITE
