"""A backbone turned into a graph from uint8 images to patch embeddings at several scales."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from onnx import TensorProto

from keenline.errors import BackboneError, Code
from keenline.inference.bank import EMBEDDING
from keenline.models.backbones import Backbone
from keenline.models.fed_scales import fed_at_scales
from keenline.models.graph_writer import OPSET, GraphWriter
from keenline.models.padding import without_explicit_padding
from keenline.models.projection import Projection

SCALES = (1.0, 0.5)
"""Sides at which one image is looked at, in one pass: fine cracks show at the first, dents and
uneven surfaces at the second. What other scales are worth: docs/decisions/0006-memory-bank.md."""

PROJECTED = "projected_"
"""What the names of the projections of a scale's levels begin with."""


def raw_features(
    backbone: Backbone,
    size: tuple[int, int] | None = None,
    *,
    scales: Sequence[float] = SCALES,
    local_mean: bool = True,
) -> onnx.ModelProto:
    """A graph to all feature channels side by side, locally averaged unless told otherwise.

    size: (height, width), or None for images of any size, which run several times slower.
    scales: sides at which the image is looked at, each made from the one before.
    """
    writer = GraphWriter()
    outputs = {}
    channels = sum(level.channels for _, level in backbone.levels)
    found = _levels(writer, backbone, size, scales, local_mean=local_mean)
    for number, levels in enumerate(found):
        grid = [levels[0], *(_enlarged(writer, backbone, i, t) for i, t in _coarser(levels))]
        joined = writer.op("Concat", *grid, axis=1, name=EMBEDDING.format(number))
        outputs[joined] = ("batch", channels, f"h{number}", f"w{number}")
    return writer.model("raw_features", {"image": _image_input(size)}, outputs)


def embedding_graph(
    backbone: Backbone, projections: Sequence[Projection], size: tuple[int, int] | None
) -> onnx.ModelProto:
    """A graph to projected features.

    Each level is projected by itself and the results are added, which is the same as projecting
    all of them side by side, without ever making the wide tensor. size: (height, width), or None
    when images differ in size.
    """
    writer = GraphWriter()
    outputs = {}
    for number, levels in enumerate(_levels(writer, backbone, size)):
        projection = projections[number]
        first = 0
        total = ""
        for place, level in enumerate(levels):
            channels = backbone.levels[place][1].channels
            weights = projection.weights[first : first + channels].T[:, :, None, None]
            bias = -projection.mean @ projection.weights if place == 0 else None
            part = writer.convolution(level, weights, bias, name=f"{PROJECTED}{number}_{place}")
            first += channels
            if place:
                part = _enlarged(writer, backbone, place, part)
                last = place == len(levels) - 1
                name = EMBEDDING.format(number) if last else None
                total = writer.op("Add", total, part, name=name)
            else:
                total = part
        if len(levels) == 1:
            total = writer.op("Identity", total, name=EMBEDDING.format(number))
        outputs[total] = ("batch", projection.weights.shape[1], f"h{number}", f"w{number}")
    return writer.model("embedding", {"image": _image_input(size)}, outputs)


def _image_input(size: tuple[int, int] | None) -> tuple[int, tuple[int | str, ...]]:
    height, width = size or ("height", "width")
    return TensorProto.UINT8, ("batch", height, width, 3)


def _levels(
    writer: GraphWriter,
    backbone: Backbone,
    size: tuple[int, int] | None,
    scales: Sequence[float] = SCALES,
    *,
    local_mean: bool = True,
) -> list[list[str]]:
    """For each scale the locally averaged outputs of the backbone, finest first."""
    about = backbone.description
    model = without_explicit_padding(_at_our_opset(backbone))
    names = [name for name, _ in backbone.levels]
    found = []
    for number, fed in enumerate(fed_at_scales(writer, about, size, scales)):
        outputs = writer.include(model, {about.input: fed}, names, f"s{number}/")
        if local_mean:
            outputs = [_local_mean(writer, output) for output in outputs]
        found.append(outputs)
    return found


def _local_mean(writer: GraphWriter, data: str) -> str:
    return writer.op(
        "AveragePool",
        data,
        kernel_shape=[3, 3],
        pads=[1, 1, 1, 1],
        strides=[1, 1],
        count_include_pad=0,
    )


def _coarser(levels: Sequence[str]) -> list[tuple[int, str]]:
    return list(enumerate(levels))[1:]


def _enlarged(writer: GraphWriter, backbone: Backbone, place: int, data: str) -> str:
    """The output of a coarser level on the grid of the finest."""
    factor = backbone.levels[place][1].stride / backbone.levels[0][1].stride
    if factor == 1:
        return data
    return writer.op(
        "Resize",
        data,
        "",
        writer.constant([1.0, 1.0, factor, factor]),
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def _at_our_opset(backbone: Backbone) -> onnx.ModelProto:
    model = backbone.model
    version = max((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), default=0)
    foreign = {node.domain for node in model.graph.node} - {"", "ai.onnx"}
    if version == OPSET and not foreign:
        return model
    try:
        if foreign:
            raise RuntimeError(f"operators of {', '.join(sorted(foreign))}")
        return onnx.version_converter.convert_version(model, OPSET)
    except (RuntimeError, onnx.version_converter.ConvertError) as error:
        raise BackboneError(
            Code.BACKBONE_GRAPH,
            "The feature graph uses operators of another version",
            where=backbone.name,
            expected=f"opset {OPSET}, or one that converts to it",
            got=f"opset {version}: {error}",
            next=f"export it with opset {OPSET}",
        ) from error
