"""An image file turned into an opened header: size, depth and mode, before any pixel is decoded.

Every format has its own decoder class here instead of Pillow's `Image.open`, so the size limit is
this module's own, no global of Pillow's is touched, and only the formats named below are ever
parsed.
"""

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import tifffile
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)
from PIL import Image as PillowImage

from keenline.errors import Code, ImageError

SMALLEST_SIDE = 8
"""Pixels; below this there is no texture to compare."""

LARGEST_AREA = 200_000_000
"""Pixels; a 200-megapixel RGB image already takes 600 MB when decoded."""

SUFFIXES = frozenset(
    [".bmp", ".gif", ".jpeg", ".jpg", ".jpe", ".jfif", ".png", ".tif", ".tiff", ".webp"]
)
"""Endings of the files that count as images; the content decides how they are decoded."""

_OPENERS = (
    (b"\x89PNG\r\n\x1a\n", PngImagePlugin.PngImageFile),
    (b"\xff\xd8\xff", JpegImagePlugin.JpegImageFile),
    (b"BM", BmpImagePlugin.BmpImageFile),
    (b"RIFF", WebPImagePlugin.WebPImageFile),
    (b"II*\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0*", TiffImagePlugin.TiffImageFile),
    (b"II+\0", TiffImagePlugin.TiffImageFile),
    (b"MM\0+", TiffImagePlugin.TiffImageFile),
    (b"GIF8", GifImagePlugin.GifImageFile),
)

# What Pillow and tifffile raise on a file that is not what it says it is. MemoryError is left
# out on purpose: it is about this machine, not about the file.
DECODE_ERRORS = (
    UnidentifiedImageError,
    tifffile.TiffFileError,
    PillowImage.DecompressionBombError,
    OSError,
    SyntaxError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    EOFError,
    OverflowError,
    ZeroDivisionError,
    struct.error,
    ImportError,
)

_CUT_SHORT = ("truncated", "unexpected end", "not enough", "failed to read", "got 0 bytes")
_QUIET = threading.Lock()


@dataclass(frozen=True, slots=True)
class Opened:
    """A file whose header has been read and found usable."""

    picture: PillowImage.Image
    """Not decoded yet."""
    width: int
    """Pixels, after the EXIF orientation."""
    height: int
    """Pixels, after the EXIF orientation."""
    bit_depth: int
    """Bits per channel of the container: 1, 8, 10, 12, 14 or 16."""
    channels: int
    """1 or 3; transparency is not counted."""
    orientation: int
    """EXIF orientation, 1..8; 1 when absent."""
    kind: str
    """`PNG`, `JPEG`, `BMP`, `WEBP`, `TIFF` or `GIF`."""


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Open `path`, check its header and close it again.

    Raises ImageError (1100-1107) for the header, and for whatever the decoder raises inside the
    block: a caller decodes there and needs no table of its own.
    """
    try:
        with path.open("rb") as file, _header(path, file) as picture:
            yield _checked(path, picture)
    except DECODE_ERRORS as error:
        raise _translated(path, error) from error


def is_image_name(path: Path) -> bool:
    """Whether the file's ending is one of `SUFFIXES`."""
    return path.suffix.lower() in SUFFIXES


@contextmanager
def quiet() -> Iterator[None]:
    """Keep a decoder's warnings about harmless header faults off the user's screen.

    Python's warning filters belong to the whole process, so threads take turns; hold it for
    header work, never while pixels are decoded.
    """
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _header(path: Path, file: BinaryIO) -> PillowImage.Image:
    magic = file.read(16)
    file.seek(0)
    if not magic:
        raise ImageError(
            Code.IMAGE_EMPTY,
            "The image file is empty",
            where=path,
            got="0 bytes",
            next="copy the file again from where it was recorded",
        )
    if magic[:4] == b"RIFF":
        _whole_riff(path, magic)
    for start, opener in _OPENERS:
        if magic.startswith(start):
            with quiet():
                return opener(file, str(path))
    raise ImageError(
        Code.IMAGE_UNREADABLE,
        "The file is not an image of a known format",
        where=path,
        expected="PNG, JPEG, TIFF, BMP or WebP",
        got=f"a file that begins with {magic[:8]!r}",
    )


def _whole_riff(path: Path, magic: bytes) -> None:
    """WebP's decoder says only "failed" when the end is missing; its header knows the length."""
    declared = int.from_bytes(magic[4:8], "little") + 8
    actual = path.stat().st_size
    if actual < declared:
        raise _truncated(path, f"{actual} of {declared} bytes")


def _checked(path: Path, picture: PillowImage.Image) -> Opened:
    width, height = picture.size
    if width * height > LARGEST_AREA:
        raise ImageError(
            Code.IMAGE_TOO_LARGE,
            "The image is too large to be decoded safely",
            where=path,
            expected=f"at most {LARGEST_AREA // 1_000_000} megapixels",
            got=f"{width} x {height}, {width * height / 1e6:.0f} megapixels",
            next="cut the image into parts, or check that the file is what it should be",
        )
    if min(width, height) < SMALLEST_SIDE:
        raise ImageError(
            Code.IMAGE_TOO_SMALL,
            "The image is too small to be inspected",
            where=path,
            expected=f"at least {SMALLEST_SIDE} pixels a side",
            got=f"{width} x {height}",
        )
    _single(path, picture)
    bit_depth, channels = _depth(path, picture)
    orientation = _orientation(picture)
    if orientation >= 5:
        width, height = height, width
    return Opened(picture, width, height, bit_depth, channels, orientation, picture.format or "")


