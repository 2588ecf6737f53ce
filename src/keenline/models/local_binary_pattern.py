"""Turns a grey image into uniform local binary patterns, inside an ONNX graph.

Ojala, Pietikainen and Maenpaa, "Multiresolution gray-scale and rotation invariant texture
classification with local binary patterns", IEEE TPAMI 24(7), 2002: the operator LBP(riu2), P = 8,
R = 1, with neighbours on a circle, read by bilinear interpolation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keenline.models.graph_writer import GraphWriter

NEIGHBOURS = 8
CODES = NEIGHBOURS + 2
"""Codes 0..8 count the brighter neighbours of a uniform pattern, 9 is any other pattern."""

TIE = 1e-4
"""Differences down to -TIE grey levels count as equal. For whole grey levels the smallest
difference that is not zero is 4e-4 and float32 rounding stays below 5e-5, so flat surfaces give
the same code in every engine, however it orders the sums."""


def add_local_binary_pattern(writer: GraphWriter, grey: str) -> str:
    """Adds the operators; answers with the codes.

    `grey` is (batch, 1, height + 2, width + 2), float32, 0..255: one pixel of border more than
    the codes, (batch, 1, height, width), float32, whole numbers 0..9.
    """
    differences = writer.convolution(grey, _neighbour_differences())
    brighter = writer.op(
        "Cast", writer.op("GreaterOrEqual", differences, writer.constant(-TIE)), to=1
    )
    axis = writer.integers(1)
    first = writer.op("Slice", brighter, writer.integers(0), writer.integers(NEIGHBOURS - 1), axis)
    second = writer.op("Slice", brighter, writer.integers(1), writer.integers(NEIGHBOURS), axis)
    # The step from the last neighbour to the first need not be counted: around a circle the
    # number of steps is even, so "at most 2" with it and without it are the same patterns.
    steps = writer.op("ReduceSum", writer.op("Abs", writer.op("Sub", first, second)), axis)
    count = writer.op("ReduceSum", brighter, axis)
    uniform = writer.op("LessOrEqual", steps, writer.constant(2.0))
    return writer.op("Where", uniform, count, writer.constant(float(NEIGHBOURS + 1)))


def _neighbour_differences() -> NDArray[np.float32]:
    """Weights (8, 1, 3, 3): interpolated neighbour minus centre, counter-clockwise from the right.

    Coordinates are rounded to 5 decimals as scikit-image does, so that both agree on ties.
    """
    weights = np.zeros((NEIGHBOURS, 1, 3, 3))
    for index in range(NEIGHBOURS):
        angle = 2 * np.pi * index / NEIGHBOURS
        row, column = round(-np.sin(angle), 5), round(np.cos(angle), 5)
        top, left = int(np.floor(row)), int(np.floor(column))
        for y in (top, top + 1):
            for x in (left, left + 1):
                share = (1 - abs(row - y)) * (1 - abs(column - x))
                if share > 0:
                    weights[index, 0, y + 1, x + 1] += share
    weights[:, 0, 1, 1] -= 1
    return weights.astype(np.float32)
