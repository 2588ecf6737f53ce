"""Explicit padding disappears where convolutions can do it, and the numbers stay the same."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from keenline.models.graph_writer import GraphWriter
from keenline.models.padding import without_explicit_padding


def _network(pads: str, *, mode: str = "constant", value: float = 0.0, own: int = 0) -> bytes:
    """An image padded, then convolved; `pads`: how the amounts are written."""
    rng = np.random.default_rng(1)
    writer = GraphWriter()
    amounts = [0, 0, 0, 1, 0, 0, 2, 1]
    if pads == "computed":
        # As torch writes paddings: halves joined, reshaped and turned inside the graph.
        halves = writer.constant(amounts, np.int32)
        given = writer.op("Cast", halves, to=TensorProto.INT64)
    elif pads == "from the image":
        four = writer.op("Shape", "image")
        given = writer.op("Concat", writer.op("Sub", four, four), four, axis=0)
    else:
        given = writer.integers(*amounts)
    padded = writer.op("Pad", "image", given, writer.constant(value), mode=mode)
    around = [own] * 4
    out = writer.convolution(padded, rng.normal(size=(4, 3, 3, 3)), strides=[2, 2], pads=around)
    shape = ("batch", 3, "height", "width")
    return writer.model(
        "padded", {"image": (TensorProto.FLOAT, shape)}, {out: ("batch", 4, "h", "w")}
    ).SerializeToString()


def _run(graph: bytes, image: NDArray[np.float32]) -> NDArray[np.float32]:
    found = onnxruntime.InferenceSession(graph).run(None, {"image": image})[0]
    return np.asarray(found, np.float32)


def _kinds(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("own", [0, 1])
@pytest.mark.parametrize("pads", ["written", "computed"])
def test_zeros_become_the_padding_of_the_convolution(pads: str, own: int) -> None:
    graph = _network(pads, own=own)
    result = without_explicit_padding(onnx.load_from_string(graph))
    assert "Pad" not in _kinds(result)
    image = np.random.default_rng(2).normal(size=(2, 3, 12, 17)).astype(np.float32)
    np.testing.assert_allclose(
        _run(result.SerializeToString(), image), _run(graph, image), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    ("pads", "mode", "value"),
    [
        ("written", "reflect", 0.0),
        ("written", "edge", 0.0),
        ("written", "constant", 0.5),
        ("from the image", "constant", 0.0),
    ],
)
def test_any_other_padding_stays(pads: str, mode: str, value: float) -> None:
    model = onnx.load_from_string(_network(pads, mode=mode, value=value))
    assert "Pad" in _kinds(without_explicit_padding(model))


def test_padding_that_something_else_reads_stays() -> None:
    writer = GraphWriter()
    padded = writer.op("Pad", "image", writer.integers(0, 0, 1, 1, 0, 0, 1, 1))
    fine = writer.convolution(padded, np.ones((1, 3, 3, 3)))
    coarse = writer.op("AveragePool", padded, kernel_shape=[3, 3])
    shapes = {fine: ("batch", 1, "h", "w"), coarse: ("batch", 3, "h", "w")}
    shape = ("batch", 3, "height", "width")
    model = writer.model("two", {"image": (TensorProto.FLOAT, shape)}, shapes)
    assert "Pad" in _kinds(without_explicit_padding(model))
