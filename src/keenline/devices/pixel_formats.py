"""Turns the bytes of one GenICam image into (height, width, 3) uint8 RGB, by its PFNC pixel format.

Codes and layouts: EMVA/A3 "GenICam Pixel Format Naming Convention" 2.4 (PFNC values, retrieved
November 2026). Formats of more than 8 bits keep their 8 most significant bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keenline.devices.mosaic import demosaic
from keenline.types import Image

Packing: TypeAlias = Literal["bytes", "lsb", "gige"]
"""`bytes`: each value in whole bytes, little endian; `lsb`: 10p and 12p, values follow each other
bit by bit from the least significant one; `gige`: 10Packed and 12Packed of GigE Vision, two values
in three bytes, the middle one holding both low parts."""


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """What the bytes of an image mean."""

    name: str
    bits: int
    """Of one value: 8 to 16."""
    channels: tuple[int, ...] = ()
    """Where red, green and blue lie in a pixel; () for one value a pixel."""
    step: int = 1
    """Values in a pixel."""
    mosaic: str = ""
    """Colours of the upper left 2 x 2 pixels, row by row, such as `RGGB`; "" without a mosaic."""
    packing: Packing = "bytes"


def known(code: int) -> bool:
    """Whether images of this PFNC code can be turned into RGB."""
    return code in FORMATS


def to_rgb(
    data: memoryview | bytes | NDArray[np.uint8],
    code: int,
    width: int,
    height: int,
    padding: int = 0,
) -> Image:
    """The image that `data` holds, in memory of its own.

    `padding` is the number of unused bytes behind each row. Raises KeyError for a `code` that is
    not `known`, ValueError when there are fewer bytes than the size needs.
    """
    layout = FORMATS[code]
    values = _values(np.frombuffer(data, np.uint8), layout, width, height, padding)
    if layout.mosaic:
        return demosaic(values[..., 0], layout.mosaic)
    image = np.empty((height, width, 3), np.uint8)
    for place, channel in enumerate(layout.channels or (0, 0, 0)):
        image[..., place] = values[..., channel]
    return image


def _values(
    data: NDArray[np.uint8], layout: PixelFormat, width: int, height: int, padding: int
) -> NDArray[np.uint8]:
    """Rows of pixels of values, 8 bits each: (height, width, step); may share memory with data."""
    count = width * layout.step
    size = _row_size(layout, count)
    # A packed image without padding may run on from row to row in the middle of a byte.
    is_one_run = layout.packing != "bytes" and not padding
    needed = (
        _row_size(layout, count * height) if is_one_run else (size + padding) * height - padding
    )
    if data.size < needed:
        raise ValueError(f"{data.size} bytes, {width} x {height} {layout.name} needs {needed}")
    if is_one_run:
        flat = _unpacked(data[:needed][None], layout)[:, : count * height]
        return flat.reshape(height, width, layout.step)
    rows = np.lib.stride_tricks.as_strided(
        data, shape=(height, size), strides=(size + padding, 1), writeable=False
    )
    return _unpacked(rows, layout)[:, :count].reshape(height, width, layout.step)


def _row_size(layout: PixelFormat, count: int) -> int:
    """Bytes that `count` values take."""
    if layout.packing == "bytes":
        return count * (1 if layout.bits == 8 else 2)
    if layout.packing == "gige":
        return (count * 3 + 1) // 2
    return (count * layout.bits + 7) // 8


def _unpacked(rows: NDArray[np.uint8], layout: PixelFormat) -> NDArray[np.uint8]:
    """The 8 most significant bits of each value."""
    if layout.packing == "gige":
        return _pairs(rows, (0, 2))  # the two outer bytes of three are the high parts
    if layout.packing == "lsb":
        return _run(rows, layout.bits)
    if layout.bits == 8:
        return rows
    wide = np.ascontiguousarray(rows).view("<u2")
    return (wide >> (layout.bits - 8)).astype(np.uint8)


def _pairs(rows: NDArray[np.uint8], places: tuple[int, int]) -> NDArray[np.uint8]:
    height, size = rows.shape
    whole = np.zeros((height, -(-size // 3) * 3), np.uint8)
    whole[:, :size] = rows
    # An odd count ends with two bytes: the high part, then the low one.
    return whole.reshape(height, -1, 3)[:, :, list(places)].reshape(height, -1)


def _run(rows: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """10p: four values in five bytes; 12p: two in three; least significant bits first."""
    group_bytes, group_values = (5, 4) if bits == 10 else (3, 2)
    height, size = rows.shape
    groups = -(-size // group_bytes)
    whole = np.zeros((height, groups, group_bytes), np.uint8)
    whole.reshape(height, -1)[:, :size] = rows
    high = np.empty((height, groups, group_values), np.uint8)
    for value in range(group_values):
        byte, bit = divmod(value * bits + bits - 8, 8)
        high[..., value] = whole[..., byte] >> bit
        if bit:
            high[..., value] |= whole[..., byte + 1] << (8 - bit)
    return high.reshape(height, -1)


_RGB, _BGR = (0, 1, 2), (2, 1, 0)
_MOSAICS = {"GR": "GRBG", "RG": "RGGB", "GB": "GBRG", "BG": "BGGR"}

FORMATS: dict[int, PixelFormat] = {
    0x01080001: PixelFormat("Mono8", 8),
    0x01100003: PixelFormat("Mono10", 10),
    0x010C0004: PixelFormat("Mono10Packed", 10, packing="gige"),
    0x01100005: PixelFormat("Mono12", 12),
    0x010C0006: PixelFormat("Mono12Packed", 12, packing="gige"),
    0x01100007: PixelFormat("Mono16", 16),
    0x01100025: PixelFormat("Mono14", 14),
    0x010A0046: PixelFormat("Mono10p", 10, packing="lsb"),
    0x010C0047: PixelFormat("Mono12p", 12, packing="lsb"),
    0x02180014: PixelFormat("RGB8", 8, _RGB, 3),
    0x02180015: PixelFormat("BGR8", 8, _BGR, 3),
    0x02200016: PixelFormat("RGBa8", 8, _RGB, 4),
    0x02200017: PixelFormat("BGRa8", 8, _BGR, 4),
    0x02300018: PixelFormat("RGB10", 10, _RGB, 3),
    0x0230001A: PixelFormat("RGB12", 12, _RGB, 3),
    0x02300033: PixelFormat("RGB16", 16, _RGB, 3),
}
_BAYER: tuple[tuple[int, str, int, Packing], ...] = (
    (0x01080008, "8", 8, "bytes"),
    (0x0110000C, "10", 10, "bytes"),
    (0x01100010, "12", 12, "bytes"),
    (0x0110002E, "16", 16, "bytes"),
    (0x010C0026, "10Packed", 10, "gige"),
    (0x010C002A, "12Packed", 12, "gige"),
)
for _first, _suffix, _bits, _packing in _BAYER:
    for _place, (_short, _colours) in enumerate(_MOSAICS.items()):
        FORMATS[_first + _place] = PixelFormat(
            f"Bayer{_short}{_suffix}", _bits, mosaic=_colours, packing=_packing
        )
for _place, _short in enumerate(("BG", "GB", "GR", "RG")):
    for _step, _bits in enumerate((10, 12)):
        FORMATS[0x01000052 + 2 * _place + _step + (_bits << 16)] = PixelFormat(
            f"Bayer{_short}{_bits}p", _bits, mosaic=_MOSAICS[_short], packing="lsb"
        )
