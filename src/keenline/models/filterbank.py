"""Turns a fixed, oriented, multi-scale filter bank into a feature graph: nothing to download.

Two layers of a scattering network (Bruna and Mallat, "Invariant scattering convolution networks",
IEEE TPAMI 35(8), 2013) with one change: energies are divided by their local mean over all
orientations, whose logarithm becomes a channel of its own. The division makes parts alike whose
light differs; where it does not, some of what distinguishes them is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from keenline.models.graph_writer import GraphWriter

ORIENTATIONS = 8
"""Of the first layer, 22.5 degrees apart."""

COARSE_ORIENTATIONS = 4
"""Of the second layer, 45 degrees apart."""

OCTAVES = 3
"""Wavelengths 5, 10 and 20 px."""

SIZE, SECOND_SIZE = 10, 8
"""Sides of the filters: even, so that with stride 2 an output sits in the middle of its pixels."""

WIDTH, WAVELENGTH, ELONGATION = 1.6, 5.0, 0.7
"""Of a Gabor filter in its own pixels: sigma across, wavelength, sigma across / sigma along."""

NEIGHBOURHOOD = 5
"""Side of the window that energies are compared in, in outputs of the first layer."""

FAINTEST = 0.01
"""Added to the energy before dividing by it: about 1 grey level of contrast, a camera's noise."""

TINY = 1e-6
"""Keeps roots smooth at zero."""

OPPONENT = ((0.299, 0.587, 0.114), (0.5, -0.5, 0.0), (0.25, 0.25, -0.5))
"""Luminance (ITU-R BT.601), red - green, yellow - blue."""


def channel_names() -> dict[str, list[str]]:
    """What each channel of each output holds, in order.

    `energy o2 45` is the share of contrast that varies along 45 degrees (0: from left to right,
    90: from top to bottom) at octave 2.
    """
    _, names = _written()
    return names


def build_filterbank() -> onnx.ModelProto:
    """The feature graph described by `DESCRIPTION`; the same bytes every time."""
    writer, names = _written()
    outputs = {
        level: ("batch", len(channels), f"{level}_height", f"{level}_width")
        for level, channels in names.items()
    }
    image = {"image": (TensorProto.FLOAT, ("batch", 3, "height", "width"))}
    return writer.model("filterbank", image, outputs)


