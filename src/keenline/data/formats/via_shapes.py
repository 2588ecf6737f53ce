"""VIA's `shape_attributes` turned into shapes and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

from keenline.annotation import (
    BoxShape,
    EllipseShape,
    Point,
    PolygonShape,
    PolylineShape,
    Shape,
)
from keenline.data.formats.values import BadValue, as_number, number, ring, shown

SHAPES = ("rect", "circle", "ellipse", "polygon", "polyline")

Attributes: TypeAlias = dict[str, object]


def shape_in(held: Mapping[str, object]) -> Shape:
    """The shape of a region whose `name` is one of SHAPES. Raises BadValue."""
    match held["name"]:
        case "rect":
            x, y = number(held, "x"), number(held, "y")
            return BoxShape(x, y, number(held, "width"), number(held, "height"))
        case "circle":
            radius = number(held, "r")
            return EllipseShape(number(held, "cx"), number(held, "cy"), radius, radius)
        case "ellipse":
            # VIA 2 turns by theta, in radians and clockwise, as the canvas does; VIA 1 not at all
            angle = math.degrees(number(held, "theta")) if "theta" in held else 0.0
            radii = number(held, "rx"), number(held, "ry")
            return EllipseShape(number(held, "cx"), number(held, "cy"), *radii, angle)
        case "polygon":
            return PolygonShape((ring(_points(held)),))
        case _:
            return PolylineShape(_points(held))


def attributes_of(shape: Shape) -> list[Attributes]:
    """The regions that mark an upright box, an ellipse, a polyline or each ring of a polygon."""
    if isinstance(shape, BoxShape):
        corner: Attributes = {"name": "rect", "x": shape.x, "y": shape.y}
        return [corner | {"width": shape.width, "height": shape.height}]
    if isinstance(shape, EllipseShape):
        centre: Attributes = {"name": "ellipse", "cx": shape.x, "cy": shape.y}
        if shape.radius_x == shape.radius_y:
            return [centre | {"name": "circle", "r": shape.radius_x}]
        radii = {"rx": shape.radius_x, "ry": shape.radius_y, "theta": math.radians(shape.angle)}
        return [centre | radii]
    if isinstance(shape, PolylineShape):
        return [_corners("polyline", shape.points)]
    if isinstance(shape, PolygonShape):
        return [_corners("polygon", points) for points in shape.rings]
    raise TypeError(f"{type(shape).__name__} is no shape of VIA")


def _points(held: Mapping[str, object]) -> tuple[Point, ...]:
    across, down = held.get("all_points_x"), held.get("all_points_y")
    if not isinstance(across, list) or not isinstance(down, list):
        raise BadValue(f"all_points_x is {shown(across)} and all_points_y {shown(down)}")
    if len(across) != len(down):
        raise BadValue(f"it has {len(across)} x and {len(down)} y")
    return tuple(
        (as_number(x, "an x"), as_number(y, "a y")) for x, y in zip(across, down, strict=True)
    )


def _corners(name: str, points: tuple[Point, ...]) -> Attributes:
    across, down = zip(*points, strict=True)
    return {"name": name, "all_points_x": list(across), "all_points_y": list(down)}
