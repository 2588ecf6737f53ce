"""An EXIF block turned into an orientation, and pixels turned upright by it."""

from __future__ import annotations

import struct
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.uint16], NDArray[np.bool_])

TAG = 0x0112
"""Orientation, in CIPA DC-008 (EXIF) and TIFF 6.0."""

UPRIGHT = 1


def exif_orientation(block: bytes) -> int:
    """The orientation, 1..8, that an EXIF block states; 1 when it states none or is damaged.

    Parsed here because Pillow warns about any other fault in the block.
    """
    block = block.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 10:
        return UPRIGHT
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    if start + 2 > len(block):
        return UPRIGHT
    (count,) = struct.unpack_from(f"{order}H", block, start)
    first = start + 2
    for entry in range(first, min(first + 12 * count, len(block) - 11), 12):
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", block, entry)
        if tag == TAG:
            return known(value)
    return UPRIGHT


def known(value: object) -> int:
    """`value` when it is one of the eight orientations, else upright."""
    return value if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn (height, width[, channels]) upright: orientations are the symmetries of the square."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