@dataclass(slots=True)
class _Level:
    """The channels of one output while they are collected."""

    stride: int
    tensors: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)

    def add(
        self, writer: GraphWriter, tensor: str, stride: int, names: list[str], gain: float
    ) -> None:
        self.tensors.append(_pooled(writer, tensor, self.stride // stride))
        self.names += names
        self.gains += [gain] * len(names)


def _written() -> tuple[GraphWriter, dict[str, list[str]]]:
    writer = GraphWriter()
    fine, coarse = _Level(8), _Level(16)
    opponent = writer.convolution("image", np.array(OPPONENT)[:, :, None, None])
    octave = _channels(writer, opponent, 0, 1)
    for number in range(1, OCTAVES + 1):
        if number > 1:
            octave = _pooled(writer, octave, 2)
        _add_octave(writer, octave, number, fine, coarse)
    low = _pooled(writer, opponent, 8)
    colours = ["luminance", "red-green", "yellow-blue"]
    fine.add(writer, low, 8, colours, _GAINS["colour"])
    coarse.add(writer, low, 8, colours, _GAINS["colour"])
    for name, level in (("s8", fine), ("s16", coarse)):
        gains = writer.constant(np.array(level.gains)[None, :, None, None])
        writer.op("Mul", writer.op("Concat", *level.tensors, axis=1), gains, name=name)
    return writer, {"s8": fine.names, "s16": coarse.names}


def _add_octave(
    writer: GraphWriter, luminance: str, number: int, fine: _Level, coarse: _Level
) -> None:
    stride = 2**number
    pairs = writer.convolution(
        luminance,
        _gabor_pairs(SIZE, ORIENTATIONS),
        strides=[2, 2],
        pads=[SIZE // 2 - 1] * 4,
    )
    squares = writer.op("Mul", pairs, pairs)
    energy = _root(writer, writer.convolution(squares, _adding_pairs(1, ORIENTATIONS)))
    contrast, shares = _contrast_and_shares(writer, energy)
    angles = [180 * index / ORIENTATIONS for index in range(ORIENTATIONS)]
    names = [f"energy o{number} {angle:g}" for angle in angles]
    fine.add(writer, contrast, stride, [f"contrast o{number}"], _GAINS["contrast"])
    fine.add(writer, shares, stride, names, _GAINS[f"fine energy {number}"])
    coarse.add(writer, shares, stride, names, _GAINS[f"coarse energy {number}"])
    # The second layer looks at how energies vary, at twice the wavelength or more; above the
    # last octave the map would be coarser than the output.
    if number == OCTAVES:
        return
    at_four = shares if stride == 4 else _pooled(writer, shares, 4 // stride)
    second = writer.convolution(
        at_four,
        np.tile(_gabor_pairs(SECOND_SIZE, COARSE_ORIENTATIONS), (ORIENTATIONS, 1, 1, 1)),
        strides=[2, 2],
        pads=[SECOND_SIZE // 2 - 1] * 4,
        group=ORIENTATIONS,
    )
    squares = writer.op("Mul", second, second)
    variation = writer.convolution(squares, _adding_pairs(ORIENTATIONS, COARSE_ORIENTATIONS))
    along = [180 * index / COARSE_ORIENTATIONS for index in range(COARSE_ORIENTATIONS)]
    names = [f"variation o{number} {a:g} along {b:g}" for a in angles for b in along]
    root = writer.op("Sqrt", _root(writer, variation))
    coarse.add(writer, root, 8, names, _GAINS["variation"])


def _contrast_and_shares(writer: GraphWriter, energy: str) -> tuple[str, str]:
    """Logarithm of the local contrast, and the root of each orientation's share of it."""
    mean = writer.convolution(energy, np.full((1, ORIENTATIONS, 1, 1), 1 / ORIENTATIONS))
    local = writer.op(
        "AveragePool",
        mean,
        kernel_shape=[NEIGHBOURHOOD] * 2,
        strides=[1, 1],
        pads=[NEIGHBOURHOOD // 2] * 4,
        count_include_pad=0,
    )
    contrast = writer.op("Add", local, writer.constant(FAINTEST))
    shares = writer.op("Sqrt", writer.op("Div", energy, contrast))
    return writer.op("Log", contrast), shares


def _gabor_pairs(size: int, orientations: int) -> NDArray[np.float64]:
    """All even filters, then all odd ones: (2 * orientations, 1, size, size), mean 0, L1 norm 1.

    Daugman, "Uncertainty relation for resolution in space, spatial frequency, and orientation",
    JOSA A 2(7), 1985; the even filters' mean is taken out with their own envelope.
    """
    position = np.arange(size) - (size - 1) / 2
    y, x = np.meshgrid(position, position, indexing="ij")
    filters = []
    for phase in (0.0, np.pi / 2):
        for index in range(orientations):
            angle = np.pi * index / orientations
            across = x * np.cos(angle) + y * np.sin(angle)
            along = y * np.cos(angle) - x * np.sin(angle)
            envelope = np.exp(-(across**2 + (ELONGATION * along) ** 2) / (2 * WIDTH**2))
            wave = envelope * np.cos(2 * np.pi * across / WAVELENGTH - phase)
            wave -= envelope * wave.sum() / envelope.sum()
            filters.append(wave / np.abs(wave).sum())
    # Rounded, so that the weights do not depend on a processor's sine.
    return np.round(np.stack(filters)[:, None], 7)


def _adding_pairs(groups: int, orientations: int) -> NDArray[np.float64]:
    """1 x 1 weights that add even and odd squares within each group."""
    pair = np.concatenate([np.eye(orientations)] * 2, axis=1)
    return np.kron(np.eye(groups), pair)[:, :, None, None]


def _root(writer: GraphWriter, squares: str) -> str:
    return writer.op("Sqrt", writer.op("Add", squares, writer.constant(TINY)))


def _pooled(writer: GraphWriter, data: str, times: int) -> str:
    if times == 1:
        return data
    return writer.op("AveragePool", data, kernel_shape=[times] * 2, strides=[times] * 2)


def _channels(writer: GraphWriter, data: str, first: int, last: int) -> str:
    bounds = (writer.integers(bound) for bound in (first, last, 1))
    return writer.op("Slice", data, *bounds)


_GAINS: Mapping[str, float] = {
    "contrast": 0.75,
    "fine energy 1": 2.0,
    "fine energy 2": 1.2,
    "fine energy 3": 0.8,
    "coarse energy 1": 2.5,
    "coarse energy 2": 1.6,
    "coarse energy 3": 1.0,
    "variation": 4.0,
    "colour": 1.5,
}
"""Bring the standard deviation of every kind of channel to about a quarter on the development
sets (magnetic tiles, cookies, commutators), so that no kind rules the distance by its unit."""

DESCRIPTION: Mapping[str, object] = {
    "network": "Filter bank, fixed: oriented energies of two layers",
    "input": "image",
    "scale": [1 / 127.5] * 3,
    "offset": [-1.0, -1.0, -1.0],
    "multiple_of": 16,
    "levels": ["s8", "s16"],
    "licence": "Apache-2.0",
    "source": "keenline, src/keenline/models/filterbank.py",
    "outputs": {
        "s8": {"channels": 1 * OCTAVES + ORIENTATIONS * OCTAVES + 3, "stride": 8},
        "s16": {
            "channels": ORIENTATIONS * (OCTAVES + COARSE_ORIENTATIONS * (OCTAVES - 1)) + 3,
            "stride": 16,
        },
    },
}
"""In the form of a `features.toml`, which describes any feature graph."""
