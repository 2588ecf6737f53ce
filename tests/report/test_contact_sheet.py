"""A contact sheet shows every cell, at one scale a row, with the defect in its middle."""

from __future__ import annotations

import numpy as np
import pytest

from keenline.report.contact_sheet import CELL, Cell, SheetRow, contact_sheet
from keenline.report.overlay import OUTLINE

PAPER = (225, 225, 222)


def cell(grey: int, at: tuple[int, int], side: int = 12, shape=(300, 500)) -> Cell:
    mask = np.zeros(shape, bool)
    mask[at[0] : at[0] + side, at[1] : at[1] + side] = True
    image = np.full((*shape, 3), grey, np.uint8)
    image[mask] = 255 - grey
    return Cell(image, {"pit": mask})


def pixels_of(sheet, colour):
    return (sheet == np.array(colour, np.uint8)).all(axis=2)


def test_a_row_for_each_original_and_a_column_for_each_cell():
    few = contact_sheet([SheetRow("a", [cell(80, (50, 60))] * 2)])
    wide = contact_sheet([SheetRow("a", [cell(80, (50, 60))] * 4)])
    tall = contact_sheet([SheetRow("a", [cell(80, (50, 60))] * 2)] * 3)
    assert wide.shape[1] - few.shape[1] >= 2 * CELL
    assert tall.shape[0] - few.shape[0] >= 2 * CELL
    assert few.shape[1] == tall.shape[1]


@pytest.mark.parametrize("at", [(0, 0), (140, 240), (288, 488)])
def test_a_defect_is_seen_and_outlined_wherever_it_lies(at):
    sheet = contact_sheet([SheetRow("a", [cell(80, at)])])
    inside = pixels_of(sheet, (175, 175, 175))
    # A window of 96 pixels on a cell of 224.
    assert inside.sum() == pytest.approx((12 * CELL / 96) ** 2, rel=0.25)
    assert pixels_of(sheet, OUTLINE).any()


def test_the_cells_of_a_row_have_one_scale():
    sheet = contact_sheet([SheetRow("a", [cell(80, (50, 60), 40), cell(60, (50, 60), 120)])])
    small, large = pixels_of(sheet, (175,) * 3).sum(), pixels_of(sheet, (195,) * 3).sum()
    assert large / small == pytest.approx(9, rel=0.2)


def test_an_image_without_marks_is_shown_whole():
    plain = Cell(np.full((100, 400, 3), 90, np.uint8), {})
    sheet = contact_sheet([SheetRow("a", [plain])], "heading")
    assert pixels_of(sheet, (90, 90, 90)).sum() == pytest.approx(CELL * CELL / 4, rel=0.01)
    assert pixels_of(sheet, PAPER).sum() == pytest.approx(CELL * CELL * 3 / 4, rel=0.01)
