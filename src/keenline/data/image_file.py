"""An image file turned into an opened header: size, depth and mode, before any pixel is decoded.

Every format has its own decoder class here instead of Pillow's `Image.open`, so the size limit is
this module's own, no global of Pillow's is touched, and only the formats named below are ever
parsed.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)
from PIL import Image as PillowImage

from keenline.data.image_errors import (
    DECODE_ERRORS,
    empty_file,
    too_large,
    translated,
    truncated,
    wrong_mode,
)
from keenline.data.image_limits import LARGEST_AREA
from keenline.data.orientation import UPRIGHT, exif_orientation
from keenline.data.tiff_pages import picture_pages
from keenline.errors import Code, ImageError

SMALLEST_SIDE = 8
"""Pixels; below this there is no texture to compare."""

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
    """How `picture` has to be turned, 1..8; 1 for TIFF, which Pillow turns by itself."""
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
        raise translated(path, error) from error


def decoded(source: Opened) -> PillowImage.Image:
    """The picture with its pixels; to be called inside `opened`."""
    if source.kind == "TIFF":
        # Pillow reads the tags again while it decodes, and warns again.
        with quiet():
            source.picture.load()
    return source.picture


def is_image_name(path: Path) -> bool:
    """Whether the file's ending is one of `SUFFIXES`."""
    return path.suffix.lower() in SUFFIXES


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the decoders' warnings about harmless faults in a file off the user's screen.

    Python's warning filters belong to the whole process, so threads take turns; hold it for
    headers and TIFF, not while anything else is decoded.
    """
    log = logging.getLogger("tifffile")
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log.disabled = True
        try:
            yield
        finally:
            log.disabled = False


def _header(path: Path, file: BinaryIO) -> PillowImage.Image:
    magic = file.read(16)
    file.seek(0)
    if not magic:
        raise empty_file(path)
    if path.stat().st_size < _declared_length(magic):
        raise truncated(path, f"{path.stat().st_size} of at least {_declared_length(magic)} bytes")
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


def _declared_length(magic: bytes) -> int:
    """The least length, in bytes, that a header promises; 0 for formats that promise none.

    Without their end, WebP and TIFF files fail in ways that do not say so.
    """
    if magic[:4] == b"RIFF":
        return int.from_bytes(magic[4:8], "little") + 8
    if magic[:2] in {b"II", b"MM"}:
        order: Literal["little", "big"] = "little" if magic[:2] == b"II" else "big"
        large = magic[2:4] in {b"+\0", b"\0+"}
        return int.from_bytes(magic[8:16] if large else magic[4:8], order)
    return 0


def _whole_tiff(path: Path, picture: TiffImagePlugin.TiffImageFile) -> None:
    """libtiff prints to the user's screen when a strip is missing; the tags know where it ends."""
    tags, size = picture.tag_v2, path.stat().st_size
    for offsets, counts in (
        (TiffImagePlugin.STRIPOFFSETS, TiffImagePlugin.STRIPBYTECOUNTS),
        (TiffImagePlugin.TILEOFFSETS, TiffImagePlugin.TILEBYTECOUNTS),
    ):
        pairs = zip(_several(tags.get(offsets)), _several(tags.get(counts)), strict=False)
        end = max((start + length for start, length in pairs), default=0)
        if end > size:
            raise truncated(path, f"{size} of {end} bytes")


def _several(value: object) -> tuple[int, ...]:
    values = value if isinstance(value, tuple) else (value,)
    return tuple(each for each in values if isinstance(each, int))


def _checked(path: Path, picture: PillowImage.Image) -> Opened:
    width, height = picture.size
    if width * height > LARGEST_AREA:
        raise too_large(path, f"{width} x {height}, {width * height / 1e6:.0f} megapixels")
    if min(width, height) < SMALLEST_SIDE:
        raise ImageError(
            Code.IMAGE_TOO_SMALL,
            "The image is too small to be inspected",
            where=path,
            expected=f"at least {SMALLEST_SIDE} pixels a side",
            got=f"{width} x {height}",
        )
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        _whole_tiff(path, picture)
    _single(path, picture)
    bit_depth, channels = _depth(path, picture)
    orientation = UPRIGHT
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        orientation = exif_orientation(bytes(picture.info.get("exif", b"")))
    if orientation >= 5:
        width, height = height, width
    return Opened(picture, width, height, bit_depth, channels, orientation, picture.format or "")


def _single(path: Path, picture: PillowImage.Image) -> None:
    with quiet():
        count = int(getattr(picture, "n_frames", 1))
        if count > 1 and isinstance(picture, TiffImagePlugin.TiffImageFile):
            count = picture_pages(path)
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
