"""Images beside their variants turned into one picture that a person can judge at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from keenline.report.overlay import outline_layer
from keenline.types import Image, Mask

CELL = 224
"""Side of a picture on the sheet in pixels."""
_GAP = 12
_CAPTION = 32
_TITLE = 24
_PAPER = (250, 250, 248)
_INK = (30, 30, 30)
_FAINT = (110, 110, 110)
_LEAST_WINDOW = 96
"""Pixels of the image that a cell shows at least: enough to see what surface a defect lies on."""
_ROOM = 2.0
"""Side of the window as a multiple of the larger side of the defect's box."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of a row."""

    image: Image
    masks: Mapping[str, Mask]
    """Outlined; of the image's size."""
    caption: str = ""
    """Below it; two lines have room."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """An original, which comes first, and what was made of it."""

    title: str
    cells: Sequence[Cell]


def contact_sheet(rows: Sequence[SheetRow], heading: str = "") -> Image:
    """One picture (height, width, 3): a row for each original, all its cells at one scale.

    Each cell shows the surroundings of the defect, or the whole image where nothing is marked, the
    same number of pixels across in all cells of a row; enlarged pixels stay sharp squares.
    """
    columns = max((len(row.cells) for row in rows), default=1)
    width = _GAP + columns * (CELL + _GAP)
    tall = _TITLE + CELL + _CAPTION + _GAP
    top = _GAP + (_TITLE if heading else 0)
    sheet = Pillow.new("RGB", (width, top + tall * len(rows)), _PAPER)
    pen = ImageDraw.Draw(sheet)
    if heading:
        pen.text((_GAP, _GAP), heading, fill=_INK, font=ImageFont.load_default(15))
    for place, row in enumerate(rows):
        _draw_row(sheet, pen, row, top + place * tall)
    return np.asarray(sheet)


def _draw_row(sheet: Pillow.Image, pen: ImageDraw.ImageDraw, row: SheetRow, top: int) -> None:
    side = max(_side(cell) for cell in row.cells)
    height, width = row.cells[0].image.shape[:2]
    title = f"{row.title}   {side} px of {width} x {height}"
    pen.text((_GAP, top + 4), title, fill=_INK, font=ImageFont.load_default(13))
    for column, cell in enumerate(row.cells):
        left = _GAP + column * (CELL + _GAP)
        sheet.paste(_window(cell, side), (left, top + _TITLE))
        at = (left, top + _TITLE + CELL + 2)
        pen.text(at, cell.caption, fill=_FAINT, font=ImageFont.load_default(11))


def _side(cell: Cell) -> int:
    """Pixels across that show the defect with its surroundings."""
    box = _box(cell.masks)
    longest = int(max(cell.image.shape[:2]))
    if box is None:
        return longest
    wanted = _ROOM * max(box[2] - box[0], box[3] - box[1])
    return min(longest, max(_LEAST_WINDOW, round(wanted)))


def _window(cell: Cell, side: int) -> Pillow.Image:
    """The square of `side` pixels around the defect, at the size of a cell."""
    height, width = cell.image.shape[:2]
    box = _box(cell.masks) or (0, 0, width, height)
    left = _start((box[0] + box[2]) // 2, side, width)
    upper = _start((box[1] + box[3]) // 2, side, height)
    part = (slice(upper, upper + side), slice(left, left + side))
    cut = cell.image[part]
    scale = CELL / side
    shape = max(1, round(cut.shape[0] * scale)), max(1, round(cut.shape[1] * scale))
    way = Pillow.Resampling.NEAREST if scale >= 2 else Pillow.Resampling.LANCZOS
    picture = Pillow.fromarray(cut).resize((shape[1], shape[0]), way).convert("RGBA")
    for mask in cell.masks.values():
        picture.alpha_composite(Pillow.fromarray(outline_layer(mask[part], shape)))
    whole = Pillow.new("RGB", (CELL, CELL), (225, 225, 222))
    whole.paste(picture.convert("RGB"), ((CELL - shape[1]) // 2, (CELL - shape[0]) // 2))
    return whole


def _box(masks: Mapping[str, Mask]) -> tuple[int, int, int, int] | None:
    marked = [mask for mask in masks.values() if mask.any()]
    if not marked:
        return None
    together = np.logical_or.reduce(marked)
    rows = np.flatnonzero(together.any(axis=1))
    columns = np.flatnonzero(together.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _start(centre: int, side: int, length: int) -> int:
    return max(0, min(centre - side // 2, length - side))
