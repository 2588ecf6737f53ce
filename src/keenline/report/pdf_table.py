"""A table of the page laid out on paper: columns as wide as their words, heads on each sheet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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


def tables(node: Node, wide: float) -> Iterator[Any]:
    """A `table` as flowables that fill `wide` points.

    One, unless its columns do not fit beside each other: then several, the first column in each.
    """
    head = [[*row.nodes] for part in node.all("thead") for row in part.all("tr")]
    rows = [*head, *([*row.nodes] for part in node.all("tbody") for row in part.all("tr"))]
    total = ["total" in row.classes for row in node.all("tr")]
    wishes = _wishes_of(rows)
    for columns in _groups([need for need, _ in wishes], wide):
        chosen = [[row[column] for column in columns] for row in rows]
        widths = _widths([wishes[column] for column in columns], wide)
        yield _table(chosen, widths, len(head), total, words="reasons" in node.classes)


def _table(
    rows: Sequence[Sequence[Node]],
    widths: Sequence[float],
    heads: int,
    totals: Sequence[bool],
    *,
    words: bool,
) -> Any:
    """words: cells are sentences, and begin at the left."""
    from reportlab.lib.colors import HexColor
    from reportlab.platypus import Table

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
    to_sign = any(is_to_sign(cell) for row in rows for cell in row)
    for place, (row, total) in enumerate(zip(rows, totals, strict=True)):
        if total:
            look.append(("LINEABOVE", (0, place), (-1, place), 1, line))
        cells.append(
            [
                _cell(cell, is_head=place < heads, right=column > 0 and not words, bold=total)
                for column, cell in enumerate(row)
            ]
        )
    made = Table(
        cells,
        colWidths=list(widths),
        rowHeights=[_height(row) for row in rows],
        splitByRow=0 if to_sign else 1,
        repeatRows=heads,
        splitInRow=0 if to_sign else 1,
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


def is_to_sign(cell: Node) -> bool:
    """Whether the cell is left empty, as high as a signature needs."""
    return _SIGNED.search(cell.attributes.get("style", "")) is not None


def _height(row: Sequence[Node]) -> float | None:
    """Of a row that is to be written on; None: as high as its words."""
    found = [_SIGNED.search(cell.attributes.get("style", "")) for cell in row]
    return max((0.6 * float(one[1]) for one in found if one), default=None)


def _wishes_of(rows: Sequence[Sequence[Node]]) -> list[tuple[float, float]]:
    """Of each column in points: what its longest word needs, what its longest cell would like."""
    found = [(1.0, 1.0)] * max(len(row) for row in rows)
    for row in rows:
        for column, cell in enumerate(row):
            wishes = (each + 2 * _PADDING + 1 for each in _wishes(cell))
            need, like = (max(pair) for pair in zip(found[column], wishes, strict=True))
            found[column] = need, like
    return found


def _groups(needs: Sequence[float], wide: float) -> Iterator[list[int]]:
    """Columns that fit beside the first one."""
    group: list[int] = [0]
    for column in range(1, len(needs)):
        if len(group) > 2 and sum(needs[each] for each in group) + needs[column] > wide:
            yield group
            group = [0]
        group.append(column)
    yield group


def _widths(wishes: Sequence[tuple[float, float]], wide: float) -> list[float]:
    """The needs of all columns, and what is left dealt out by what they would like."""
    needs, likes = [need for need, _ in wishes], [like for _, like in wishes]
    columns = len(wishes)
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


def _wishes(cell: Node) -> tuple[float, float]:
    if any(True for _ in cell.all("svg")):
        return _BAR, _BAR
    look = style("cell", bold=True)
    text = drawable(cell.text)
    words = [width(word, look) for word in text.split()]
    return min(max(words, default=0.0), _LONGEST), width(text, look)
