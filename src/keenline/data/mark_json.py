"""Marks turned into plain JSON values, word for word, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from keenline.annotation import (
    Annotation,
    BoxShape,
    EllipseShape,
    MaskShape,
    PolygonShape,
    PolylineShape,
    Shape,
)


def as_value(mark: Annotation) -> dict[str, Any]:
    """A mark as JSON holds it; what is empty is left out."""
    value: dict[str, Any] = {"class": mark.class_name}
    if mark.shape is not None:
        value |= _shape_value(mark.shape)
    if mark.annotator:
        value["annotator"] = mark.annotator
    if mark.time is not None:
        value["time"] = mark.time.isoformat()
    if mark.source_id:
        value["id"] = mark.source_id
    if mark.attributes:
        value["attributes"] = [list(pair) for pair in mark.attributes]
    return value


def from_value(value: Mapping[str, Any]) -> Annotation:
    """What `as_value` made of a mark; raises KeyError, TypeError or ValueError on anything else."""
    time = value.get("time")
    return Annotation(
        class_name=str(value["class"]),
        shape=_shape(value),
        annotator=str(value.get("annotator", "")),
        time=None if time is None else datetime.fromisoformat(time),
        source_id=str(value.get("id", "")),
        attributes=tuple((str(name), str(text)) for name, text in value.get("attributes", ())),
    )


def _shape_value(shape: Shape) -> dict[str, Any]:
    if isinstance(shape, BoxShape):
        return {"box": [shape.x, shape.y, shape.width, shape.height, shape.angle]}
    if isinstance(shape, PolygonShape):
        return {"polygon": [[list(point) for point in ring] for ring in shape.rings]}
    if isinstance(shape, PolylineShape):
        return {"polyline": [list(point) for point in shape.points], "width": shape.width}
    if isinstance(shape, EllipseShape):
        return {"ellipse": [shape.x, shape.y, shape.radius_x, shape.radius_y, shape.angle]}
    return {"mask": [shape.x, shape.y, shape.width, shape.height], "runs": list(shape.runs)}


def _shape(value: Mapping[str, Any]) -> Shape | None:
    if "box" in value:
        return BoxShape(*value["box"])
    if "polygon" in value:
        return PolygonShape(tuple(tuple((x, y) for x, y in ring) for ring in value["polygon"]))
    if "polyline" in value:
        return PolylineShape(tuple((x, y) for x, y in value["polyline"]), value["width"])
    if "ellipse" in value:
        return EllipseShape(*value["ellipse"])
    if "mask" in value:
        x, y, width, height = value["mask"]
        return MaskShape(x, y, width, height, tuple(value["runs"]))
    return None
