"""LabelMe: one JSON file for each image, turned into labels.

LabelMe draws the image from (0, 0) to (width, height) and keeps a point where the mouse was, so
its coordinates are continuous, as they are here. A `mask` lies on whole pixels: its two points are
the first and the last.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from io import BytesIO
from math import hypot
from pathlib import Path, PurePosixPath, PureWindowsPath
from posixpath import normpath

import numpy as np
from PIL import PngImagePlugin

from keenline.annotation import (
    Annotation,
    BoxShape,
    EllipseShape,
    Point,
    PolygonShape,
    PolylineShape,
    Shape,
)
from keenline.data.formats.label_files import (
    image_files,
    label_files,
    not_this_format,
    read_each,
    start_of,
)
from keenline.data.formats.positions import JsonObject, read_json
from keenline.data.formats.reading import LabelReading, Mark
from keenline.data.formats.values import (
    BadValue,
    as_number,
    difference,
    shown,
    sorted_attributes,
    text,
    whole,
)
from keenline.data.image_errors import DECODE_ERRORS
from keenline.data.image_limits import LARGEST_AREA
from keenline.data.labels import Labels
from keenline.data.rasterise import shape_of
from keenline.errors import Code

NAME = "labelme"
GOOD = ("good", "ok", "normal")
"""Flags of an image that say that the part is good; the first is written."""
FLAG = "flags."
"""Begins the name of an attribute that is a flag of a shape."""


def recognises(path: Path) -> bool:
    """Whether it is, or holds, a JSON file with LabelMe's list of shapes."""
    return any(map(_is_ours, label_files(path, {".json"}, _is_ours)))


def read(path: Path, images: Path | None) -> Labels:
    """Read one JSON file, or all in a folder; see `Format.read`.

    Polygons of one label and one `group_id` are parts of one mark, as LabelMe's own converters
    take them. A flag of an image that is set is a class of
    the whole image, or says that it is good. Pixels kept in the
    file (`imageData`) are not used; where the image is not there, the list says that they are.
    """
    reading = LabelReading(NAME, path, image_files(path, images))
    top = path if path.is_dir() else path.parent

    def read_one(file: Path, reading: LabelReading) -> None:
        content = read_json(file)
        if not isinstance(content, JsonObject) or not isinstance(content.get("shapes"), list):
            raise not_this_format(file, "no list of shapes")
        named = content.get("imagePath")
        name = _image_name(named if isinstance(named, str) and named else file.stem, file, top)
        has_data = isinstance(content.get("imageData"), str) and content["imageData"]
        reading.image(
            name,
            _marks(content, name, file, reading),
            line=content.line,
            file=file,
            size=_size(content),
            is_good=any(name in GOOD for name in _flags(content)),
            hint="; its pixels are in the label file: save them as that image" if has_data else "",
        )

    read_each(label_files(path, {".json"}, _is_ours), path, reading, read_one)
    return reading.labels()


def _marks(content: JsonObject, image: str, file: Path, reading: LabelReading) -> list[Mark]:
    marks: list[Mark] = []
    groups: dict[tuple[str, str], int] = {}
    for place, entry in enumerate(content["shapes"], start=1):
        title = f"shape {place} on {image}"
        line = entry.line if isinstance(entry, JsonObject) else content.line
        try:
            annotation = _annotation(entry)
        except _NoArea as reason:
            reading.problem(Code.LABEL_SHAPE, line, f"{title}: {reason}", file=file)
            continue
        except BadValue as bad:
            reading.problem(Code.LABEL_ENTRY, line, f"{title}: {bad}", file=file)
            continue
        group = dict(annotation.attributes).get("group_id", "")
        key = (annotation.class_name, group)
        if group and key in groups and isinstance(annotation.shape, PolygonShape):
            marks[groups[key]] = _joined(marks[groups[key]], annotation.shape)
            continue
        if group and isinstance(annotation.shape, PolygonShape):
            groups[key] = len(marks)
        marks.append(Mark(annotation, line))
    marks += [Mark(Annotation(name), content.line) for name in _flags(content) if name not in GOOD]
    return marks


def _flags(content: JsonObject) -> list[str]:
    """Those flags of the image that are set."""
    flags = content.get("flags")
    pairs = flags.items() if isinstance(flags, dict) else ()
    return [name for name, value in pairs if value is True]


def _joined(mark: Mark, part: PolygonShape) -> Mark:
    whole_one = mark.annotation
    assert isinstance(whole_one.shape, PolygonShape)
    rings = (*whole_one.shape.rings, *part.rings)
    annotation = Annotation(
        whole_one.class_name, PolygonShape(rings), attributes=whole_one.attributes
    )
    return Mark(annotation, mark.line)


