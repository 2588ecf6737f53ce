"""One shape of each kind, and whether two shapes are the same."""

from __future__ import annotations

from random import Random

import pytest

from keenline.annotation import (
    BoxShape,
    EllipseShape,
    MaskShape,
    PolygonShape,
    PolylineShape,
    Shape,
)

SIZE = (64, 48)
"""Width and height of every image here."""
BOX = BoxShape(10, 8, 20, 12)
POLYGON = PolygonShape((((10, 8), (40, 9), (35, 30), (12, 25)),))
CROSSING = PolygonShape((((10, 10), (40, 30), (40, 10), (10, 30)),))
SHAPES: dict[str, Shape | None] = {
    "box": BOX,
    "turned box": BoxShape(10, 8, 20, 12, 30.0),
    "polygon": POLYGON,
    "rings": PolygonShape((((2, 2), (12, 2), (7, 12)), ((30, 30), (45, 30), (40, 44)))),
    "polyline": PolylineShape(((5, 5), (30, 20), (50, 8)), 1.0),
    "thick polyline": PolylineShape(((5, 5), (30, 20), (50, 8)), 5.0),
    "circle": EllipseShape(30, 24, 10, 10),
    "ellipse": EllipseShape(30, 24, 14, 7, 25.0),
    "mask": MaskShape(8, 6, 4, 3, (0, 2, 3, 4, 2, 1)),
    "whole image": None,
}
"""One of each; `FormatRig.keeps` names those that a format says exactly."""


def anywhere(kind: str, random: Random) -> Shape:
    """A box or a triangle somewhere on the image, more than two pixels large."""
    x, y = random.uniform(0, 50), random.uniform(0, 36)
    width, height = random.uniform(2.5, 64 - x), random.uniform(2.5, 48 - y)
    if kind == "box":
        return BoxShape(x, y, width, height)
    return PolygonShape((((x, y), (x + width, y), (x, y + height)),))


def same_shape(got: Shape | None, want: Shape | None, tolerance: float) -> None:
    assert type(got) is type(want)
    assert numbers(got) == pytest.approx(numbers(want), abs=tolerance)


def numbers(shape: Shape | None) -> list[float]:
    """All numbers of a shape in a row."""
    if isinstance(shape, PolygonShape):
        return [value for ring in shape.rings for point in ring for value in point]
    if isinstance(shape, PolylineShape):
        return [*(value for point in shape.points for value in point), shape.width]
    if isinstance(shape, MaskShape):
        return [shape.x, shape.y, shape.width, shape.height, *shape.runs]
    if isinstance(shape, BoxShape):
        return [shape.x, shape.y, shape.width, shape.height, shape.angle]
    if isinstance(shape, EllipseShape):
        return [shape.x, shape.y, shape.radius_x, shape.radius_y, shape.angle]
    return []
