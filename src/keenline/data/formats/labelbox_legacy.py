"""Labelbox exports of 2018 and 2019, an object of polygons for each class, turned into marks.

Polygons are lists of points ("XY") or well-known text ("WKT"). Their y counts from the lower edge
of the image: Labelbox's own converters of that time to COCO and VOC subtract it from the height,
and so did the users of its data (TACO, issue 8). Later exports list objects, with y from above.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from keenline.annotation import Annotation, Point, PolygonShape, PolylineShape, Shape
from keenline.data.formats.labelbox_objects import CLASS, QUESTION, Said
from keenline.data.formats.reading import Mark
from keenline.data.formats.values import BadValue, as_number, ring, shown, xy_points
from keenline.errors import Code


def legacy_marks(label: Mapping[str, object], said: Said, line: int) -> list[Mark]:
    """The marks of `{CLASS: polygons}`, y still as written; a plain word is a class of the image.

    Each polygon is a mark of its own.
    """
    marks = []
    for name, value in label.items():
        try:
            shapes = [*_shapes(value, said, line, name)]
        except BadValue as bad:
            said.tell(Code.LABEL_ENTRY, line, f"{name} on {said.image}: {bad}")
            continue
        for shape in shapes:
            if isinstance(shape, str):
                question = () if name == CLASS else ((QUESTION, name),)
                made = Annotation(shape, None, said.annotator, said.time, "", question)
            else:
                made = Annotation(name, shape, said.annotator, said.time)
            marks.append(Mark(made, line))
    return marks


def upright(mark: Mark, height: int) -> Mark:
    """The mark with its y counted from above, on an image of `height` pixels."""
    shape = mark.annotation.shape
    if isinstance(shape, PolygonShape):
        rings = tuple(_mirrored(points, height) for points in shape.rings)
        return Mark(replace(mark.annotation, shape=PolygonShape(rings)), mark.line)
    if isinstance(shape, PolylineShape):
        line = replace(shape, points=_mirrored(shape.points, height))
        return Mark(replace(mark.annotation, shape=line), mark.line)
    return mark


def _shapes(value: object, said: Said, line: int, name: str) -> Iterator[Shape | str]:
    if isinstance(value, str):
        if _WKT.match(value):
            yield from _well_known(value, said, line, name)
        elif value:
            yield value
        return
    if not isinstance(value, list):
        raise BadValue(f"it is {shown(value)}")
    for one in value:
        points = one.get("geometry") if isinstance(one, dict) else one
        try:
            if isinstance(points, str):
                yield from _well_known(points, said, line, name)
            elif isinstance(points, dict):
                raise BadValue("a single point marks no area")
            else:
                yield PolygonShape((ring(xy_points(points, "a polygon")),))
        except BadValue as bad:
            said.tell(Code.LABEL_ENTRY, line, f"{name} on {said.image}: {bad}")


def _well_known(written: str, said: Said, line: int, name: str) -> Iterator[Shape]:
    found = _WKT.match(written)
    if found is None:
        raise BadValue(f"{shown(written)} is no geometry")
    kind, inside = found[1].upper(), found[2].strip()
    if inside.upper() == "EMPTY":
        return
    if kind.endswith("POINT"):
        said.tell(Code.LABEL_SHAPE, line, f"{name} on {said.image}: a point marks no area")
        return
    nested = _PAIR.sub(r"[\1,\2]", inside).replace("(", "[").replace(")", "]")
    try:
        held = json.loads(nested)
        if kind == "LINESTRING":
            yield PolylineShape(_points(held))
            return
        for polygon in [held] if kind == "POLYGON" else held:
            outer, *holes = map(_points, polygon)
            if holes:
                raise BadValue(f"a polygon with {len(holes)} holes")
            yield PolygonShape((ring(outer),))
    except (ValueError, TypeError) as error:
        raise BadValue(f"{shown(written)} is no {kind}") from error


def _points(held: object) -> tuple[Point, ...]:
    if not isinstance(held, list) or not all(isinstance(one, list) for one in held):
        raise BadValue(f"{shown(held)} are no points")
    return tuple((as_number(x, "an x"), as_number(y, "a y")) for x, y in held)


def _mirrored(points: tuple[Point, ...], height: int) -> tuple[Point, ...]:
    return tuple((x, height - y) for x, y in points)


_WKT = re.compile(
    r"\s*(MULTIPOLYGON|POLYGON|LINESTRING|POINT|MULTIPOINT)\s*(EMPTY|\(.*\))\s*$",
    re.IGNORECASE | re.DOTALL,
)
_NUMBER = r"(-?\d[\d.]*(?:[eE][-+]?\d+)?)"
_PAIR = re.compile(rf"{_NUMBER}\s+{_NUMBER}")
