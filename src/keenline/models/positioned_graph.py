"""Position-indexed banks turned into graph operators: embeddings in, anomaly map and score out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from keenline.inference.bank import EMBEDDING, INSIDE
from keenline.inference.scoring import top_number
from keenline.models.graph_writer import GraphWriter
from keenline.models.positioned_cells import CellBank
from keenline.models.search_graph import root_above_zero


def positioned_graph(
    embeddings: onnx.ModelProto,
    banks: Sequence[CellBank],
    weights: Sequence[float],
    inside: NDArray[np.bool_],
) -> onnx.ModelProto:
    """The deployed graph: image to map and score.

    weights: factor of each scale's distances in the map. inside: which cells of the finest grid
    are inspected, (height, width).
    """
    writer = GraphWriter()
    names = [EMBEDDING.format(i) for i in range(len(banks))]
    found = writer.include(embeddings, {"image": "image"}, names, INSIDE)
    grid = banks[0].grid
    total = ""
    for tensor, bank, weight in zip(found, banks, weights, strict=True):
        distances = _distance_map(writer, tensor, bank, weight)
        if bank.grid != grid:
            distances = _enlarged(writer, distances, grid)
        total = writer.op("Add", total, distances) if total else distances
    if not inside.all():
        total = writer.op("Mul", total, writer.constant(inside[None, None].astype(np.float32)))
    scores = writer.op("Squeeze", total, writer.integers(1), name="map")
    flat = writer.op("Flatten", scores, axis=1)
    number = writer.integers(top_number(int(inside.sum())))
    highest = writer.op("TopK", flat, number, axis=1, largest=1, sorted=0)
    writer.op("ReduceMean", highest, axes=[1], keepdims=0, name="score")
    image = embeddings.graph.input[0].type.tensor_type.shape.dim
    shape = [d.dim_value or d.dim_param for d in image]
    return writer.model(
        "positioned_bank",
        {"image": (TensorProto.UINT8, shape)},
        {"map": ("batch", *grid), "score": ("batch",)},
    )


def _distance_map(writer: GraphWriter, embedding: str, bank: CellBank, weight: float) -> str:
    """sqrt(max(0, |q|^2 - 2 max(q.b + offset))) * weight, (batch, 1, height, width).

    One matrix product of all cells at once, (cells, batch, dimensions) by (cells, dimensions,
    members). It stays in float32: reading the members once takes the time, not the products.
    """
    dimensions = bank.vectors.shape[2]
    flat = writer.op("Reshape", embedding, writer.integers(0, dimensions, -1))
    queries = writer.op("Transpose", flat, perm=[2, 0, 1])
    members = writer.constant(bank.vectors.transpose(0, 2, 1))
    products = writer.op("MatMul", queries, members)
    powers = writer.op("Add", products, writer.constant(bank.offsets()[:, None, :]))
    nearest = writer.op("ReduceMax", powers, axes=[2], keepdims=0)
    by_image = writer.op("Transpose", nearest, perm=[1, 0])
    on_grid = writer.op("Reshape", by_image, writer.integers(-1, 1, *bank.grid))
    squares = writer.op("ReduceSumSquare", embedding, axes=[1], keepdims=1)
    squared = writer.op("Sub", squares, writer.op("Mul", on_grid, writer.constant(2.0)))
    return writer.op("Mul", root_above_zero(writer, squared), writer.constant(weight))


def _enlarged(writer: GraphWriter, data: str, grid: tuple[int, int]) -> str:
    target = writer.op("Concat", writer.op("Shape", data, end=1), writer.integers(1, *grid), axis=0)
    return writer.op(
        "Resize", data, "", "", target, mode="linear", coordinate_transformation_mode="half_pixel"
    )
