"""A small network on the embeddings of a learnt part, which tells classes of defects apart.

The head is two 1x1 convolutions on what the memory bank compares anyway, so classes cost one pass
and a few per cent of its time. It is part of the graph, and its weights are a member of the bundle,
so that the bank can be updated without teaching it again.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from keenline.inference.bank import EMBEDDING, INSIDE
from keenline.inference.class_outputs import (
    CLASS_MAP,
    CLASS_SCORE,
    CLASS_TOP,
    LEAST,
    cells_counted,
)
from keenline.models.graph_writer import GraphWriter

HEAD = "classes.npz"
"""The member of a bundle that holds a head."""

CELLS = "cells"
"""Output of `cells_graph`: float32, (batch, dimensions, height, width) of the finest scale."""

_PREFIX = "classes/"


@dataclass(frozen=True, slots=True)
class ClassHead:
    """Which classes there are, and the weights that tell them apart."""

    classes: tuple[str, ...]
    hidden: NDArray[np.float32]
    """(hidden units, dimensions): on the embeddings as the graph gives them."""
    hidden_bias: NDArray[np.float32]
    """(hidden units,)"""
    output: NDArray[np.float32]
    """(1 + classes, hidden units); the first row stands for a good place."""
    output_bias: NDArray[np.float32]
    """(1 + classes,)"""
    shift: NDArray[np.float32]
    """(classes,): the logit that becomes a confidence of 0.5."""

    def probabilities(self, cells: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of each class, before the shift, (number, classes), for cells (number, dimensions)."""
        inner = np.maximum(cells @ self.hidden.T + self.hidden_bias, 0)
        raw = inner @ self.output.T + self.output_bias
        raw = np.exp(raw - raw.max(axis=1, keepdims=True))
        shares: NDArray[np.float32] = raw[:, 1:] / raw.sum(axis=1, keepdims=True)
        return shares

    def to_bytes(self) -> bytes:
        """As an .npz file without pickle."""
        out = io.BytesIO()
        np.savez(
            out,
            allow_pickle=False,
            classes=np.array(self.classes, dtype=np.str_),
            hidden=self.hidden,
            hidden_bias=self.hidden_bias,
            output=self.output,
            output_bias=self.output_bias,
            shift=self.shift,
        )
        return out.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> ClassHead:
        """What `to_bytes` wrote."""
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return cls(
                tuple(str(name) for name in stored["classes"]),
                hidden=stored["hidden"],
                hidden_bias=stored["hidden_bias"],
                output=stored["output"],
                output_bias=stored["output_bias"],
                shift=stored["shift"],
            )


def embeds(deployed: onnx.ModelProto) -> bool:
    """Whether a head can be put on this graph: one of a detector that compares embeddings."""
    return bool(_embeddings(deployed))


def cells_graph(deployed: onnx.ModelProto) -> onnx.ModelProto:
    """What a head is taught on: the embeddings of all scales on the grid of the finest, and `map`,
    the anomaly."""
    writer = GraphWriter()
    image, maps = deployed.graph.input[0], deployed.graph.output[0]
    wanted = ["map", *_embeddings(deployed)]
    _, *found = writer.include(deployed, {image.name: "image"}, wanted, "")
    writer.op("Identity", _joined(writer, found), name=CELLS)
    shape = [d.dim_value or d.dim_param for d in image.type.tensor_type.shape.dim]
    grid = [d.dim_value or d.dim_param for d in maps.type.tensor_type.shape.dim]
    return writer.model(
        "cells",
        {"image": (TensorProto.UINT8, shape)},
        {CELLS: ("batch", "dimensions", *grid[1:]), "map": grid},
    )


def with_head(
    deployed: onnx.ModelProto, head: ClassHead, mask: NDArray[np.float32] | None
) -> onnx.ModelProto:
    """The deployed graph with `class_map` and `class_score` besides its own outputs.

    mask: 1 where it is inspected, (map height, map width); None when all is.
    """
    writer = GraphWriter()
    image, maps = deployed.graph.input[0], deployed.graph.output[0]
    wanted = ["map", "score", *_embeddings(deployed)]
    _, _, *found = writer.include(deployed, {image.name: "image"}, wanted, "")
    inner = writer.op("Relu", _hidden(writer, found, head), name=f"{_PREFIX}active")
    raw = _convolved(writer, inner, head.output, head.output_bias, "raw")
    shares = writer.op("Softmax", raw, axis=1, name=f"{_PREFIX}shares")
    ends = writer.integers(1), writer.integers(1 + len(head.classes)), writer.integers(1)
    shares = writer.op("Slice", shares, *ends, name=f"{_PREFIX}defects")
    if mask is not None:
        inside = writer.constant(mask[None, None])
        shares = writer.op("Mul", shares, inside, name=f"{_PREFIX}inside")
    grid = [d.dim_value or d.dim_param for d in maps.type.tensor_type.shape.dim][1:]
    cells = None
    if all(isinstance(side, int) for side in grid):
        cells = int(mask.sum()) if mask is not None else int(np.prod(np.array(grid, np.int64)))
    write_classes(writer, shares, head.shift, cells)
    shape = [d.dim_value or d.dim_param for d in image.type.tensor_type.shape.dim]
    number = len(head.classes)
    return writer.model(
        deployed.graph.name,
        {"image": (TensorProto.UINT8, shape)},
        {
            "map": ("batch", *grid),
            "score": ("batch",),
            CLASS_MAP: ("batch", number, *grid),
            CLASS_SCORE: ("batch", number),
        },
    )