class _NoArea(Exception):
    """A shape that marks no area; the text says which."""


def _annotation(entry: object) -> Annotation:
    """Raises BadValue, or _NoArea."""
    if not isinstance(entry, JsonObject):
        raise BadValue(f"it is {shown(entry)}")
    kind = entry.get("shape_type") or "polygon"
    make = _SHAPES.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise _NoArea(f"a shape of type {shown(kind)} marks no area that is known")
    return Annotation(text(entry.get("label")), make(entry), attributes=_attributes(entry))


def _attributes(entry: JsonObject) -> tuple[tuple[str, str], ...]:
    pairs = [
        (key, value)
        for key, value in entry.items()
        if key not in _KNOWN and value not in ("", {}, [])
    ]
    flags = entry.get("flags")
    if isinstance(flags, dict):
        pairs += [(FLAG + name, value) for name, value in flags.items()]
    return sorted_attributes(pairs)


def _points(entry: JsonObject, least: int, most: int | None = None) -> tuple[Point, ...]:
    places = entry.get("points")
    if not isinstance(places, list) or not all(
        isinstance(place, list) and len(place) == 2 for place in places
    ):
        raise BadValue(f"its points are {shown(places)}, not pairs of numbers")
    if len(places) < least or (most is not None and len(places) > most):
        raise BadValue(f"a {entry.get('shape_type')} of {len(places)} points")
    return tuple((as_number(x, "x of a point"), as_number(y, "y of a point")) for x, y in places)


def _polygon(entry: JsonObject) -> Shape:
    return PolygonShape((_points(entry, 0),))


def _rectangle(entry: JsonObject) -> Shape:
    """Two opposite corners, or all four, as X-AnyLabeling writes them."""
    points = _points(entry, 2, 4)
    across, down = {x for x, _ in points}, {y for _, y in points}
    if len(points) == 3:
        raise BadValue("a rectangle of 3 points")
    if len(points) == 4 and max(len(across), len(down)) > 2:
        return PolygonShape((points,))
    x, y = min(across), min(down)
    return BoxShape(x, y, difference(max(across), x), difference(max(down), y))


def _circle(entry: JsonObject) -> Shape:
    (x, y), (edge_x, edge_y) = _points(entry, 2, 2)
    radius = hypot(edge_x - x, edge_y - y)
    return EllipseShape(x, y, radius, radius)


def _line(entry: JsonObject) -> Shape:
    return PolylineShape(_points(entry, 1))


def _mask(entry: JsonObject) -> Shape:
    first, last = _points(entry, 2, 2)
    try:
        picture = PngImagePlugin.PngImageFile(
            BytesIO(base64.b64decode(entry.get("mask") or "", validate=True))
        )
        if picture.width * picture.height > LARGEST_AREA:
            raise BadValue(f"its mask is {picture.width} x {picture.height} pixels")
        values = np.asarray(picture.convert("L") if picture.mode != "1" else picture) != 0
    except (TypeError, binascii.Error, *DECODE_ERRORS) as error:
        raise BadValue("its mask is no PNG in base 64") from error
    x, y, right, lower = (round(value) for value in (*first, *last))
    if (right - x + 1, lower - y + 1) != (picture.width, picture.height):
        raise BadValue(
            f"its mask is {picture.width} x {picture.height} pixels, "
            f"its points are {right - x + 1} x {lower - y + 1} apart"
        )
    return shape_of(values, x, y)


_SHAPES: dict[str, Callable[[JsonObject], Shape]] = {
    "polygon": _polygon,
    "rectangle": _rectangle,
    "rotation": _polygon,  # X-AnyLabeling: four corners of a turned box
    "circle": _circle,
    "line": _line,
    "linestrip": _line,
    "mask": _mask,
}
_KNOWN = {"label", "points", "shape_type", "flags", "mask"}


def _size(content: JsonObject) -> tuple[int, int] | None:
    try:
        width, height = whole(content, "imageWidth"), whole(content, "imageHeight")
    except BadValue:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _image_name(named: str, file: Path, top: Path) -> str:
    """The image's place below the folder that is read: the file gives it from its own folder."""
    written = PureWindowsPath(named)
    if written.is_absolute() or PurePosixPath(named).is_absolute():
        return written.name
    from_top = PurePosixPath(file.parent.relative_to(top).as_posix(), written.as_posix())
    parts = PurePosixPath(normpath(from_top)).parts
    return PurePosixPath(*(part for part in parts if part != "..")).as_posix()


def _is_ours(file: Path) -> bool:
    start = start_of(file)
    other = (b'"imagePath"', b'"shape_type"', b'"version"', b'"flags"', b'"imageHeight"')
    is_object = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"
    return is_object and b'"shapes"' in start and any(key in start for key in other)
