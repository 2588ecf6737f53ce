"""The tree of a page turned into blocks for paper: headings, words, tables, charts, pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape
from typing import Any

from keenline.report.page_tree import Node
from keenline.report.pdf_drawing import drawing
from keenline.report.pdf_table import is_to_sign, tables
from keenline.report.pdf_type import MUTED, drawable, style

_FACTS = 3  # in a row
_CARDS = 4  # in a row
_TALLEST = 130.0  # picture, in points
_SIGN_ROOM = 150.0  # lines to be signed need
_CARD_ROOM = 270.0  # a section with cards needs
_ROOM = 70.0  # a heading needs below it, in points
_CHART = 430.0  # widest, in points
_CHART_ROOM = 300.0  # a section with a chart needs, so that its heading is not left alone


def blocks(tree: Node, wide: float) -> list[Any]:
    """The whole page as flowables, `wide` points wide; raises ValueError for what it cannot set."""
    body = next(tree.all("body"))
    return [block for part in body.nodes for block in _block(part, wide)]


def _block(node: Node, wide: float) -> Iterator[Any]:
    if "cards" in node.classes:
        yield _cards(node, wide)
    elif node.name in ("header", "main", "section", "div", "details", "footer"):
        yield from _inside(node, wide)
    elif node.name in ("h2", "h3", "summary"):
        yield from _heading(node)
    elif node.name in ("h1", "p"):
        yield from _paragraph(node)
    elif node.name == "table":
        yield from tables(node, wide)
    elif node.name == "dl":
        if node.nodes:
            yield _facts(node, wide)
    elif node.name == "pre":
        yield from _code(node)
    elif node.name == "figure":
        yield from _figure(node, wide)
    else:
        raise ValueError(f"a page with {node.name} cannot be set on paper")


def _inside(node: Node, wide: float) -> Iterator[Any]:
    from reportlab.platypus import CondPageBreak, HRFlowable, Spacer

    if node.name == "footer":
        yield Spacer(1, 12)
        yield HRFlowable(width="100%", thickness=0.5, color=MUTED)
    if node.name == "section":
        yield CondPageBreak(_room(node))
    for each in node.nodes:
        if node.name == "footer" and each.name == "p":
            each.attributes["class"] = "note"
        yield from _block(each, wide)


def _room(section: Node) -> float:
    """What must be left on the sheet for a section to begin there, in points."""
    if any("cards" in each.classes for each in section.all("div")):
        return _CARD_ROOM
    if any(True for _ in section.all("figure")):
        return _CHART_ROOM
    if any(is_to_sign(each) for each in section.all("td")):
        return _SIGN_ROOM
    return _ROOM


def _heading(node: Node) -> Iterator[Any]:
    from reportlab.platypus import CondPageBreak, Paragraph

    yield CondPageBreak(_ROOM)
    made = Paragraph(_set(node), style("h2" if node.name == "h2" else "h3"))
    if node.name == "h2":
        made.in_outline = drawable(node.text)
    yield made


def _paragraph(node: Node) -> Iterator[Any]:
    from reportlab.platypus import Paragraph

    if not node.text.strip():
        return
    known = [name for name in node.classes if name in ("kind", "headline", "note")]
    name = "h1" if node.name == "h1" else known[0] if known else "p"
    yield Paragraph(_set(node), style(name))


def _facts(node: Node, wide: float) -> Any:
    from reportlab.platypus import Paragraph, Table

    cells = []
    for pair in node.nodes:
        name, value = (next(pair.all(each)) for each in ("dt", "dd"))
        cells.append(
            [Paragraph(_set(name), style("fact-name")), Paragraph(_set(value), style("fact"))]
        )
    cells += [[]] * (-len(cells) % _FACTS)
    rows = [cells[at : at + _FACTS] for at in range(0, len(cells), _FACTS)]
    made = Table(rows, colWidths=[wide / _FACTS] * _FACTS, spaceAfter=4, splitInRow=1)
    made.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
        ]
    )
    return made


def _cards(node: Node, wide: float) -> Any:
    """Pictures with their words, several in a row."""
    from reportlab.platypus import Table

    room = wide / _CARDS
    cards = [list(_card(each, room - 10)) for each in node.nodes]
    cards += [[]] * (-len(cards) % _CARDS)
    rows = [cards[at : at + _CARDS] for at in range(0, len(cards), _CARDS)]
    made = Table(rows, colWidths=[room] * _CARDS)
    made.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), ("LEFTPADDING", (0, 0), (-1, -1), 0)])
    return made


def _card(node: Node, wide: float) -> Iterator[Any]:
    for each in node.nodes:
        if each.name == "div":
            yield from _card(each, wide)
        elif each.name == "img":
            yield _picture(each, wide)
        elif each.name == "h3":
            yield from list(_heading(each))[1:]  # never alone: a row of cards is not torn
        else:
            yield from _paragraph(each)


def _picture(node: Node, wide: float) -> Any:
    from reportlab.platypus import Image

    data = base64.b64decode(node.attributes["src"].partition("base64,")[2])
    made = Image(io.BytesIO(data), hAlign="LEFT")
    scale = min(wide / made.imageWidth, _TALLEST / made.imageHeight)
    made.drawWidth, made.drawHeight = scale * made.imageWidth, scale * made.imageHeight
    return made


def _code(node: Node) -> Iterator[Any]:
    """Line by line, each as far from the left as it was."""
    from reportlab.platypus import Paragraph

    for line in node.text.splitlines():
        look = style("code")
        words = line.lstrip(" ")
        look.leftIndent = 6.0 * (len(line) - len(words)) + 8
        look.firstLineIndent = -8
        yield Paragraph(escape(drawable(words)), look)


def _figure(node: Node, wide: float) -> Iterator[Any]:
    from reportlab.platypus import Spacer

    for chart in node.all("svg"):
        yield drawing(chart, min(wide, _CHART))
        yield Spacer(1, 6)


def _set(node: Node) -> str:
    return escape(drawable(" ".join(node.text.split())))
