"""Turns the pixels behind a Bayer colour mosaic into RGB, by bilinear interpolation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keenline.types import Image

_GREEN = 1


def demosaic(raw: NDArray[np.uint8], colours: str) -> Image:
    """`raw` (height, width), both >= 2, as (height, width, 3) RGB.

    `colours` names the upper left 2 x 2 pixels row by row: `RGGB`, `GRBG`, `GBRG` or `BGGR`. A
    missing colour is the mean of the two or four nearest pixels that have it, halves rounded up;
    beyond the edge the image is mirrored, which keeps the mosaic in step. Bilinear as in Ramanath
    et al., "Demosaicking methods for Bayer color arrays", J. Electronic Imaging 11(3), 2002.
    """
    height, width = raw.shape
    padded = np.pad(raw, 1, mode="reflect").astype(np.uint16)
    image = np.empty((height, width, 3), np.uint8)
    for place, name in enumerate(colours):
        row, column = divmod(place, 2)
        around = _Neighbours(padded, row, column, height, width)
        target = image[row::2, column::2]
        own = "RGB".index(name)
        target[..., own] = raw[row::2, column::2]
        if own == _GREEN:
            # The other pixel of this row tells which colour lies left and right.
            beside = "RGB".index(colours[2 * row + 1 - column])
            target[..., beside] = around.mean((0, -1), (0, 1))
            target[..., 2 - beside] = around.mean((-1, 0), (1, 0))
        else:
            target[..., _GREEN] = around.mean((0, -1), (0, 1), (-1, 0), (1, 0))
            target[..., 2 - own] = around.mean((-1, -1), (-1, 1), (1, -1), (1, 1))
    return image


class _Neighbours:
    """Every second pixel of every second row, seen from one place of the mosaic."""

    def __init__(
        self, padded: NDArray[np.uint16], row: int, column: int, height: int, width: int
    ) -> None:
        self._padded = padded
        self._row, self._column = row + 1, column + 1
        self._height, self._width = height + 1, width + 1

    def mean(self, *steps: tuple[int, int]) -> NDArray[np.uint16]:
        """Mean of the pixels that many rows and columns away; two or four of them."""
        total = self._at(*steps[0]) + self._at(*steps[1])
        for step in steps[2:]:
            total += self._at(*step)
        total += np.uint16(len(steps) // 2)
        return total >> np.uint16(len(steps) // 2)

    def _at(self, down: int, right: int) -> NDArray[np.uint16]:
        return self._padded[
            self._row + down : self._height + down : 2,
            self._column + right : self._width + right : 2,
        ]