def _single(path: Path, picture: PillowImage.Image) -> None:
    with quiet():
        if isinstance(picture, TiffImagePlugin.TiffImageFile):
            with tifffile.TiffFile(path) as pages:
                # Reduced copies (pyramids, thumbnails) are the same picture, not another one.
                count = sum(
                    not (getattr(page, "is_reduced", False) or getattr(page, "is_mask", False))
                    for page in pages.pages
                )
        else:
            count = int(getattr(picture, "n_frames", 1))
    if count > 1:
        raise ImageError(
            Code.IMAGE_ANIMATED,
            "The file holds more than one image",
            where=path,
            expected="one image",
            got=f"{count} frames or pages",
            next="save each frame or page as a file of its own",
        )


def _depth(path: Path, picture: PillowImage.Image) -> tuple[int, int]:
    mode = picture.mode
    if mode == "1":
        return 1, 1
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        return _tiff_depth(path, picture)
    if mode.startswith("I;16") or mode == "I":
        return 16, 1
    if mode not in {"L", "LA", "P", "PA", "RGB", "RGBA", "RGBX"}:
        raise wrong_mode(path, mode)
    # Pillow opens 16-bit colour PNG as 8-bit; only the decoder it has chosen gives that away.
    wide = isinstance(picture, PngImagePlugin.PngImageFile) and any(
        "16" in str(tile.args) for tile in picture.tile
    )
    palette_is_grey = mode == "P" and _grey_palette(picture)
    return (16 if wide else 8), (1 if mode in {"L", "LA"} or palette_is_grey else 3)


def _grey_palette(picture: PillowImage.Image) -> bool:
    colours = picture.getpalette("RGB") or []
    return colours[0::3] == colours[1::3] == colours[2::3]


def _tiff_depth(path: Path, picture: TiffImagePlugin.TiffImageFile) -> tuple[int, int]:
    tags = picture.tag_v2
    bits = tuple(tags.get(TiffImagePlugin.BITSPERSAMPLE, (1,)))
    formats = tuple(tags.get(TiffImagePlugin.SAMPLEFORMAT, (1,)))
    photometric = tags.get(TiffImagePlugin.PHOTOMETRIC_INTERPRETATION, 1)
    # 1 = unsigned; 0/1 grey, 2 RGB, 3 palette, 6 YCbCr (TIFF 6.0, sections 3 to 21)
    if set(formats) != {1} or photometric not in {0, 1, 2, 3, 6} or max(bits) > 16:
        sort = {2: "signed", 3: "float"}.get(formats[0], "unsigned")
        colours = {5: "CMYK", 8: "CIELAB"}.get(photometric, f"photometric {photometric}")
        raise wrong_mode(path, f"{max(bits)}-bit {sort}, {colours}")
    return max(bits), (3 if photometric in {2, 3, 6} else 1)


def _orientation(picture: PillowImage.Image) -> int:
    """EXIF tag 0x0112, parsed here because Pillow warns about every other fault in the block."""
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        value = picture.tag_v2.get(0x0112, 1)
        return value if value in range(1, 9) else 1
    block = bytes(picture.info.get("exif", b""))
    block = block.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 10:
        return 1
    (start,) = struct.unpack_from(f"{order}I", block, 4)
    if start + 2 > len(block):
        return 1
    (count,) = struct.unpack_from(f"{order}H", block, start)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(block) - 11), 12):
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", block, entry)
        if tag == 0x0112:
            return value if value in range(1, 9) else 1
    return 1


def wrong_mode(path: Path, got: str) -> ImageError:
    """The error of a file whose pixel values do not mean grey or RGB brightness."""
    advice = "save it as 8- or 16-bit grey or RGB"
    if "CMYK" in got:
        advice += "; converting CMYK without its colour profile would change the grey values"
    return ImageError(
        Code.IMAGE_MODE,
        "The image holds a kind of pixel that cannot be inspected",
        where=path,
        expected="1-, 8- or 16-bit unsigned grey, palette or RGB",
        got=got,
        next=advice,
    )


def _truncated(path: Path, got: str) -> ImageError:
    return ImageError(
        Code.IMAGE_TRUNCATED,
        "The image file ends too early",
        where=path,
        got=got,
        next="copy the file again; it may have been read while it was still being written",
    )


def _translated(path: Path, error: BaseException) -> ImageError:
    if isinstance(error, FileNotFoundError):
        return ImageError(Code.IMAGE_MISSING, "The image file does not exist", where=path)
    text = str(error) or type(error).__name__
    if isinstance(error, EOFError) or any(sign in text.lower() for sign in _CUT_SHORT):
        return _truncated(path, text)
    advice = None
    if isinstance(error, ImportError) or "imagecodecs" in text:
        advice = "save it without compression or with deflate, or install imagecodecs"
    return ImageError(
        Code.IMAGE_UNREADABLE, "The image cannot be read", where=path, got=text, next=advice
    )
