"""A table of the page laid out on paper: columns as wide as their words, heads on each sheet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from typing import Any

from keenline.report.page_tree import Node
from keenline.report.pdf_drawing import drawing
from keenline.report.pdf_type import LINE, drawable, style, width

_PADDING = 4.0
_BAR = 76.0  # of a bar in a cell, in points
_LONGEST = 130.0  # a word is broken from here on, in points
_UNBROKEN = 85.0  # a column this narrow is not broken where there is room, in points
_SIGNED = re.compile(r"height:([0-9]+)px")


def table(node: Node, wide: float) -> Any:
    """A `table` as a flowable that fills `wide` points."""
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Table

    heads = [row for part in node.all("thead") for row in part.all("tr")]
    rows = heads + [row for part in node.all("tbody") for row in part.all("tr")]
    words = "reasons" in node.classes
    widths = _widths(rows, wide)
    line = HexColor(LINE)
    look: list[tuple[Any, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.5, line),
        ("LINEABOVE", (0, 0), (-1, 0), 0.5, line),
        ("LEFTPADDING", (0, 0), (-1, -1), _PADDING),
        ("RIGHTPADDING", (0, 0), (-1, -1), _PADDING),
        ("TOPPADDING", (0, 0), (-1, -1), 2.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
    ]
    cells = []
    for place, row in enumerate(rows):
        total = "total" in row.classes
        if total:
            look.append(("LINEABOVE", (0, place), (-1, place), 1, line))
        cells.append(
            [
                _cell(cell, is_head=place < len(heads), right=column > 0 and not words, bold=total)
                for column, cell in enumerate(row.nodes)
            ]
        )
    made = Table(
        cells,
        colWidths=widths,
        rowHeights=[_height(row) for row in rows],
        repeatRows=len(heads),
        splitInRow=1,
        spaceBefore=2,
        spaceAfter=6,
    )
    made.setStyle(look)
    return made


def _cell(cell: Node, *, is_head: bool, right: bool, bold: bool) -> Any:
    from reportlab.platypus import Paragraph

    chart = next(cell.all("svg"), None)
    if chart is not None:
        return drawing(chart, _BAR)
    bold = bold or any(True for _ in cell.all("b"))
    look = style("head" if is_head else "cell", right=right, bold=bold)
    return Paragraph(escape(drawable(cell.text)), look)


def _height(row: Node) -> float | None:
    """Of a row that is to be written on; None: as high as its words."""
    found = [_SIGNED.search(cell.attributes.get("style", "")) for cell in row.nodes]
    return max((0.6 * float(one[1]) for one in found if one), default=None)


def _widths(rows: Sequence[Node], wide: float) -> list[float]:
    """Of each column: what its longest word needs, the rest by what its longest cell would like."""
    columns = max(len(row.nodes) for row in rows)
    needs, likes = [1.0] * columns, [1.0] * columns
    for row in rows:
        for column, cell in enumerate(row.nodes):
            need, like = _wishes(cell, bold="total" in row.classes)
            needs[column] = max(needs[column], need + 2 * _PADDING + 1)
            likes[column] = max(likes[column], like + 2 * _PADDING + 1)
    whole = [like if like < _UNBROKEN else need for need, like in zip(needs, likes, strict=True)]
    if sum(whole) <= wide:
        needs = whole
    if sum(needs) >= wide:
        return [wide * need / sum(needs) for need in needs]
    more = [like - need for need, like in zip(needs, likes, strict=True)]
    left = wide - sum(needs)
    if sum(more) <= left:
        return [like + (left - sum(more)) / columns for like in likes]
    return [need + left * each / sum(more) for need, each in zip(needs, more, strict=True)]


def _wishes(cell: Node, *, bold: bool) -> tuple[float, float]:
    if any(True for _ in cell.all("svg")):
        return _BAR, _BAR
    look = style("cell", bold=bold)
    text = drawable(cell.text)
    words = [width(word, look) for word in text.split()]
    return min(max(words, default=0.0), _LONGEST), width(text, look)
