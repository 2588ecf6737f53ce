"""The colour masks of a manifest turned into one shape for each class, and a shape into a mask."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping

import numpy as np
from PIL import Image as PillowImage

from keenline.annotation import MaskShape
from keenline.data.formats.image_files import ImageFiles
from keenline.data.formats.values import BadValue, shown
from keenline.data.rasterise import shape_of
from keenline.data.reading import read_image
from keenline.errors import Code, ImageError
from keenline.types import Mask

COLOUR = "#23A436"
"""Of the mark in a mask that is written; the first that Ground Truth gives."""

_BACKGROUND = "background"
_BLACK_AND_WHITE = (0x000000, 0xFFFFFF)


def masks_in(
    address: str,
    colours: Mapping[str, object],
    files: ImageFiles,
    size: tuple[int, int] | None,
) -> tuple[list[tuple[str, MaskShape]], list[tuple[Code, str]]]:
    """The classes and their pixels in the mask at `address`, and what could not be taken.

    `size` (width, height) is that of the image, where it is known; `colours` the job's
    `internal-color-map`. A class whose colour is not in the mask is left out without a word: the
    map lists all classes of a job. A mask that names nothing but the background need not be
    there. Raises BadValue for a map that cannot be read.
    """
    named = {_colour(about): _name(about) for about in colours.values()}
    wanted = {colour: name for colour, name in named.items() if name.lower() != _BACKGROUND}
    if not wanted:
        return [], []
    path = files.find(address)
    if path is None:
        return [], [(Code.LABEL_IMAGE, f"its mask {address} is not there")]
    try:
        pixels = read_image(path).astype(np.uint32)
    except ImageError as error:
        return [], [(Code.LABEL_IMAGE, f"its mask {address} cannot be read: {error.what}")]
    height, width = pixels.shape[:2]
    if size is not None and (width, height) != size:
        what = f"its mask {address} is {width} x {height} pixels, not {size[0]} x {size[1]}"
        return [], [(Code.LABEL_IMAGE_SIZE, what)]
    flat = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    found = [
        (name, shape_of(flat == colour))
        for colour, name in wanted.items()
        if (flat == colour).any()
    ]
    strange = ~np.isin(flat, [*named, *_BLACK_AND_WHITE])
    faults = []
    if strange.any():
        what = f"{int(strange.sum())} pixels of its mask {address} have a colour of no class"
        faults.append((Code.LABEL_CLASS, what))
    if not found:
        faults.append((Code.LABEL_NO_AREA, f"its mask {address} marks nothing"))
    return found, faults


def mask_file(mask: Mask) -> bytes:
    """A PNG with a palette: black, and `COLOUR` where `mask` (height, width) is True."""
    picture = PillowImage.fromarray(mask.astype(np.uint8))
    colour = _colour({"hex-color": COLOUR})
    picture.putpalette([0, 0, 0, colour >> 16, colour >> 8 & 255, colour & 255])
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def _colour(about: object) -> int:
    written = about.get("hex-color") if isinstance(about, Mapping) else None
    if not isinstance(written, str) or not re.fullmatch("#[0-9a-fA-F]{6}", written):
        raise BadValue(f"the colour of a class is {shown(written)}")
    return int(written[1:], 16)


def _name(about: object) -> str:
    name = about.get("class-name") if isinstance(about, Mapping) else None
    if not isinstance(name, str) or not name:
        raise BadValue(f"the name of a class is {shown(name)}")
    return name
