"""A taught network turned into the graph of a bundle: uint8 in, map, scores and classes out."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import nn

from keenline.inference.bank import EMBEDDING, INSIDE
from keenline.models.backbones import Description
from keenline.models.class_head import ClassHead, with_head
from keenline.models.fed_scales import fed_at_scales
from keenline.models.graph_writer import OPSET, GraphWriter
from keenline.models.padding import without_explicit_padding
from keenline.models.search_graph import mean_of_highest
from keenline.training.supervised.network import WIDTHS, UNet

Size = tuple[int, int]
"""Height and width."""

_FEATURES = "features"
_PREFIX = "whole/"


def feature_graph(network: UNet, about: Description, size: Size | None) -> onnx.ModelProto:
    """The graph from `image`, uint8, to what the head looks at, `embedding_0`.

    size: of the views; None when they differ. Its weights are those of the network, batch norms
    folded, in float32.
    """
    writer = GraphWriter()
    (fed,) = fed_at_scales(writer, about, size, (1.0,))
    model = without_explicit_padding(_exported(network, size or _any_size(about), size is None))
    (found,) = writer.include(model, {"image": fed}, [_FEATURES], "net/")
    writer.op("Identity", found, name=EMBEDDING.format(0))
    height, width = size or ("height", "width")
    stride = network.stride
    grid = ("h", "w") if size is None else (size[0] // stride, size[1] // stride)
    return writer.model(
        "features",
        {"image": (TensorProto.UINT8, ("batch", height, width, 3))},
        {EMBEDDING.format(0): ("batch", WIDTHS[-1], *grid)},
    )


def deployed_graph(
    features: onnx.ModelProto, head: ClassHead, mask: NDArray[np.float32] | None
) -> onnx.ModelProto:
    """The graph to deploy.

    `map` is how sure it is that a place shows any defect (1 - the share of a good place), `score`
    the mean of the highest of it; classes as in `keenline.models.class_head`. mask: 1 where it is
    inspected, (map height, map width); None when all is.
    """
    writer = GraphWriter()
    (cells,) = writer.include(features, {"image": "image"}, [EMBEDDING.format(0)], INSIDE)
    inner = writer.convolution(
        cells, head.hidden[:, :, None, None], head.hidden_bias, name=f"{_PREFIX}hidden"
    )
    raw = writer.convolution(
        writer.op("Relu", inner, name=f"{_PREFIX}active"),
        head.output[:, :, None, None],
        head.output_bias,
        name=f"{_PREFIX}raw",
    )
    shares = writer.op("Softmax", raw, axis=1, name=f"{_PREFIX}shares")
    ends = writer.integers(0), writer.integers(1), writer.integers(1)
    good = writer.op("Slice", shares, *ends, name=f"{_PREFIX}good")
    defect = writer.op("Sub", writer.constant(1.0), good, name=f"{_PREFIX}defect")
    if mask is not None:
        defect = writer.op(
            "Mul", defect, writer.constant(mask[None, None]), name=f"{_PREFIX}inside"
        )
    maps = writer.op("Squeeze", defect, writer.integers(1), name="map")
    grid = [d.dim_value or d.dim_param for d in features.graph.output[0].type.tensor_type.shape.dim]
    cells_number = None
    if isinstance(grid[2], int):
        cells_number = int(mask.sum()) if mask is not None else int(grid[2]) * int(grid[3])
    mean = mean_of_highest(writer, maps, cells_number)
    writer.op("Squeeze", mean, writer.integers(1), name="score")
    image = [d.dim_value or d.dim_param for d in features.graph.input[0].type.tensor_type.shape.dim]
    plain = writer.model(
        "unet",
        {"image": (TensorProto.UINT8, image)},
        {"map": ("batch", *grid[2:]), "score": ("batch",)},
    )
    return with_head(plain, head, mask)


class _Features(nn.Module):  # type: ignore[misc]
    """The network up to its head."""

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Any) -> Any:
        return self.network.features(picture)


def _any_size(about: Description) -> Size:
    """Not square, so that axes cannot be mistaken for one another."""
    return 2 * about.multiple_of, 3 * about.multiple_of


def _exported(network: UNet, size: Size, varied: bool) -> onnx.ModelProto:
    names = ("image", _FEATURES)
    axes = {name: {0: "batch"} for name in names}
    if varied:
        axes = {n: {0: "batch", 2: f"height_{n}", 3: f"width_{n}"} for n in names}
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder, warnings.catch_warnings():
        # The exporter that traces is deprecated, and the only one that writes opset 17.
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            _Features(network).eval(),
            (torch.zeros(1, 3, *size),),
            str(path),
            opset_version=OPSET,
            input_names=["image"],
            output_names=[_FEATURES],
            dynamic_axes=axes,
            dynamo=False,
        )
        return onnx.load(path)
