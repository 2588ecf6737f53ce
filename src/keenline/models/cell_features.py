"""Turns an image into texture, gradient and grey statistics per cell, inside an ONNX graph.

Cells overlap: a cell weighs its block with 1/2 and the blocks beside it with 1/4 per axis, so
that with blocks of 16 px a cell covers about 32 px in steps of 16. The grid of cells covers the
image exactly; where the image is no multiple of a block, it is mirrored at its lower right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto

from keenline.models.graph_writer import GraphWriter
from keenline.models.local_binary_pattern import CODES, add_local_binary_pattern

ORIENTATIONS = 8
SCALES = (1, 2)
"""Gradients are taken of pixels as they are and averaged 2 x 2."""

LEAST_CONTRAST = 0.01
LEAST_GRADIENT = 0.003
"""Added to deviation and gradient before dividing by them: about the noise of a good camera,
2.5 and 0.75 grey levels, so that shares of nothing stay near zero."""


@dataclass(frozen=True, slots=True)
class CellGrid:
    """How an image is divided."""

    block: int = 16
    """Side of a block in pixels, a multiple of 2."""
    size: tuple[int, int] | None = None
    """Height and width of every image, None when they differ."""

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of cells."""
        return -(-height // self.block), -(-width // self.block)


def feature_names() -> list[str]:
    """What each channel of `add_cell_features` measures, in order."""
    names = ["grey mean", "grey deviation"]
    names += [f"grey {what} / deviation" for what in ("darkest", "brightest", "skew")]
    names += [f"root of lbp {code}" for code in range(CODES)]
    for scale in SCALES:
        angles = [180 * index / ORIENTATIONS for index in range(ORIENTATIONS)]
        names += [f"gradient share at {angle:g} deg /{scale}" for angle in angles]
        names += [f"gradient {what} /{scale}" for what in ("mean", "strongest")]
        names += [f"gradient {what} /{scale}" for what in ("strongest / mean", "log mean")]
    return names


def add_cell_features(writer: GraphWriter, image: str, grid: CellGrid) -> str:
    """Adds the operators; answers with (batch, features, rows, columns), float32, about 0..1.

    `image` is (batch, height, width, 3), uint8. Height and width must exceed the block.

    Orientation and darkest and brightest spots are taken relative to the cell's own contrast, so
    that neither light nor exposure moves them, at some cost where both are the same for all parts.
    Patterns are taken at half resolution only, where they see less sensor noise; taking them at
    both makes the graph take twice as long.
    """
    framed = _mirrored(writer, _grey(writer, image), grid)
    inner = writer.op(
        "Slice", framed, writer.integers(1, 1), writer.integers(-1, -1), writer.integers(2, 3)
    )
    half = writer.op("AveragePool", inner, kernel_shape=[2, 2], strides=[2, 2])
    framed_half = writer.op("Pad", half, writer.integers(0, 0, 1, 1, 0, 0, 1, 1), mode="edge")
    block, half_block = grid.block, grid.block // 2
    features = [
        *_grey_statistics(writer, inner, framed, block),
        _pattern_histogram(writer, framed_half, half_block),
        *_gradients(writer, framed, block),
        *_gradients(writer, framed_half, half_block),
    ]
    return writer.op("Concat", *features, axis=1)


def _grey(writer: GraphWriter, image: str) -> str:
    """(batch, 1, height, width), whole grey levels 0..255.

    ITU-R BT.601 luma with weights in 256ths, so that every step is exact in float32.
    """
    colour = writer.op("Cast", image, to=TensorProto.FLOAT)
    planes = writer.op("Transpose", colour, perm=[0, 3, 1, 2])
    luma = np.array([77, 150, 29], np.float32).reshape(1, 3, 1, 1) / 256
    return writer.op("Floor", writer.convolution(planes, luma, [0.5]))


def _mirrored(writer: GraphWriter, grey: str, grid: CellGrid) -> str:
    """One pixel more on every side, and at the lower right what a whole block lacks."""
    if grid.size is not None:
        missing = [-length % grid.block for length in grid.size]
        pads = writer.integers(0, 0, 1, 1, 0, 0, *(1 + pixels for pixels in missing))
        return writer.op("Pad", grey, pads, mode="reflect")
    size = writer.op("Slice", writer.op("Shape", grey), writer.integers(2), writer.integers(4))
    block = writer.integers(grid.block)
    missing_now = writer.op("Mod", writer.op("Neg", size), block)
    last = writer.op("Add", missing_now, writer.integers(1))
    pads = writer.op("Concat", writer.integers(0, 0, 1, 1, 0, 0), last, axis=0)
    return writer.op("Pad", grey, pads, mode="reflect")


def _mean(writer: GraphWriter, data: str, block: int) -> str:
    return writer.op("AveragePool", data, kernel_shape=[block, block], strides=[block, block])


def _largest(writer: GraphWriter, data: str, block: int) -> str:
    return writer.op("MaxPool", data, kernel_shape=[block, block], strides=[block, block])


def _grey_statistics(writer: GraphWriter, grey: str, framed: str, block: int) -> list[str]:
    """Mean, deviation; darkest and brightest 3 x 3 px spot and skew, relative to the deviation.

    The skew is how far the middle between darkest and brightest lies above the mean.
    """
    unit = writer.op("Mul", grey, writer.constant(1 / 255))
    mean = _mean(writer, unit, block)
    square = _mean(writer, writer.op("Mul", unit, unit), block)
    variance = writer.op("Sub", square, writer.op("Mul", mean, mean))
    # A floor of a quarter grey level keeps the root steady where the surface is flat.
    floor = writer.constant((0.25 / 255) ** 2)
    deviation = writer.op("Sqrt", writer.op("Max", variance, floor))
    spots = writer.convolution(framed, np.full((1, 1, 3, 3), 1 / (9 * 255)))
    darkest = writer.op("Neg", _largest(writer, writer.op("Neg", spots), block))
    brightest = _largest(writer, spots, block)
    down, up = writer.op("Sub", darkest, mean), writer.op("Sub", brightest, mean)
    skew = writer.op("Mul", writer.op("Add", down, up), writer.constant(0.5))
    mean, deviation, down, up, skew = (
        _overlapping(writer, blocks) for blocks in (mean, deviation, down, up, skew)
    )
    contrast = writer.op("Add", deviation, writer.constant(LEAST_CONTRAST))
    relative = [writer.op("Div", value, contrast) for value in (down, up, skew)]
    return [mean, deviation, *relative]


def _pattern_histogram(writer: GraphWriter, framed: str, block: int) -> str:
    codes = add_local_binary_pattern(writer, framed)
    bins = writer.constant(np.arange(CODES).reshape(1, CODES, 1, 1))
    hits = writer.op("Cast", writer.op("Equal", codes, bins), to=TensorProto.FLOAT)
    # The root makes plain distances those of Hellinger, which suit shares.
    return writer.op("Sqrt", _overlapping(writer, _mean(writer, hits, block), CODES))


def _gradients(writer: GraphWriter, framed: str, block: int) -> list[str]:
    """Soft histogram of orientation, as shares; strength: mean, strongest, their ratio, log."""
    sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / (8 * 255)
    slopes = writer.convolution(framed, np.stack([sobel, sobel.T])[:, None])
    squares = writer.op("Mul", slopes, slopes)
    power = writer.op("ReduceSum", squares, writer.integers(1))
    strength = writer.op("Sqrt", writer.op("Add", power, writer.constant(1e-6)))
    # (gx^2 - gy^2, 2 gx gy) is the gradient with its angle doubled: opposite directions, which
    # are one orientation, fall together, and no arc tangent is needed.
    angles = 2 * np.pi * np.arange(ORIENTATIONS) / ORIENTATIONS
    weights = np.zeros((ORIENTATIONS, 3, 1, 1))
    weights[:, 0, 0, 0], weights[:, 1, 0, 0] = np.cos(angles), -np.cos(angles)
    weights[:, 2, 0, 0] = 2 * np.sin(angles)
    axis = writer.integers(1)
    along = writer.op("Slice", slopes, writer.integers(0), writer.integers(1), axis)
    across = writer.op("Slice", slopes, writer.integers(1), writer.integers(2), axis)
    product = writer.op("Mul", along, across)
    doubled = writer.op("Div", writer.op("Concat", squares, product, axis=1), strength)
    shares = writer.op("Relu", writer.convolution(doubled, weights))
    by_angle = _overlapping(writer, _mean(writer, shares, block), ORIENTATIONS)
    mean = _overlapping(writer, _mean(writer, strength, block))
    strongest = _overlapping(writer, _largest(writer, strength, block))
    contrast = writer.op("Add", mean, writer.constant(LEAST_GRADIENT))
    return [
        writer.op("Div", by_angle, contrast),
        mean,
        strongest,
        writer.op("Div", strongest, contrast),
        writer.op("Log", contrast),
    ]


def _overlapping(writer: GraphWriter, blocks: str, channels: int = 1) -> str:
    """Averages each block with those beside it, weights 1/4, 1/2, 1/4 per axis."""
    framed = writer.op("Pad", blocks, writer.integers(0, 0, 1, 1, 0, 0, 1, 1), mode="edge")
    tent = np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25])
    return writer.convolution(framed, np.broadcast_to(tent, (channels, 1, 3, 3)), group=channels)
