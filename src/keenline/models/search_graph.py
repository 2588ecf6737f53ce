"""A bank of good patches turned into graph operators: embeddings in, anomaly map and score out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx.utils
from numpy.typing import NDArray
from onnx import TensorProto, helper

from keenline.inference.bank import EMBEDDING, INSIDE, Bank
from keenline.inference.scoring import TOP_FRACTION, top_number
from keenline.models.graph_writer import GraphWriter


def full_graph(
    embeddings: onnx.ModelProto,
    banks: Sequence[Bank],
    weights: Sequence[float],
    mask: NDArray[np.float32] | None,
    grid: tuple[int, int] | None,
) -> onnx.ModelProto:
    """The deployed graph: image to map and score.

    weights: factor of each scale's distances in the map. mask: 1 where it is inspected, (map
    height, map width). grid: map height and width, None when images differ in size.
    """
    writer = GraphWriter()
    names = [EMBEDDING.format(i) for i in range(len(banks))]
    found = writer.include(embeddings, {"image": "image"}, names, INSIDE)
    maps = [
        _distance_map(writer, tensor, bank, weight)
        for tensor, bank, weight in zip(found, banks, weights, strict=True)
    ]
    first = maps[0]
    total = first
    for other in maps[1:]:
        total = writer.op("Add", total, _on_grid_of(writer, other, first, grid))
    if mask is not None:
        total = writer.op("Mul", total, writer.constant(mask[None, None]))
    scores = writer.op("Squeeze", total, writer.integers(1), name="map")
    cells = None if grid is None else grid[0] * grid[1] if mask is None else int(mask.sum())
    writer.op("Squeeze", mean_of_highest(writer, scores, cells), writer.integers(1), name="score")
    height, width = grid or ("map_height", "map_width")
    image = embeddings.graph.input[0].type.tensor_type.shape.dim
    shape = [d.dim_value or d.dim_param for d in image]
    return writer.model(
        "memory_bank",
        {"image": (TensorProto.UINT8, shape)},
        {"map": ("batch", height, width), "score": ("batch",)},
    )


def root_above_zero(writer: GraphWriter, squared: str) -> str:
    """sqrt(max(0, x)), where NaN stays NaN.

    (x + |x|) / 2 is what Relu is, except that OpenVINO's Relu makes NaN 0, and a part whose
    features are not numbers would pass.
    """
    above = writer.op("Add", squared, writer.op("Abs", squared))
    return writer.op("Sqrt", writer.op("Mul", above, writer.constant(0.5)))


def embeddings_inside(model: onnx.ModelProto, scales: int) -> onnx.ModelProto:
    """The embedding graph that a deployed graph was made from."""
    wanted = [INSIDE + EMBEDDING.format(place) for place in range(scales)]
    model = onnx.ModelProto.FromString(model.SerializeToString())
    # The extractor wants to know the type of what it cuts at.
    model.graph.value_info.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ("batch", "dimensions", None, None))
        for name in wanted
    )
    inner = onnx.utils.Extractor(model).extract_model(["image"], wanted)
    for node in inner.graph.node:
        node.name = _outside(node.name)
        node.input[:] = [_outside(name) for name in node.input]
        node.output[:] = [_outside(name) for name in node.output]
    for named in (*inner.graph.initializer, *inner.graph.output, *inner.graph.value_info):
        named.name = _outside(named.name)
    return inner


def _outside(name: str) -> str:
    """The name that a tensor inside had before; constants' names must not meet others again."""
    if not name.startswith(INSIDE):
        return name
    bare = name.removeprefix(INSIDE)
    return bare if bare.startswith(EMBEDDING.format("")) else f"~{bare}"


def _distance_map(writer: GraphWriter, embedding: str, bank: Bank, weight: float) -> str:
    """sqrt(max(0, |q|^2 - 2 max(q.b + offset))) * weight, (batch, 1, height, width)."""
    if bank.step:
        step = writer.constant(bank.step)
        zero = writer.constant(0, np.int8)
        codes = writer.op("QuantizeLinear", embedding, step, zero)
        embedding = writer.op("DequantizeLinear", codes, step, zero)
        member_codes, steps = bank.codes()
        members = writer.op(
            "DequantizeLinear",
            writer.constant(member_codes[:, :, None, None], np.int8),
            writer.constant(steps),
            writer.constant(np.zeros(len(steps)), np.int8),
            axis=0,
        )
    else:
        members = writer.constant(bank.vectors[:, :, None, None])
    products = writer.op(
        "Conv", embedding, members, writer.constant(bank.offsets()), kernel_shape=[1, 1]
    )
    nearest = writer.op("ReduceMax", products, axes=[1], keepdims=1)
    squares = writer.op("ReduceSumSquare", embedding, axes=[1], keepdims=1)
    squared = writer.op("Sub", squares, writer.op("Mul", nearest, writer.constant(2.0)))
    return writer.op("Mul", root_above_zero(writer, squared), writer.constant(weight))


def _on_grid_of(writer: GraphWriter, data: str, first: str, grid: tuple[int, int] | None) -> str:
    end = writer.op("Shape", first, start=1) if grid is None else writer.integers(1, *grid)
    target = writer.op("Concat", writer.op("Shape", data, end=1), end, axis=0)
    return writer.op(
        "Resize", data, "", "", target, mode="linear", coordinate_transformation_mode="half_pixel"
    )


def mean_of_highest(writer: GraphWriter, scores: str, cells: int | None) -> str:
    """Mean of the highest values, (batch, 1)."""
    flat = writer.op("Flatten", scores, axis=1)
    if cells is not None:
        number = writer.integers(top_number(cells))
    else:
        count = writer.op("Cast", writer.op("Shape", flat, start=1), to=TensorProto.FLOAT)
        share = writer.op("Mul", count, writer.constant(TOP_FRACTION))
        number = writer.op("Cast", writer.op("Ceil", share), to=TensorProto.INT64)
    highest = writer.op("TopK", flat, number, axis=1, largest=1, sorted=0)
    return writer.op("ReduceMean", highest, axes=[1], keepdims=1)
