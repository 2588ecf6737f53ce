"""A taught cascade turned into one graph in which the U-Net sees the patches that the gate lets."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto
from torch import nn

from keenline.inference.bank import EMBEDDING
from keenline.models.backbones import Description
from keenline.models.fed_scales import FED
from keenline.models.graph_writer import GraphWriter
from keenline.models.padding import without_explicit_padding
from keenline.training.cascade.network import Cascade
from keenline.training.exporting import FOUND, PICTURE, exported
from keenline.training.supervised.graphs import Size
from keenline.training.supervised.network import WIDTHS

GATE_NAMES = "gate/"
"""What the names of the gate's tensors and nodes begin with."""

GATE = "gate/answers"
"""The gate's logits inside the graph, (batch, patches)."""

KEPT = "gate/kept"
"""Which patches are looked at, (batch, patches), True or False."""

_CHANNELS = WIDTHS[-1] + 1
"""Of what the head looks at: the last says that nobody looked."""


def cascade_features(network: Cascade, about: Description, size: Size | None) -> onnx.ModelProto:
    """The graph from `image`, uint8, to what the head looks at, `embedding_0`.

    size: of the views; None when they differ. Patches are cut by gathering rows and columns, the
    edge repeated; those that are kept become a batch of their own (NonZero, Gather), never an
    empty one, and their features are put back by ScatterND. float32.
    """
    writer = GraphWriter()
    sides = _Sides(writer, network, size)
    tiles = _tiles(writer, network, about, sides)
    places = _kept(writer, network, tiles, sides)
    whole = _looked_at(writer, network, tiles, places)
    _joined(writer, network, whole, sides)
    height, width = size or ("height", "width")
    stride = network.stride
    grid = ("h", "w") if size is None else (size[0] // stride, size[1] // stride)
    return writer.model(
        "cascade",
        {"image": (TensorProto.UINT8, ("batch", height, width, 3))},
        {EMBEDDING.format(0): ("batch", _CHANNELS, *grid)},
    )


class _Sides:
    """Lengths that follow from height and width, as constants or as tensors of one number."""

    def __init__(self, writer: GraphWriter, network: Cascade, size: Size | None) -> None:
        self._writer, self._network, self._size = writer, network, size
        self._lengths = [self._length(axis) for axis in (0, 1)]
        self.patches = [self._rounded_up(axis) for axis in (0, 1)]
        """Rows and columns of patches."""

    def places(self, axis: int) -> str:
        """Which rows or columns each patch is cut from, (patches, side)."""
        writer, network = self._writer, self._network
        if self._size is not None:
            return writer.constant(network.places(self._size[axis]), np.int64)
        zero, one = writer.constant(0, np.int64), writer.constant(1, np.int64)
        number = writer.op("Squeeze", self.patches[axis])
        first = writer.op(
            "Mul", writer.op("Range", zero, number, one), writer.integers(network.patch)
        )
        within = writer.constant(np.arange(network.side) - network.halo, np.int64)
        places = writer.op("Add", writer.op("Unsqueeze", first, writer.integers(1)), within)
        last = writer.op("Sub", self._lengths[axis], writer.integers(1))
        return writer.op("Min", writer.op("Max", places, writer.integers(0)), last)

    def cells(self, axis: int) -> str:
        """Of the map along an axis."""
        return self._writer.op(
            "Div", self._lengths[axis], self._writer.integers(self._network.stride)
        )

    def _length(self, axis: int) -> str:
        if self._size is not None:
            return self._writer.integers(self._size[axis])
        return self._writer.op("Shape", "image", start=1 + axis, end=2 + axis)

    def _rounded_up(self, axis: int) -> str:
        patch = self._network.patch
        if self._size is not None:
            return self._writer.integers(-(-self._size[axis] // patch))
        more = self._writer.op("Add", self._lengths[axis], self._writer.integers(patch - 1))
        return self._writer.op("Div", more, self._writer.integers(patch))


def _tiles(writer: GraphWriter, network: Cascade, about: Description, sides: _Sides) -> str:
    """(batch x patches, 3, side, side), as the encoder wants pixels."""
    turned = writer.op("Transpose", "image", perm=[0, 3, 1, 2])
    rows = writer.op("Gather", turned, sides.places(0), axis=2)
    both = writer.op("Gather", rows, sides.places(1), axis=4)
    apart = writer.op("Transpose", both, perm=[0, 2, 4, 1, 3, 5])
    shape = writer.integers(-1, 3, network.side, network.side)
    pixels = writer.op("Cast", writer.op("Reshape", apart, shape), to=TensorProto.FLOAT)
    factor, offset = (
        writer.constant(np.array(values, np.float32)[None, :, None, None])
        for values in (about.scale, about.offset)
    )
    scaled = writer.op("Mul", pixels, factor, name=f"{FED}0_scaled")
    return writer.op("Add", scaled, offset, name=f"{FED}0")


def _kept(writer: GraphWriter, network: Cascade, tiles: str, sides: _Sides) -> str:
    """Numbers of the patches that are looked at, (kept, 1)."""
    side = network.side
    model = exported(network.gate, torch.zeros(2, 3, side, side), open_axes={})
    (found,) = writer.include(model, {PICTURE: tiles}, [FOUND], GATE_NAMES)
    number = writer.op("Mul", *sides.patches)
    shape = writer.op("Concat", writer.integers(-1), number, axis=0)
    answers = writer.op("Reshape", found, shape, name=GATE)
    best = writer.op("ReduceMax", answers, axes=[1], keepdims=1)
    above = writer.op("Greater", answers, writer.constant(float(network.limit)))
    kept = writer.op("Or", above, writer.op("GreaterOrEqual", answers, best), name=KEPT)
    places = writer.op("NonZero", writer.op("Reshape", kept, writer.integers(-1)))
    return writer.op("Transpose", places, perm=[1, 0])


def _looked_at(writer: GraphWriter, network: Cascade, tiles: str, places: str) -> str:
    """Features of every patch, (batch x patches, channels, s, s): zeros where nobody looked."""
    side = network.side
    numbers = writer.op("Squeeze", places, writer.integers(1))
    chosen = writer.op("Gather", tiles, numbers, axis=0)
    module = _Inner(network)
    model = exported(module, torch.zeros(2, 3, side, side), open_axes={})
    (found,) = writer.include(without_explicit_padding(model), {PICTURE: chosen}, [FOUND], "net/")
    first = writer.op("Slice", found, *(writer.integers(n) for n in (0, 1, 1)))
    looked = writer.op("Mul", first, writer.constant(0.0))
    updates = writer.op("Concat", found, looked, axis=1)
    nothing = np.zeros((1, _CHANNELS, 1, 1), np.float32)
    nothing[0, -1] = 1
    cells = network.patch // network.stride
    number = writer.op("Shape", tiles, end=1)
    shape = writer.op("Concat", number, writer.integers(_CHANNELS, cells, cells), axis=0)
    base = writer.op("Expand", writer.constant(nothing), shape)
    return writer.op("ScatterND", base, places, updates)


def _joined(writer: GraphWriter, network: Cascade, whole: str, sides: _Sides) -> None:
    cells = network.patch // network.stride
    grid = writer.op(
        "Concat",
        writer.integers(-1),
        *sides.patches,
        writer.integers(_CHANNELS, cells, cells),
        axis=0,
    )
    apart = writer.op("Transpose", writer.op("Reshape", whole, grid), perm=[0, 3, 1, 4, 2, 5])
    lengths = [writer.op("Mul", n, writer.integers(cells)) for n in sides.patches]
    shape = writer.op("Concat", writer.integers(-1), writer.integers(_CHANNELS), *lengths, axis=0)
    together = writer.op("Reshape", apart, shape)
    ends = writer.op("Concat", sides.cells(0), sides.cells(1), axis=0)
    writer.op(
        "Slice",
        together,
        writer.integers(0, 0),
        ends,
        writer.integers(2, 3),
        name=EMBEDDING.format(0),
    )


class _Inner(nn.Module):  # type: ignore[misc]
    """The U-Net up to its head, its answer for the patches themselves."""

    def __init__(self, network: Cascade) -> None:
        super().__init__()
        self.network = network

    def forward(self, tiles: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.network.inner(self.network.unet.features(tiles))
        return found