def write_classes(
    writer: GraphWriter, shares: str, shift: NDArray[np.float32], cells: int | None
) -> None:
    """Write `class_map` and `class_score` from shares (batch, classes, height, width), 0..1.

    shift: the logit of each class that becomes a confidence of 0.5. cells: how many of a map are
    inspected; None when that is known only at run time.
    """
    logits = _logits(writer, shares, shift)
    writer.op("Sigmoid", logits, name=CLASS_MAP)
    writer.op("Sigmoid", _top_mean(writer, logits, cells), name=CLASS_SCORE)


def without_head(deployed: onnx.ModelProto) -> onnx.ModelProto:
    """The deployed graph as it was before `with_head`; one without a head stays as it is."""
    if all(output.name != CLASS_SCORE for output in deployed.graph.output):
        return deployed
    writer = GraphWriter()
    image, maps = deployed.graph.input[0], deployed.graph.output[0]
    writer.include(deployed, {image.name: "image"}, ["map", "score"], "")
    shape = [d.dim_value or d.dim_param for d in image.type.tensor_type.shape.dim]
    grid = [d.dim_value or d.dim_param for d in maps.type.tensor_type.shape.dim]
    return writer.model(
        deployed.graph.name,
        {"image": (TensorProto.UINT8, shape)},
        {"map": grid, "score": ("batch",)},
    )


def _embeddings(deployed: onnx.ModelProto) -> list[str]:
    """Names of the embeddings inside, finest first."""
    made = {name for node in deployed.graph.node for name in node.output}
    names: list[str] = []
    while (name := INSIDE + EMBEDDING.format(len(names))) in made:
        names.append(name)
    return names


def _joined(writer: GraphWriter, scales: Sequence[str]) -> str:
    """All scales side by side on the grid of the finest."""
    fine = [scales[0], *(_on_grid_of(writer, coarse, scales[0]) for coarse in scales[1:])]
    return writer.op("Concat", *fine, axis=1, name=f"{_PREFIX}joined")


def _hidden(writer: GraphWriter, scales: Sequence[str], head: ClassHead) -> str:
    """The first layer: each scale on its own grid, where it is cheap, and then added.

    Both steps are linear, so this is what the layer says of all scales side by side.
    """
    weights = np.split(head.hidden, len(scales), axis=1)
    total = _convolved(writer, scales[0], weights[0], head.hidden_bias, "hidden0")
    for place, coarse in enumerate(scales[1:], start=1):
        part = _convolved(writer, coarse, weights[place], None, f"hidden{place}")
        total = writer.op("Add", total, _on_grid_of(writer, part, total), name=f"{part}_added")
    return total


def _on_grid_of(writer: GraphWriter, coarse: str, fine: str) -> str:
    name = coarse.removeprefix(_PREFIX).replace("/", "_")
    start = writer.op("Shape", coarse, end=2, name=f"{_PREFIX}{name}_front")
    end = writer.op("Shape", fine, start=2, name=f"{_PREFIX}{name}_grid")
    target = writer.op("Concat", start, end, axis=0, name=f"{_PREFIX}{name}_target")
    return writer.op(
        "Resize",
        coarse,
        "",
        "",
        target,
        mode="linear",
        coordinate_transformation_mode="half_pixel",
        name=f"{_PREFIX}{name}_fine",
    )


def _convolved(
    writer: GraphWriter,
    data: str,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    name: str,
) -> str:
    return writer.convolution(data, weights[:, :, None, None], bias, name=f"{_PREFIX}{name}")


def _logits(writer: GraphWriter, shares: str, shift: NDArray[np.float32]) -> str:
    """log(p / (1 - p)) - shift, (batch, classes, height, width)."""
    ends = writer.constant(LEAST), writer.constant(1 - LEAST)
    kept = writer.op("Clip", shares, *ends, name=f"{_PREFIX}kept")
    others = writer.op("Sub", writer.constant(1.0), kept, name=f"{_PREFIX}others")
    for_it = writer.op("Log", kept, name=f"{_PREFIX}for")
    against = writer.op("Log", others, name=f"{_PREFIX}against")
    logits = writer.op("Sub", for_it, against, name=f"{_PREFIX}logits")
    moved = writer.constant(shift[None, :, None, None])
    return writer.op("Sub", logits, moved, name=f"{_PREFIX}shifted")


def _top_mean(writer: GraphWriter, logits: str, cells: int | None) -> str:
    """Mean of each class's highest logits, (batch, classes)."""
    flat = writer.op("Flatten", logits, axis=2, name=f"{_PREFIX}all")
    # Flatten makes two dimensions of (batch x classes, cells); the shape is restored after.
    if cells is not None:
        number = writer.integers(cells_counted(cells))
    else:
        size = writer.op("Shape", flat, start=1, name=f"{_PREFIX}size")
        count = writer.op("Cast", size, to=TensorProto.FLOAT, name=f"{_PREFIX}count")
        share = writer.op("Mul", count, writer.constant(CLASS_TOP), name=f"{_PREFIX}share")
        whole = writer.op("Ceil", share, name=f"{_PREFIX}whole")
        number = writer.op("Cast", whole, to=TensorProto.INT64, name=f"{_PREFIX}number")
    highest = writer.op("TopK", flat, number, axis=1, largest=1, sorted=0, name=f"{_PREFIX}top")
    mean = writer.op("ReduceMean", highest, axes=[1], keepdims=1, name=f"{_PREFIX}mean")
    shape = writer.op("Shape", logits, end=2, name=f"{_PREFIX}rows")
    return writer.op("Reshape", mean, shape, name=f"{_PREFIX}by_class")
