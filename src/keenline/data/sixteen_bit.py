"""A file with more than eight bits a channel turned into uint16 values, none of them cut off.

Pillow keeps all bits of 16-bit grey only. Of a 16-bit RGB PNG it keeps the high byte, which would
leave a 12-bit camera sixteen grey levels.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION

from keenline.data.image_file import Opened, decoded, quiet
from keenline.data.tiff_pages import MIN_IS_WHITE, page_pixels

_GREY_ALPHA = 4


def wide_pixels(path: Path, source: Opened) -> NDArray[np.uint16]:
    """All bits of `source`, (height, width) or (height, width, 3).

    To be turned by `source.orientation`, like `source.picture`.

    Raises what the decoders raise; to be called inside `opened`.
    """
    if source.kind == "TIFF":
        return _tiff(path, source)
    if source.kind == "PNG" and not source.picture.mode.startswith("I"):
        return _png(path)
    return np.asarray(source.picture).astype(np.uint16)


def _png(path: Path) -> NDArray[np.uint16]:
    data = path.read_bytes()
    if data[25] == _GREY_ALPHA:
        # Two 16-bit channels take the same bytes as four 8-bit ones, filters included, so the
        # same data under an 8-bit RGBA header decodes to (grey high, grey low, alpha, alpha).
        header = bytes([*data[16:24], 8, 6, *data[26:29]])
        checksum = struct.pack(">I", zlib.crc32(b"IHDR" + header))
        four = np.asarray(PngImageFile(io.BytesIO(data[:16] + header + checksum + data[33:])))
        return np.asarray(four[..., 0].astype(np.uint16) << 8 | four[..., 1])
    # Decoded twice: once for the high bytes, once, with the byte order swapped, for the low ones.
    high, low = PngImageFile(io.BytesIO(data)), PngImageFile(io.BytesIO(data))
    low.tile = [tile._replace(args=str(tile.args).replace("16B", "16L")) for tile in low.tile]
    both = np.asarray(high).astype(np.uint16) << 8 | np.asarray(low)
    return np.ascontiguousarray(both[..., :3])


def _tiff(path: Path, source: Opened) -> NDArray[np.uint16]:
    if source.picture.mode.startswith("I;16"):
        # libtiff, inside Pillow, knows more compressions than tifffile does on its own; but
        # where black is stored as the highest value, Pillow inverts 8-bit files only.
        tags = source.picture.tag_v2  # type: ignore[attr-defined]
        photometric = tags.get(PHOTOMETRIC_INTERPRETATION)
        grey = np.asarray(decoded(source)).astype(np.uint16)
        full = np.uint16((1 << source.bit_depth) - 1)
        return full - grey if photometric == MIN_IS_WHITE else grey
    with quiet():
        return page_pixels(path, colour=source.channels == 3, bit_depth=source.bit_depth)
