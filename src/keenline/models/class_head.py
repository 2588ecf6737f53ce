"""A small network on the embeddings of a learnt part, which tells classes of defects apart.

The head is two 1x1 convolutions on what the memory bank compares anyway, so classes cost one pass
and a few per cent of its time. Each place is seen beside the mean of its view: what is strange on
one surface is usual on another. It is part of the graph, and its weights are a member of the
bundle, so that the bank can be updated without teaching it again.
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
from keenline.models.view_means import PREFIX, means_of_view, on_grid_of

HEAD = "classes.npz"
"""The member of a bundle that holds a head."""

CELLS = "cells"
"""Output of `cells_graph`: float32, (batch, 2 x dimensions, height, width) of the finest scale: the
embedding of each place, and after it the mean of its view."""


@dataclass(frozen=True, slots=True)
class ClassHead:
    """Which classes there are, and the weights that tell them apart."""

    classes: tuple[str, ...]
    hidden: NDArray[np.float32]
    """(hidden units, dimensions): on the embeddings as the graph gives them; twice as many
    dimensions where the mean of the view is looked at too."""
    hidden_bias: NDArray[np.float32]
    """(hidden units,)"""
    output: NDArray[np.float32]
    """(1 + classes, hidden units); the first row stands for a good place."""
    output_bias: NDArray[np.float32]
    """(1 + classes,)"""
    shift: NDArray[np.float32]
    """(classes,): the logit that becomes a confidence of 0.5."""
    looks_around: bool = False
    """Whether the second half of the dimensions is the mean of the view."""

    def probabilities(self, cells: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of each class, before the shift, (number, classes), for `CELLS`, (number, dimensions)."""
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
            looks_around=self.looks_around,
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
                # Heads were written without it as long as they looked at places alone.
                looks_around=bool(stored["looks_around"]) if "looks_around" in stored else False,
            )


def embeds(deployed: onnx.ModelProto) -> bool:
    """Whether a head can be put on this graph: one of a detector that compares embeddings."""
    return bool(_embeddings(deployed))


def cells_graph(deployed: onnx.ModelProto, mask: NDArray[np.float32] | None) -> onnx.ModelProto:
    """What a head is taught on: `CELLS`, of all scales on the grid of the finest, and `map`, the
    anomaly. mask: as in `with_head`."""
    writer = GraphWriter()
    image, maps = deployed.graph.input[0], deployed.graph.output[0]
    wanted = ["map", *_embeddings(deployed)]
    _, *found = writer.include(deployed, {image.name: "image"}, wanted, "")
    joined = _joined(writer, found)
    shape_of_it = writer.op("Shape", joined, name=f"{PREFIX}joined_shape")
    means = writer.op("Concat", *means_of_view(writer, found, mask), axis=1, name=f"{PREFIX}means")
    everywhere = writer.op("Expand", means, shape_of_it, name=f"{PREFIX}means_everywhere")
    writer.op("Concat", joined, everywhere, axis=1, name=CELLS)
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
    inner = writer.op("Relu", _hidden(writer, found, head, mask), name=f"{PREFIX}active")
    raw = _convolved(writer, inner, head.output, head.output_bias, "raw")
    shares = writer.op("Softmax", raw, axis=1, name=f"{PREFIX}shares")
    ends = writer.integers(1), writer.integers(1 + len(head.classes)), writer.integers(1)
    shares = writer.op("Slice", shares, *ends, name=f"{PREFIX}defects")
    if mask is not None:
        inside = writer.constant(mask[None, None])
        shares = writer.op("Mul", shares, inside, name=f"{PREFIX}inside")
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
    fine = [scales[0], *(on_grid_of(writer, coarse, scales[0]) for coarse in scales[1:])]
    return writer.op("Concat", *fine, axis=1, name=f"{PREFIX}joined")


def _hidden(
    writer: GraphWriter,
    scales: Sequence[str],
    head: ClassHead,
    mask: NDArray[np.float32] | None,
) -> str:
    """The first layer: each scale on its own grid, where it is cheap, and then added.

    All steps are linear, so this is what the layer says of all scales side by side.
    """
    local, of_view = head.hidden, None
    if head.looks_around:
        local, of_view = np.split(head.hidden, 2, axis=1)
    weights = np.split(local, len(scales), axis=1)
    total = _convolved(writer, scales[0], weights[0], head.hidden_bias, "hidden0")
    for place, coarse in enumerate(scales[1:], start=1):
        part = _convolved(writer, coarse, weights[place], None, f"hidden{place}")
        total = writer.op("Add", total, on_grid_of(writer, part, total), name=f"{part}_added")
    if of_view is None:
        return total
    means = writer.op("Concat", *means_of_view(writer, scales, mask), axis=1, name=f"{PREFIX}means")
    part = _convolved(writer, means, of_view, None, "around")
    return writer.op("Add", total, part, name=f"{part}_added")


def _convolved(
    writer: GraphWriter,
    data: str,
    weights: NDArray[np.float32],
    bias: NDArray[np.float32] | None,
    name: str,
) -> str:
    return writer.convolution(data, weights[:, :, None, None], bias, name=f"{PREFIX}{name}")


def _logits(writer: GraphWriter, shares: str, shift: NDArray[np.float32]) -> str:
    """log(p / (1 - p)) - shift, (batch, classes, height, width)."""
    ends = writer.constant(LEAST), writer.constant(1 - LEAST)
    kept = writer.op("Clip", shares, *ends, name=f"{PREFIX}kept")
    others = writer.op("Sub", writer.constant(1.0), kept, name=f"{PREFIX}others")
    for_it = writer.op("Log", kept, name=f"{PREFIX}for")
    against = writer.op("Log", others, name=f"{PREFIX}against")
    logits = writer.op("Sub", for_it, against, name=f"{PREFIX}logits")
    moved = writer.constant(shift[None, :, None, None])
    return writer.op("Sub", logits, moved, name=f"{PREFIX}shifted")


def _top_mean(writer: GraphWriter, logits: str, cells: int | None) -> str:
    """Mean of each class's highest logits, (batch, classes)."""
    flat = writer.op("Flatten", logits, axis=2, name=f"{PREFIX}all")
    # Flatten makes two dimensions of (batch x classes, cells); the shape is restored after.
    if cells is not None:
        number = writer.integers(cells_counted(cells))
    else:
        size = writer.op("Shape", flat, start=1, name=f"{PREFIX}size")
        count = writer.op("Cast", size, to=TensorProto.FLOAT, name=f"{PREFIX}count")
        share = writer.op("Mul", count, writer.constant(CLASS_TOP), name=f"{PREFIX}share")
        whole = writer.op("Ceil", share, name=f"{PREFIX}whole")
        number = writer.op("Cast", whole, to=TensorProto.INT64, name=f"{PREFIX}number")
    highest = writer.op("TopK", flat, number, axis=1, largest=1, sorted=0, name=f"{PREFIX}top")
    mean = writer.op("ReduceMean", highest, axes=[1], keepdims=1, name=f"{PREFIX}mean")
    shape = writer.op("Shape", logits, end=2, name=f"{PREFIX}rows")
    return writer.op("Reshape", mean, shape, name=f"{PREFIX}by_class")
