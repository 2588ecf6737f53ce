"""Image and mask files turned into arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from keenline.data.image_errors import wrong_mode
from keenline.data.image_file import Opened, decoded, opened
from keenline.data.mask_rules import THRESHOLD, grey_mask, marked_colours, with_alpha
from keenline.data.orientation import upright
from keenline.data.sixteen_bit import wide_pixels
from keenline.errors import Code, ImageError
from keenline.types import Image, Mask

_CAMERA_DEPTHS = (10, 12, 14, 16)
_FEW_COLOURS = 256


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a file's header says."""

    width: int
    """Pixels, after the EXIF orientation."""
    height: int
    """Pixels, after the EXIF orientation."""
    bit_depth: int
    """Bits per channel of the container; a 12-bit camera's file says 16."""
    channels: int
    """1 for grey, 3 for colour; transparency is not counted."""


def read_image(path: Path, *, bit_depth: int | None = None) -> Image:
    """Read PNG, JPEG, TIFF, BMP, WebP or a still GIF as RGB.

    The EXIF orientation is applied; transparency is dropped and colour profiles are ignored, so
    the values are those in the file. More than 8 bits are scaled so that the largest value of
    `bit_depth` bits (10, 12, 14 or 16; the container's own when None) becomes 255.

    The array may be read-only. Raises ImageError (1100-1107).
    """
    with opened(path) as source:
        if source.bit_depth > 8:
            pixels = _scaled(wide_pixels(path, source), bit_depth or source.bit_depth)
        else:
            pixels = np.asarray(_rgb(path, source))
    return upright(pixels, source.orientation)


def probe(path: Path) -> ImageFacts:
    """Size and depth from the header; no pixel is decoded. Raises ImageError (1100-1107)."""
    with opened(path) as source:
        return ImageFacts(source.width, source.height, source.bit_depth, source.channels)


def measured_bit_depth(paths: Iterable[Path]) -> int:
    """The smallest of 10, 12, 14 and 16 bits that holds every value in these files.

    Cameras put 10, 12 or 14 bits into 16-bit files without saying so. Files of 8 bits are left
    out; 16 when there is no other. Raises ImageError (1100-1107).
    """
    top = 0
    for path in paths:
        with opened(path) as source:
            if source.bit_depth > 8:
                top = max(top, int(wide_pixels(path, source).max()))
    if top == 0:
        return 16
    return next(depth for depth in _CAMERA_DEPTHS if top < 1 << depth)


def read_mask(path: Path, size: tuple[int, int]) -> Mask:
    """Read a label file: True where a pixel is defective; `size` is (width, height) in pixels.

    Bright (> 127 of 255) or coloured pixels are defective, in any mode `read_image` takes; the
    special cases are those of `keenline.data.mask_rules`. A mask without a defect is not an
    error here. Raises ImageError: MASK_SIZE when the size differs from the image's, else
    1100-1107.
    """
    with opened(path) as source:
        if (source.width, source.height) != size:
            raise ImageError(
                Code.MASK_SIZE,
                "The mask has another size than its image",
                where=path,
                expected=f"{size[0]} x {size[1]}",
                got=f"{source.width} x {source.height}",
                next="export the mask at the image's own size; it is never resized here",
            )
        mask = _marks(path, source)
    return upright(mask, source.orientation)


def _marks(path: Path, source: Opened) -> Mask:
    if source.bit_depth > 8:
        pixels = wide_pixels(path, source)
        return grey_mask(pixels if pixels.ndim == 2 else pixels.max(axis=2))
    picture = decoded(source)
    if picture.mode == "1":
        return np.array(picture)
    if picture.mode == "L":
        return grey_mask(np.asarray(picture))
    if picture.mode == "LA":
        both = np.asarray(picture)
        return with_alpha(grey_mask(both[..., 0]), both[..., 1])
    if picture.mode == "P" and "transparency" not in picture.info:
        return _indexed(picture)
    indexed = picture.mode in {"P", "PA"}
    clear = picture.mode in {"P", "PA", "RGBA"}
    marked = _coloured(_rgb(path, source), indexed=indexed)
    if not clear:
        return marked
    return with_alpha(marked, np.asarray(picture.convert("RGBA").getchannel("A")))


def _indexed(picture: PillowImage.Image) -> Mask:
    indices = np.asarray(picture)
    palette = np.zeros((256, 3), np.uint8)
    colours = np.asarray(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    palette[: len(colours)] = colours
    used = np.flatnonzero(np.bincount(indices.ravel(), minlength=256))
    table = np.zeros(256, np.bool_)
    table[used] = marked_colours(palette[used], indexed=True)
    return np.asarray(table[indices])


def _coloured(picture: PillowImage.Image, *, indexed: bool) -> Mask:
    pixels = np.asarray(picture)
    counted = picture.getcolors(_FEW_COLOURS)
    if counted is None:
        # more colours than anyone paints with: JPEG, or anti-aliased edges
        return np.asarray(pixels.max(axis=2) > THRESHOLD)
    colours = np.array([colour for _, colour in counted], np.uint8).reshape(-1, 3)
    chosen = colours[marked_colours(colours, indexed=indexed)]
    wanted = (chosen.astype(np.uint32) << (16, 8, 0)).sum(axis=1)
    wide = pixels.astype(np.uint32)
    return np.isin(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2], wanted)


def _rgb(path: Path, source: Opened) -> PillowImage.Image:
    picture = decoded(source)
    if picture.mode in {"P", "PA"} and "transparency" in picture.info:
        picture = picture.convert("RGBA")
    if picture.mode not in {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr"}:
        raise wrong_mode(path, picture.mode)
    return picture.convert("RGB")


def _scaled(pixels: NDArray[np.uint16], bit_depth: int) -> Image:
    full = (1 << bit_depth) - 1
    values = np.arange(1 << 16, dtype=np.float64)
    table = np.rint(np.minimum(values, full) * (255 / full)).astype(np.uint8)
    narrow = table[pixels]
    return narrow if narrow.ndim == 3 else np.repeat(narrow[..., None], 3, axis=2)
