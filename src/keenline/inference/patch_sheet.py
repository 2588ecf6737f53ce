"""Pictures of good patches, side by side in one JPEG, and one of them again."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from keenline.types import Image

PATCH_SIDE = 64
"""Side in working pixels of the picture of a patch: several cells, so that a person sees where."""

SHEET_COLUMNS = 160
"""So that the largest bank a recipe allows stays below the 65 500 px a JPEG may be high."""

_JPEG_QUALITY = 80


def patch_sheet(parts: Sequence[NDArray[np.uint8]], origins: NDArray[np.int32]) -> bytes:
    """Pictures of patches, `SHEET_COLUMNS` in a row, as one JPEG."""
    pictures: list[Image | None] = [None] * len(origins)
    for number in np.lexsort((origins[:, 1], origins[:, 0])):  # each part is read once
        part, view, turn, down, across = (int(v) for v in origins[number])
        pixels = np.rot90(parts[part][view], turn)
        y = int(down / 65536 * pixels.shape[0])
        x = int(across / 65536 * pixels.shape[1])
        pictures[number] = cut_square(pixels, x, y, PATCH_SIDE)
    return _sheet([picture for picture in pictures if picture is not None])


def joined_sheets(first: bytes, number: int, second: bytes, more: int) -> bytes:
    """One sheet of the `number` pictures of the first and the `more` pictures of the second."""
    pictures = [*_pictures(first, number), *_pictures(second, more)]
    return _sheet(pictures)


def patch_picture(sheet: bytes, number: int) -> Image:
    """One picture of a sheet, (PATCH_SIDE, PATCH_SIDE, 3)."""
    top, left = divmod(number, SHEET_COLUMNS)
    with PillowImage.open(io.BytesIO(sheet)) as picture:
        box = (left * PATCH_SIDE, top * PATCH_SIDE, (left + 1) * PATCH_SIDE, (top + 1) * PATCH_SIDE)
        return np.asarray(picture.crop(box).convert("RGB"))


def cut_square(pixels: Image, x: int, y: int, side: int) -> Image:
    """The square around a point; moved inwards at a border, repeated at the edge if too small."""
    height, width = pixels.shape[:2]
    left = min(max(0, x - side // 2), max(0, width - side))
    top = min(max(0, y - side // 2), max(0, height - side))
    square = pixels[top : top + side, left : left + side]
    missing = ((0, side - square.shape[0]), (0, side - square.shape[1]), (0, 0))
    return np.pad(square, missing, mode="edge")


def _sheet(pictures: Sequence[Image]) -> bytes:
    rows = max(1, -(-len(pictures) // SHEET_COLUMNS))
    sheet = np.zeros((rows * PATCH_SIDE, SHEET_COLUMNS * PATCH_SIDE, 3), np.uint8)
    for number, picture in enumerate(pictures):
        top, left = (PATCH_SIDE * place for place in divmod(number, SHEET_COLUMNS))
        sheet[top : top + PATCH_SIDE, left : left + PATCH_SIDE] = picture
    out = io.BytesIO()
    PillowImage.fromarray(sheet).save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()


def _pictures(sheet: bytes, number: int) -> list[Image]:
    with PillowImage.open(io.BytesIO(sheet)) as picture:
        whole = np.asarray(picture.convert("RGB"))
    return [
        whole[top : top + PATCH_SIDE, left : left + PATCH_SIDE]
        for top, left in (
            (PATCH_SIDE * row, PATCH_SIDE * column)
            for row, column in (divmod(place, SHEET_COLUMNS) for place in range(number))
        )
    ]
