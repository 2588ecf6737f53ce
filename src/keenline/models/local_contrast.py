"""A picture turned, inside a graph, into how each pixel differs from its surroundings.

Local contrast normalisation (Jarrett et al. 2009, section 3.1, with a square window): the mean of
the surroundings is taken off, and what is left is divided by its deviation there. A factor and an
offset of the light that change slowly across the part both drop out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keenline.models.graph_writer import GraphWriter
from keenline.types import Mask

MIDDLE, GAIN = 128.0, 32.0
"""What a pixel like its surroundings becomes, and how many levels one deviation is: four of them
reach the end of the scale on either side."""

_FINE = 8
"""Cells across a window, at least: what it is made of need not be finer."""

_NOTHING = 1e-3
"""Share of a window below which nothing of it is inspected."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Which neighbourhood counts, in pixels of a view."""

    window: int = 48
    """Side of the square."""
    floor: float = 8.0
    """Grey levels of deviation up to which a surface counts as plain."""
    multiple: int = 1
    """Of what the sides of a view are multiples."""

    @property
    def cell(self) -> int:
        """Side of the squares that are averaged first: a power of two that divides every view."""
        side = 1
        while 2 * side * _FINE <= self.window and self.multiple % (2 * side) == 0:
            side *= 2
        return side

    @property
    def cells(self) -> int:
        """Across a window; odd, so that it has a middle."""
        return max(3, self.window // self.cell // 2 * 2 + 1)


def freed_of_surroundings(
    writer: GraphWriter,
    picture: str,
    around: Surroundings,
    size: tuple[int, int] | None,
    roi: Mask | None,
) -> str:
    """(batch, height, width, channels), levels 0..255 in float32, and the same of the result.

    Each channel loses its own mean, and all are divided by one deviation, so that colours that
    stand out go on standing out. size: height and width, None when they differ. roi: pixels whose
    values count for their neighbours, (height, width); None: all.
    """
    planes = writer.op("Transpose", picture, perm=[0, 3, 1, 2])
    inside = None if roi is None else writer.constant(roi.astype(np.float32)[None, None])
    mean = _Mean(writer, around, size, inside)
    rest = writer.op("Sub", planes, mean.of(planes))
    # Not the mean of squares less the square of the mean: of two large numbers nothing is left.
    squares = writer.op("ReduceMean", writer.op("Mul", rest, rest), axes=[1], keepdims=1)
    least = writer.constant(around.floor**2)
    deviation = writer.op("Sqrt", writer.op("Add", mean.of(squares), least))
    contrast = writer.op("Mul", writer.op("Div", rest, deviation), writer.constant(GAIN))
    levels = writer.op("Round", writer.op("Add", contrast, writer.constant(MIDDLE)))
    kept = writer.op("Clip", levels, writer.constant(0.0), writer.constant(255.0))
    return writer.op("Transpose", kept, perm=[0, 2, 3, 1])


class _Mean:
    """Of each pixel the mean of its surroundings, (batch, channels, height, width).

    Averaged to cells, averaged over a window of cells, and brought back to pixels by straight
    lines: all linear, so of pictures of one size four products of small matrices, which take a
    fifth of the time of the operators that are named after it.
    """

    def __init__(
        self,
        writer: GraphWriter,
        around: Surroundings,
        size: tuple[int, int] | None,
        inside: str | None,
    ) -> None:
        self._writer, self._around, self._inside = writer, around, inside
        self._products = None if size is None else [_products(side, around) for side in size]

    def of(self, planes: str) -> str:
        writer = self._writer
        if self._inside is None:
            return self._enlarged(self._window(planes))
        total = self._window(writer.op("Mul", planes, self._inside))
        share = writer.op("Max", self._window(self._inside), writer.constant(_NOTHING))
        return self._enlarged(writer.op("Div", total, share))

    def _window(self, planes: str) -> str:
        writer = self._writer
        if self._products is not None:
            (down, _), (across, _) = self._products
            rows = writer.op("MatMul", writer.constant(down), planes)
            return writer.op("MatMul", rows, writer.constant(across.T))
        cell, cells = self._around.cell, self._around.cells
        if cell > 1:
            planes = writer.op(
                "AveragePool", planes, kernel_shape=[cell, cell], strides=[cell, cell]
            )
        for shape in ([cells, 1], [1, cells]):
            pads = [side // 2 for side in shape] * 2
            planes = writer.op(
                "AveragePool", planes, kernel_shape=shape, pads=pads, strides=[1, 1],
                count_include_pad=0,
            )  # fmt: skip
        return planes

    def _enlarged(self, cells: str) -> str:
        writer, factor = self._writer, self._around.cell
        if self._products is not None:
            (_, up), (_, along) = self._products
            rows = writer.op("MatMul", writer.constant(up), cells)
            return writer.op("MatMul", rows, writer.constant(along.T))
        if factor == 1:
            return cells
        scales = writer.constant([1.0, 1.0, factor, factor])
        return writer.op(
            "Resize", cells, "", scales, mode="linear", coordinate_transformation_mode="half_pixel"
        )


def _products(length: int, around: Surroundings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pixels of a side to means of the windows around its cells, and those to pixels."""
    cell, reach = around.cell, around.cells // 2
    places = np.arange(length // cell)
    near = np.abs(places[:, None] - places) <= reach
    down = np.repeat(near / near.sum(axis=1, keepdims=True) / cell, cell, axis=1)
    at = np.clip((np.arange(length) + 0.5) / cell - 0.5, 0, len(places) - 1)
    up = np.maximum(0, 1 - np.abs(at[:, None] - places))
    return down.astype(np.float32), up.astype(np.float32)
