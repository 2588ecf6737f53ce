"""What goes wrong inside an image decoder turned into Keenline's own errors."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

from PIL import Image as PillowImage

from keenline.data.image_limits import LARGEST_AREA
from keenline.errors import Code, ImageError

# What Pillow and tifffile raise on a file that is not what it says it is. MemoryError is left
# out on purpose: it is about this machine, not about the file.
DECODE_ERRORS = (
    OSError,  # UnidentifiedImageError is one
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    ImportError,  # of a codec that tifffile would need
    struct.error,
    zlib.error,
    PillowImage.DecompressionBombError,
)

_CUT_SHORT = ("truncated", "unexpected end", "not enough", "failed to read", "got 0 bytes")


def empty_file(path: Path) -> ImageError:
    """The error of a file of zero bytes."""
    return ImageError(
        Code.IMAGE_EMPTY,
        "The image file is empty",
        where=path,
        got="0 bytes",
        next="copy the file again from where it was recorded",
    )


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


def too_large(path: Path, got: str) -> ImageError:
    """The error of a file that would fill the memory when decoded."""
    return ImageError(
        Code.IMAGE_TOO_LARGE,
        "The image is too large to be decoded safely",
        where=path,
        expected=f"at most {LARGEST_AREA // 1_000_000} megapixels",
        got=got,
        next="cut the image into parts, or check that the file is what it should be",
    )


def truncated(path: Path, got: str) -> ImageError:
    """The error of a file that lacks its end."""
    return ImageError(
        Code.IMAGE_TRUNCATED,
        "The image file ends too early",
        where=path,
        got=got,
        next="copy the file again; it may have been read while it was still being written",
    )


def translated(path: Path, error: BaseException) -> ImageError:
    """What one of `DECODE_ERRORS` means for the user."""
    if isinstance(error, FileNotFoundError):
        return ImageError(Code.IMAGE_MISSING, "The image file does not exist", where=path)
    text = str(error) or type(error).__name__
    if isinstance(error, PillowImage.DecompressionBombError):
        return too_large(path, text)
    if isinstance(error, EOFError) or any(sign in text.lower() for sign in _CUT_SHORT):
        return truncated(path, text)
    advice = None
    if isinstance(error, ImportError) or "imagecodecs" in text:
        advice = "save it without compression or with deflate, or install imagecodecs"
    return ImageError(
        Code.IMAGE_UNREADABLE, "The image cannot be read", where=path, got=text, next=advice
    )
