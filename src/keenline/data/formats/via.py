"""VGG Image Annotator 1.x and 2.x, JSON or CSV, turned into labels.

VIA's regions are objects with `shape_attributes` and `region_attributes`; 1.x numbers them in an
object, 2.x lists them; a project of 2.x holds them below `_via_img_metadata`. Its coordinates are
continuous with (0, 0) at the outer corner, as here (via.js 2.0.12, looked up in 2026).
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from keenline.annotation import Annotation
from keenline.data.formats.label_files import (
    image_files,
    label_files,
    not_this_format,
    read_each,
    start_of,
)
from keenline.data.formats.positions import JsonObject, read_json, read_text
from keenline.data.formats.reading import LabelReading, Mark
from keenline.data.formats.values import BadValue, shown, sorted_attributes
from keenline.data.formats.via_classes import Choice, class_in
from keenline.data.formats.via_shapes import SHAPES, shape_in
from keenline.data.labels import Labels
from keenline.errors import Code

NAME = "via"
_LOOKED_AT = 1 << 16  # a project may begin with long settings
_COLUMNS = ("region_shape_attributes", "region_attributes", "region_id", "file_attributes")


def recognises(path: Path) -> bool:
    """Whether it is, or holds, JSON or CSV with the words of VIA at its beginning."""
    return any(map(_is_ours, label_files(path, {".json", ".csv"}, _is_ours)))


def read(path: Path, images: Path | None) -> Labels:
    """Read one JSON or CSV file, or all in a folder; see `Format.read`.

    Which attribute of a region is its class, VIA does not say: it is the one with a list of
    options, or else the first that regions bear; the list tells where others could be meant. Where
    no region bears any attribute, all are of the class `defect`.
    """
    reading = LabelReading(NAME, path, image_files(path, images))
    read_each(label_files(path, {".json", ".csv"}, _is_ours), path, reading, _read_file)
    return reading.labels()


@dataclass(slots=True)
class _Region:
    line: int
    shape: object
    attributes: object


@dataclass(slots=True)
class _Image:
    """One image of a file, not yet interpreted."""

    line: int
    name: str
    attributes: Mapping[str, object]
    regions: list[_Region]


def _read_file(file: Path, reading: LabelReading) -> None:
    def tell(code: Code, line: int | None, what: str, is_dropped: bool = True) -> None:
        reading.problem(code, line, what, file=file, is_dropped=is_dropped)

    defined: Mapping[str, object] = {}
    if file.suffix.lower() == ".csv":
        found = list(_rows(file, tell))
    else:
        content = read_json(file)
        if not isinstance(content, dict):
            raise not_this_format(file, f"JSON of {shown(content)}")
        stated = content.get("_via_attributes")
        defined = stated if isinstance(stated, dict) else {}
        entries = content.get("_via_img_metadata", content)
        if not isinstance(entries, dict) or not any(map(_is_entry, entries.values())):
            raise not_this_format(file, "JSON without regions of images")
        found = list(_entries(entries, tell))
    choice = Choice.of(
        [region.attributes for image in found for region in image.regions],
        [image.attributes for image in found],
        defined,
    )
    if choice.note:
        tell(Code.LABEL_CLASS, None, choice.note, is_dropped=False)
    reading.classes(choice.classes)
    for image in found:
        marks = [mark for region in image.regions for mark in _mark(region, image, choice, tell)]
        marks += _whole_image(image, choice, tell)
        reading.image(image.name, marks, line=image.line, file=file)


def _entries(entries: Mapping[str, object], tell: Callable[..., None]) -> Iterator[_Image]:
    for key, entry in entries.items():
        if not isinstance(entry, JsonObject):
            if not key.startswith("_via"):
                tell(Code.LABEL_ENTRY, None, f"{key} is {shown(entry)}, not an image")
            continue
        if key.startswith("_via"):
            continue
        name, held = entry.get("filename"), entry.get("regions")
        if not isinstance(name, str) or not name:
            tell(Code.LABEL_ENTRY, entry.line, f"{key}: there is no filename")
            continue
        attributes = entry.get("file_attributes")
        regions = []
        for region in held.values() if isinstance(held, dict) else held or ():
            if isinstance(region, JsonObject):
                shape, more = (region.get(f"{of}_attributes") for of in ("shape", "region"))
                regions.append(_Region(region.line, shape, more))
            else:
                what = f"a region on {name} is {shown(region)}"
                tell(Code.LABEL_ENTRY, entry.line, what)
        yield _Image(entry.line, name, attributes if isinstance(attributes, dict) else {}, regions)


def _rows(file: Path, tell: Callable[..., None]) -> Iterator[_Image]:
    rows = csv.reader(read_text(file).splitlines(keepends=True))
    head = [name.strip().lstrip("#") for name in next(rows, [])]
    if not {*_COLUMNS, "filename"} <= set(head):
        raise not_this_format(file, f"CSV with the columns {', '.join(head)}")
    images: dict[str, _Image] = {}
    line = rows.line_num + 1
    for row in rows:
        if row:
            _take_row(dict(zip(head, row, strict=False)), line, images, tell)
        line = rows.line_num + 1
    yield from images.values()


def _take_row(
    row: Mapping[str, str], line: int, images: dict[str, _Image], tell: Callable[..., None]
) -> None:
    name = row.get("filename", "")
    cells: dict[str, object] = {}
    try:
        if not name:
            raise BadValue("there is no filename")
        for column in ("region_shape_attributes", "region_attributes", "file_attributes"):
            cells[column] = json.loads(row.get(column) or "null")
            if not isinstance(cells[column], dict):
                raise BadValue(f"{column} is {shown(row.get(column))}")
    except (BadValue, ValueError) as bad:
        what = str(bad) if isinstance(bad, BadValue) else f"no JSON in a cell: {bad}"
        tell(Code.LABEL_ENTRY, line, f"a row of {name}: {what}")
        return
    attributes = cells["file_attributes"]
    image = images.setdefault(
        name, _Image(line, name, attributes if isinstance(attributes, dict) else {}, [])
    )
    if cells["region_shape_attributes"]:
        shape, more = cells["region_shape_attributes"], cells["region_attributes"]
        image.regions.append(_Region(line, shape, more))


def _mark(region: _Region, image: _Image, choice: Choice, tell: Callable[..., None]) -> list[Mark]:
    held = region.attributes if isinstance(region.attributes, dict) else {}
    kind = region.shape.get("name") if isinstance(region.shape, dict) else None
    try:
        class_name = class_in(held, choice.region)
        if isinstance(kind, str) and kind == "point":
            what = f"{class_name} on {image.name}: a point marks no area"
            tell(Code.LABEL_SHAPE, region.line, what)
            return []
        if not isinstance(region.shape, dict) or kind not in SHAPES:
            raise BadValue(f"its shape is {shown(kind)}")
        shape = shape_in(region.shape)
    except BadValue as bad:
        tell(Code.LABEL_ENTRY, region.line, f"a region on {image.name}: {bad}")
        return []
    rest = sorted_attributes((name, held[name]) for name in held if name != choice.region)
    return [Mark(Annotation(class_name, shape, attributes=rest), region.line)]


def _whole_image(image: _Image, choice: Choice, tell: Callable[..., None]) -> list[Mark]:
    """What the image's own attributes say: its class, where one of them is a class."""
    rest = {
        name: value
        for name, value in image.attributes.items()
        if name != choice.file and value not in ("", None, {})
    }
    if rest and set(rest) - _DEFAULTS:
        what = f"attributes of {image.name} that are not taken: {', '.join(rest)}"
        tell(Code.LABEL_ENTRY, image.line, what)
    try:
        name = class_in(image.attributes, choice.file) if choice.file else ""
    except BadValue as bad:
        tell(Code.LABEL_ENTRY, image.line, f"{image.name}: {bad}")
        return []
    return [Mark(Annotation(name), image.line)] if name else []


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and "filename" in entry


def _is_ours(file: Path) -> bool:
    start = start_of(file, _LOOKED_AT)
    if file.suffix.lower() == ".csv":
        return b"region_shape_attributes" in start.partition(b"\n")[0]
    if file.suffix.lower() != ".json":
        return False
    is_image = b'"filename"' in start and b'"regions"' in start
    inside = b'"shape_attributes"' in start or b'"file_attributes"' in start
    return b'"_via_img_metadata"' in start or b'"_via_settings"' in start or (is_image and inside)


_DEFAULTS = {"caption", "public_domain", "image_url"}
"""Attributes that VIA 2.x gives each image by itself."""
