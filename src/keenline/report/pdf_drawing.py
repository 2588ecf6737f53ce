"""A chart of the page, drawn once more on paper in the colours of the page's own stylesheet."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

from keenline.report.page_tree import Node
from keenline.report.pdf_type import BOLD, PLAIN, drawable

_SIZE = 13.0  # of text, where the stylesheet says nothing else
_RULE = re.compile(r"((?:\.chart [\w.]+(?:, )?)+) \{([^}]*)\}")
_STEP = re.compile(r"([MLHVZvhz])|(-?[0-9.]+(?:e-?[0-9]+)?)")


def drawing(chart: Node, wide: float) -> Any:
    """A chart (`svg`) as a flowable that is `wide` points wide."""
    from reportlab.graphics.shapes import Drawing, Group

    _, _, width, height = map(float, chart.attributes["viewbox"].split())
    scale = wide / width
    made = Drawing(wide, height * scale)
    group = Group()
    group.scale(scale, scale)
    for part in chart.nodes:
        shape = _shape(part, height)
        if shape is not None:
            group.add(shape)
    made.add(group)
    return made


def _shape(part: Node, height: float) -> Any:
    """One element; y grows downward in a chart and upward on paper."""
    from reportlab.graphics.shapes import Circle, Line, Rect

    look = _look(part)
    number = part.number
    if part.name == "text":
        return _text(part, height, look)
    if part.name == "rect":
        y = height - number("y") - number("height")
        made = Rect(number("x"), y, number("width"), number("height"))
    elif part.name == "line":
        made = Line(number("x1"), height - number("y1"), number("x2"), height - number("y2"))
    elif part.name == "circle":
        made = Circle(number("cx"), height - number("cy"), number("r"))
    elif part.name == "path":
        made = _path(part.attributes["d"], height)
    else:
        return None
    return _painted(made, look)


def _painted(shape: Any, look: dict[str, str]) -> Any:
    from reportlab.lib.colors import HexColor

    def colour(name: str, otherwise: str) -> Any:
        said = look.get(name, otherwise)
        return None if said == "none" else HexColor(said)

    fill, stroke = colour("fill", "none"), colour("stroke", "none")
    if hasattr(shape, "fillColor"):
        shape.fillColor = fill
    shape.strokeColor = stroke
    shape.strokeWidth = float(look.get("stroke-width", 1))
    if "stroke-dasharray" in look:
        shape.strokeDashArray = [float(each) for each in look["stroke-dasharray"].split()]
    if "opacity" in look:
        shape.strokeOpacity = float(look["opacity"])
        if hasattr(shape, "fillOpacity"):
            shape.fillOpacity = float(look["opacity"])
    return shape


def _path(steps: str, height: float) -> Any:
    from reportlab.graphics.shapes import Path

    path = Path()
    words = [command or float(value) for command, value in _STEP.findall(steps)]
    x = y = 0.0
    command, place = "M", 0
    while place < len(words):
        word = words[place]
        if isinstance(word, str):
            command, place = word, place + 1
            if command in "Zz":
                path.closePath()
                continue
        given = [float(each) for each in words[place : place + (2 if command in "ML" else 1)]]
        place += len(given)
        if command in "ML":
            x, y = given
        elif command in "Hh":
            x = given[0] + (x if command == "h" else 0)
        else:
            y = given[0] + (y if command == "v" else 0)
        if command == "M":
            path.moveTo(x, height - y)
        else:
            path.lineTo(x, height - y)
    return path


def _text(part: Node, height: float, look: dict[str, str]) -> Any:
    from reportlab.graphics.shapes import Group, String
    from reportlab.lib.colors import HexColor

    anchor = part.attributes.get("text-anchor", "start")
    string = String(
        0,
        0,
        drawable(part.text),
        fontName=BOLD if look.get("font-weight") == "600" else PLAIN,
        fontSize=float(look.get("font-size", _SIZE)) * 0.92,  # Vera runs wide
        fillColor=HexColor(look.get("fill", "#000000")),
        textAnchor=anchor,
    )
    group = Group(string)
    group.translate(part.number("x"), height - part.number("y"))
    turned = re.search(r"rotate\((-?[0-9.]+)", part.attributes.get("transform", ""))
    if turned:
        group.rotate(-float(turned[1]))
    return group


def _look(part: Node) -> dict[str, str]:
    found: dict[str, str] = {}
    for selector, said in _rules():
        element, _, wanted = selector.partition(".")
        if element in ("", part.name) and (not wanted or wanted in part.classes):
            found |= said
    return found


@cache
def _rules() -> tuple[tuple[str, dict[str, str]], ...]:
    """What the stylesheet says of charts, `text`, `.tick` or `rect.good`, in its order."""
    sheet = (files("keenline.report") / "templates" / "page.css").read_text("utf-8")
    printed = sheet[sheet.index("@media print") :]
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{3,6})", printed))
    rules = []
    screen = sheet[: sheet.index("@media screen")]
    for selectors, body in _RULE.findall(screen):
        said = {
            name.strip(): _value(value.strip(), colours)
            for name, _, value in (each.partition(":") for each in body.split(";") if ":" in each)
        }
        rules += [(one.removeprefix(".chart "), said) for one in selectors.split(", ")]
    return tuple(rules)


def _value(value: str, colours: dict[str, str]) -> str:
    named = re.fullmatch(r"var\(--([a-z]+)\)", value)
    value = colours[named[1]] if named else value.removesuffix("px")
    if re.fullmatch("#[0-9a-f]{3}", value):
        return "#" + "".join(2 * digit for digit in value[1:])
    return value
