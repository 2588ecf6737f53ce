"""A taught detector turned into the graph of a bundle: uint8 in, maps, scores and instances out."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import nn

from keenline.inference.bank import EMBEDDING, INSIDE
from keenline.inference.class_outputs import CLASS_MAP, CLASS_SCORE, INSTANCES
from keenline.models.backbones import Description
from keenline.models.class_head import write_classes
from keenline.models.fed_scales import fed_at_scales
from keenline.models.graph_writer import OPSET, GraphWriter, Shape
from keenline.models.padding import without_explicit_padding
from keenline.models.search_graph import mean_of_highest
from keenline.training.supervised.graphs import Size
from keenline.training.supervised.instances.answering import FOUND, Answering
from keenline.training.supervised.instances.network import CELL, WIDTH, MaskRCNN

_PICTURE, _MAPS = "picture", "maps"


def pyramid_graph(network: MaskRCNN, about: Description, size: Size | None) -> onnx.ModelProto:
    """The graph from `image`, uint8, to the pyramid, `embedding_0` and on, finest first.

    size: of the views; None when they differ. One view at a time.
    """
    writer = GraphWriter()
    (fed,) = fed_at_scales(writer, about, size, (1.0,))
    levels = [EMBEDDING.format(place) for place in range(len(network.strides) + 1)]
    # Not square, so that axes cannot be mistaken for one another.
    height, width = size or (2 * about.multiple_of, 3 * about.multiple_of)
    picture = torch.zeros(1, 3, height, width)
    model = _exported(_Pyramid(network), (picture,), [_PICTURE], levels, varied=size is None)
    found = writer.include(without_explicit_padding(model), {_PICTURE: fed}, levels, "net/")
    for name, level in zip(found, levels, strict=True):
        writer.op("Identity", name, name=level)
    shapes: list[Shape] = []
    for place, stride in enumerate((*network.strides, 2 * network.strides[-1])):
        grid = (f"h{place}", f"w{place}")
        shapes.append((1, WIDTH, *(grid if size is None else (-(-n // stride) for n in size))))
    sides: Shape = ("height", "width") if size is None else size
    return writer.model(
        "pyramid",
        {"image": (TensorProto.UINT8, (1, *sides, 3))},
        dict(zip(levels, shapes, strict=True)),
    )


def answering_graph(network: MaskRCNN, size: Size | None) -> onnx.ModelProto:
    """The graph from the pyramid of one view to what `Answering` says; size as above."""
    strides = (*network.strides, 2 * network.strides[-1])
    names = [EMBEDDING.format(place) for place in range(len(strides))]
    height, width = size or (4 * strides[-1], 6 * strides[-1])
    levels = [torch.zeros(1, WIDTH, -(-height // s), -(-width // s)) for s in strides]
    answering = Answering(network, varied=size is None)
    return _exported(answering, tuple(levels), names, [_MAPS, INSTANCES], varied=size is None)


def deployed_graph(
    pyramid: onnx.ModelProto,
    answering: onnx.ModelProto,
    shift: NDArray[np.float32],
    mask: NDArray[np.float32] | None,
) -> onnx.ModelProto:
    """The graph to deploy.

    `map` is the confidence of the surest instance of any class at a place, `score` the mean of the
    highest of it; classes as in `keenline.models.class_head`, with the same meaning of `shift`;
    `instances` as `Answering` says. mask: 1 where it is inspected, (map height, map width).
    """
    writer = GraphWriter()
    levels = [output.name for output in pyramid.graph.output]
    inner = writer.include(pyramid, {"image": "image"}, levels, INSIDE)
    feeds = dict(zip(levels, inner, strict=True))
    shares, listed = writer.include(answering, feeds, [_MAPS, INSTANCES], "found/")
    if mask is not None:
        shares = writer.op("Mul", shares, writer.constant(mask[None, None]))
    maps = writer.op("ReduceMax", shares, axes=[1], keepdims=0, name="map")
    sides = pyramid.graph.input[0].type.tensor_type.shape.dim
    image = [side.dim_value or side.dim_param for side in sides]
    height, width = sides[1].dim_value, sides[2].dim_value
    grid: Shape = ("rows", "columns")
    cells = None
    if height:
        grid = (height // CELL, width // CELL)
        cells = int(mask.sum()) if mask is not None else (height // CELL) * (width // CELL)
    writer.op("Squeeze", mean_of_highest(writer, maps, cells), writer.integers(1), name="score")
    write_classes(writer, shares, shift, cells)
    writer.op("Identity", listed, name=INSTANCES)
    return writer.model(
        "mask_rcnn",
        {"image": (TensorProto.UINT8, image)},
        {
            "map": (1, *grid),
            "score": (1,),
            CLASS_MAP: (1, len(shift), *grid),
            CLASS_SCORE: (1, len(shift)),
            INSTANCES: (1, FOUND, 6),
        },
    )


class _Pyramid(nn.Module):  # type: ignore[misc]
    """The network up to what is searched."""

    def __init__(self, network: MaskRCNN) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Any) -> tuple[Any, ...]:
        return tuple(self.network.levels(picture))


def _exported(
    module: Any,
    examples: tuple[Any, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    varied: bool,
) -> onnx.ModelProto:
    axes: Mapping[str, Mapping[int, str]] = {}
    if varied:
        axes = {name: {2: f"h_{name}", 3: f"w_{name}"} for name in (*inputs, *outputs)}
        axes = {**axes, INSTANCES: {}}
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder, warnings.catch_warnings():
        # The exporter that traces is deprecated, and the only one that writes opset 17.
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            module.eval(),
            examples,
            str(path),
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: axes[name] for name in (*inputs, *outputs) if axes.get(name)},
            dynamo=False,
        )
        return onnx.load(path)
