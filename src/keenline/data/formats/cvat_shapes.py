"""Elements of CVAT's XML turned into annotations, and annotations into such elements.

CVAT 1.1, "XML annotation format" (docs.cvat.ai/docs/dataset_management/formats/xml_format),
looked up in 2026. Its coordinates are continuous with (0, 0) at the outer corner, as here.
"""

from __future__ import annotations

import re
from math import ceil
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from keenline.annotation import (
    Annotation,
    BoxShape,
    EllipseShape,
    MaskShape,
    Point,
    PolygonShape,
    PolylineShape,
    Shape,
)
from keenline.data.formats.values import (
    BadValue,
    as_number,
    difference,
    digits,
    number,
    ring,
    shown,
    sorted_attributes,
    whole,
)
from keenline.data.formats.writing import Unsaid
from keenline.data.labels import LabelledImage
from keenline.data.rasterise import bounds, mask_of, shape_of

SHAPES = ("box", "polygon", "polyline", "ellipse", "mask")
"""Elements that mark an area."""
NO_AREA = ("points", "cuboid", "skeleton")
"""Elements that do not, or not one in the image plane."""


def annotation_of(
    element: Element, class_name: str, annotator: str, source_id: str = ""
) -> Annotation:
    """The mark an element of SHAPES, or a `tag`, makes. Raises BadValue."""
    stated: list[tuple[str, object]] = [(name, element.get(name)) for name in _STATED]
    for child in element.findall("attribute"):
        stated.append((child.get("name", ""), child.text or ""))
    return Annotation(
        class_name,
        None if element.tag == "tag" else _shape(element),
        annotator,
        source_id=source_id,
        attributes=sorted_attributes(stated),
    )


def element_of(annotation: Annotation, shape: Shape | None) -> Element:
    """An element for `shape`, which says what the annotation's own would say; a `tag` for None.

    A polygon has one ring: the format knows no more.
    """
    if isinstance(shape, BoxShape):
        element = Element("box", _box(shape))
    elif isinstance(shape, PolygonShape):
        element = Element("polygon", {"points": _written(shape.rings[0])})
    elif isinstance(shape, PolylineShape):
        element = Element("polyline", {"points": _written(shape.points)})
    elif isinstance(shape, EllipseShape):
        element = Element("ellipse", _ellipse(shape))
    elif isinstance(shape, MaskShape):
        element = Element("mask", _mask(shape))
    else:
        element = Element("tag")
    for name, value in annotation.attributes:
        pattern = _STATED.get(name)
        if pattern is not None and name not in element.attrib and re.fullmatch(pattern, value):
            element.set(name, value)
        else:
            SubElement(element, "attribute", name=name).text = value
    return element


def sayable(image: LabelledImage, mark: Annotation, unsaid: Unsaid) -> Shape | None:
    """The mark's shape as CVAT can hold it; a polygon of several rings becomes a mask."""
    shape = mark.shape
    if isinstance(shape, PolygonShape) and len(shape.rings) != 1:
        what = "its rings are one mask of the same pixels"
        unsaid.mark(image, mark, what, is_dropped=False)
        _, _, right, lower = bounds(shape)
        return shape_of(mask_of(shape, image.size or (ceil(right), ceil(lower))))
    if isinstance(shape, PolylineShape) and shape.width != 1:
        what = f"its line has no width, not {shape.width:g} pixels"
        unsaid.mark(image, mark, what, is_dropped=False)
    return shape


def label_list(annotations: dict[str, set[str]]) -> Element:
    """The classes, each with the names of its attributes, as the head of a file lists them."""
    labels = Element("labels")
    for class_name, attributes in annotations.items():
        label = SubElement(labels, "label")
        SubElement(label, "name").text = class_name
        held = SubElement(label, "attributes")
        for name in sorted(attributes - set(_STATED)):
            attribute = SubElement(held, "attribute")
            SubElement(attribute, "name").text = name
            SubElement(attribute, "mutable").text = "True"
            SubElement(attribute, "input_type").text = "text"
    return labels


def document(root: Element) -> str:
    """The file's text; characters that XML 1.0 does not know (section 2.2) become U+FFFD."""
    indent(root)
    body: str = tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{_NOT_XML.sub(chr(0xFFFD), body)}\n'


def _shape(element: Element) -> Shape:
    held = element.attrib
    match element.tag:
        case "box":
            x, y = number(held, "xtl"), number(held, "ytl")
            width, height = difference(number(held, "xbr"), x), difference(number(held, "ybr"), y)
            return BoxShape(x, y, width, height, _angle(element))
        case "ellipse":
            radii = number(held, "rx"), number(held, "ry")
            return EllipseShape(number(held, "cx"), number(held, "cy"), *radii, _angle(element))
        case "polygon":
            return PolygonShape((ring(_points(element)),))
        case "polyline":
            return PolylineShape(_points(element))
        case _:
            return _mask_shape(element)


def _mask_shape(element: Element) -> MaskShape:
    held = element.attrib
    if "rle" not in held:
        raise BadValue("there is no rle")
    width, height = whole(held, "width"), whole(held, "height")
    try:
        runs = tuple(int(run) for run in held["rle"].split(","))
    except ValueError as error:
        raise BadValue(f"rle is {shown(held['rle'])}, not numbers with commas between") from error
    if min(runs) < 0 or sum(runs) != width * height:
        raise BadValue(f"rle covers {sum(runs)} pixels, not {width} x {height}")
    return MaskShape(whole(held, "left"), whole(held, "top"), width, height, runs)


def _points(element: Element) -> tuple[Point, ...]:
    written = element.get("points")
    if not written:
        raise BadValue("there are no points")
    pairs = [pair.split(",") for pair in written.split(";")]
    if any(len(pair) != 2 for pair in pairs):
        raise BadValue(f"points is {shown(written)}, not x,y;x,y")
    return tuple((as_number(x, "an x"), as_number(y, "a y")) for x, y in pairs)


def _angle(element: Element) -> float:
    return number(element.attrib, "rotation") if "rotation" in element.attrib else 0.0


def _box(shape: BoxShape) -> dict[str, str]:
    sides = {
        "xtl": shape.x,
        "ytl": shape.y,
        "xbr": shape.x + shape.width,
        "ybr": shape.y + shape.height,
    }
    return _in_digits(sides | _turned(shape.angle))


def _ellipse(shape: EllipseShape) -> dict[str, str]:
    sides = {"cx": shape.x, "cy": shape.y, "rx": shape.radius_x, "ry": shape.radius_y}
    return _in_digits(sides | _turned(shape.angle))


def _mask(shape: MaskShape) -> dict[str, str]:
    sides = {"left": shape.x, "top": shape.y, "width": shape.width, "height": shape.height}
    return {"rle": ", ".join(map(str, shape.runs))} | _in_digits(sides)


def _turned(angle: float) -> dict[str, float]:
    return {"rotation": angle} if angle else {}


def _in_digits(sides: dict[str, float] | dict[str, int]) -> dict[str, str]:
    return {name: digits(value) for name, value in sides.items()}


def _written(points: tuple[Point, ...]) -> str:
    return ";".join(f"{digits(x)},{digits(y)}" for x, y in points)


_STATED = {"occluded": "[01]", "source": r"[\w-]+", "group_id": r"\d+", "z_order": r"-?\d+"}
"""Attributes of the element itself, and what CVAT takes as their value."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
