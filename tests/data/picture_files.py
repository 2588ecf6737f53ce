"""Writes the image files the tests read: pixel arrays and header facts turned into real bytes."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def gradient(width: int = 40, height: int = 30) -> NDArray[np.uint8]:
    """A colour picture in which no two corners, and no two channels, are alike."""
    y, x = np.mgrid[:height, :width]
    channels = [x * 255 // (width - 1), y * 255 // (height - 1), (x + 2 * y) % 256]
    return np.stack(channels, axis=2).astype(np.uint8)


def save(path: Path, pixels: NDArray[np.generic], **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def blank(path: Path, grey: int = 128, size: tuple[int, int] = (20, 16)) -> Path:
    """A file of one grey level; different levels give different contents."""
    return save(path, np.full((size[1], size[0]), grey, np.uint8))


def spotted(path: Path, size: tuple[int, int] = (20, 16)) -> Path:
    """A mask with one small white square."""
    pixels = np.zeros((size[1], size[0]), np.uint8)
    pixels[4:8, 5:9] = 255
    return save(path, pixels)


def png(
    path: Path, pixels: NDArray[np.uint16], *, colour_type: int, interlace: bool = False
) -> Path:
    """A 16-bit PNG, (height, width, channels), written by hand since Pillow writes grey only."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, int(interlace))
    return _png(path, header, zlib.compress(rows))


def png_bomb(path: Path, width: int, height: int) -> Path:
    """A PNG of a few kilobytes whose header promises width x height pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return _png(path, header, zlib.compress(bytes(100_000)))


def _png(path: Path, header: bytes, data: bytes) -> Path:
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks))
    return path


def _chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
