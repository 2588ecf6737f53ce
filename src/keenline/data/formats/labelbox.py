"""Labelbox, all of its JSON exports and NDJSON, turned into labels.

There are rows of a label ("Labeled Data", legacy and v1), of a data row with all its labels
("data_row", NDJSON exports), and of a single annotation ("dataRow", NDJSON imports).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from keenline.data.formats.image_files import ImageFiles
from keenline.data.formats.label_files import (
    image_files,
    label_files,
    not_this_format,
    read_each,
    start_of,
)
from keenline.data.formats.labelbox_legacy import legacy_marks, upright
from keenline.data.formats.labelbox_objects import (
    Said,
    classification_marks,
    marks_of,
    object_marks,
)
from keenline.data.formats.positions import JsonObject, parse_json, read_text
from keenline.data.formats.reading import LabelReading, Mark
from keenline.data.formats.values import BadValue, shown, text, time_of, whole
from keenline.data.labels import Labels
from keenline.data.reading import probe
from keenline.errors import Code, ImageError, LabelError

NAME = "labelbox"
SUFFIXES = {".json", ".ndjson", ".jsonl"}
SPLIT = "split"
"""The metadata field in which an NDJSON export holds the split."""


def recognises(path: Path) -> bool:
    """Whether it is, or holds, JSON with the keys of Labelbox at its beginning."""
    return any(map(_is_ours, label_files(path, SUFFIXES, _is_ours)))


def read(path: Path, images: Path | None) -> Labels:
    """Read one JSON or NDJSON file, or all in a folder; see `Format.read`.

    An image is named by its external id, its global key or its address, whichever is there; rows
    of several people on one image are put together. Chosen answers about a whole image are its
    classes, answers about an object its attributes.
    """
    files = image_files(path, images)
    folder = path if path.is_dir() else path.parent
    masks = files if images is None else ImageFiles(folder, images)
    reading = LabelReading(NAME, path, files)
    chosen = label_files(path, SUFFIXES, _is_ours)
    read_each(chosen, path, reading, lambda file, _: _File(file, reading, files, masks).read())
    return reading.labels()


@dataclass(slots=True)
class _Picture:
    """One image while the rows about it are gathered."""

    name: str
    line: int
    size: tuple[int, int] | None = None
    split: str = ""
    marks: list[Mark] = field(default_factory=list)
    mirrored: list[Mark] = field(default_factory=list)
    """Marks whose y counts from the lower edge."""


class _File:
    """One file while it is read."""

    def __init__(
        self, file: Path, reading: LabelReading, files: ImageFiles, masks: ImageFiles
    ) -> None:
        self._file = file
        self._reading = reading
        self._files = files
        self._masks = masks
        self._pictures: dict[tuple[str, str], _Picture] = {}

    def read(self) -> None:
        rows = list(self._rows())
        if not any(_is_row(row) for row in rows):
            raise not_this_format(self._file, "JSON without labels of Labelbox")
        for row in rows:
            try:
                self._take(row)
            except BadValue as bad:
                self._tell(Code.LABEL_ENTRY, row.line, f"a row: {bad}")
        unplaced = sum(map(self._finish, self._pictures.values()))
        if unplaced:
            what = (
                f"y counts from the lower edge in this old export: {unplaced} marks on images that "
                "are not there have it as it is written"
            )
            self._tell(Code.LABEL_IMAGE, None, what, is_dropped=False)

    def _rows(self) -> Iterator[JsonObject]:
        content = read_text(self._file)
        lines = [line for line in content.split("\n") if line.strip()]
        if len(lines) > 1 and all(line.lstrip().startswith("{") for line in lines[:2]):
            yield from self._json_lines(content)
            return
        held = parse_json(content, self._file)
        for row in held if isinstance(held, list) else [held]:
            if isinstance(row, JsonObject):
                yield row
            else:
                self._tell(Code.LABEL_ENTRY, None, f"a row is {shown(row)}")

    def _json_lines(self, content: str) -> Iterator[JsonObject]:
        for number, line in enumerate(content.split("\n"), 1):
            if not line.strip():
                continue
            try:
                row = parse_json(line, self._file, number)
            except LabelError as error:
                self._tell(Code.LABEL_ENTRY, number, str(error.got))
                continue
            if isinstance(row, JsonObject):
                yield row
            else:
                self._tell(Code.LABEL_ENTRY, number, f"a row is {shown(row)}")

    def _take(self, row: JsonObject) -> None:
        if isinstance(held := row.get("data_row"), dict):
            self._data_row(row, held)
        elif isinstance(held := row.get("dataRow"), dict):
            name = text(held.get("globalKey") or held.get("id"))
            picture = self._picture(row.line, text(held.get("id")), name)
            said = self._said(picture, "", None)
            if {"answer", "answers"} & row.keys():
                picture.marks += classification_marks(row, said)
            else:
                picture.marks += object_marks(row, said)
        elif "Labeled Data" in row:
            self._label(row)
        else:
            raise BadValue("there is no data row")

    def _label(self, row: JsonObject) -> None:
        """A row of a legacy or v1 export: what one person said of one image."""
        address, label = text(row["Labeled Data"]), row.get("Label")
        identity = text(row.get("DataRow ID"))
        names = text(row.get("External ID")), text(row.get("Global Key")), address, identity
        if row.get("Skipped") is True or label == "Skip":
            what = f"{self._name(*names)} was skipped by {text(row.get('Created By')) or 'someone'}"
            self._tell(Code.LABEL_ENTRY, row.line, what)
            return
        if address.lstrip().startswith("{"):
            what = "an image of tiles, on which marks are not placed in pixels, is not read"
            self._tell(Code.LABEL_SHAPE, row.line, what)
            return
        picture = self._picture(row.line, identity, *names)
        picture.split = picture.split or text(row.get("Data Split"))
        said = self._said(picture, row.get("Created By"), row.get("Created At"))
        if isinstance(label, list) and label and isinstance(label[0], dict):
            what = f"{picture.name} is a video: the labels of {len(label)} frames are not read"
            self._tell(Code.LABEL_SHAPE, row.line, what)
        elif not isinstance(label, JsonObject):
            raise BadValue(f"the label of {picture.name} is {shown(label)}")
        elif {"objects", "classifications"} & label.keys():
            picture.marks += marks_of(label, said, row.line)
        else:
            picture.mirrored += legacy_marks(label, said, row.line)

    def _data_row(self, row: JsonObject, about: Mapping[str, object]) -> None:
        """A row of an NDJSON export: an image and what everybody said of it."""
        names = (text(about.get(key)) for key in ("external_id", "global_key", "row_data", "id"))
        picture = self._picture(row.line, text(about.get("id")), *names)
        media = row.get("media_attributes")
        if isinstance(media, dict) and {"width", "height"} <= media.keys():
            picture.size = whole(media, "width"), whole(media, "height")
        picture.split = _split(row.get("metadata_fields"))
        projects = row.get("projects")
        for project in projects.values() if isinstance(projects, dict) else ():
            labels = project.get("labels") if isinstance(project, dict) else None
            for label in labels if isinstance(labels, list) else ():
                self._project_label(label, picture, row.line)

    def _project_label(self, label: object, picture: _Picture, line: int) -> None:
        held = label.get("annotations") if isinstance(label, dict) else None
        if not isinstance(label, JsonObject) or not isinstance(held, JsonObject):
            raise BadValue(f"a label of {picture.name} is {shown(label)}")
        if isinstance(label.get("label_details"), dict):
            details = label["label_details"]
            said = self._said(picture, details.get("created_by"), details.get("created_at"))
        else:
            said = self._said(picture, "", None)
        if label.get("is_skipped") is True or held.get("skipped") is True:
            self._tell(Code.LABEL_ENTRY, label.line, f"{picture.name} was skipped")
            return
        if isinstance(held.get("frames"), dict):
            what = f"{picture.name} is a video: the labels of its frames are not read"
            self._tell(Code.LABEL_SHAPE, label.line, what)
        picture.marks += marks_of(held, said, line)

    def _finish(self, picture: _Picture) -> int:
        """Hand an image over; how many of its marks could not be placed."""
        path = self._files.find(picture.name)
        height = None
        if picture.mirrored and path is not None:
            try:
                height = probe(path).height
            except ImageError:
                height = None  # LabelReading puts the image on the list
        placed = [upright(mark, height) for mark in picture.mirrored] if height else []
        marks = [*picture.marks, *(placed or picture.mirrored)]
        self._reading.image(
            picture.name,
            marks,
            line=picture.line,
            file=self._file,
            size=picture.size,
            split=picture.split,
        )
        return 0 if placed else sum(mark.annotation.shape is not None for mark in picture.mirrored)

    def _picture(self, line: int, identity: str, *names: str) -> _Picture:
        name = self._name(*names)
        return self._pictures.setdefault((name, identity), _Picture(name, line))

    def _name(self, *names: str) -> str:
        """The first name by which an image is found, or else the first; keys of signed addresses
        are left out."""
        given = [_address(name) for name in names if name]
        if not given:
            raise BadValue("its image has neither a name nor an address")
        return next((name for name in given if self._files.find(name) is not None), given[0])

    def _said(self, picture: _Picture, annotator: object, time: object) -> Said:
        return Said(picture.name, text(annotator), time_of(time), self._tell, self._masks)

    def _tell(self, code: Code, line: int | None, what: str, is_dropped: bool = True) -> None:
        self._reading.problem(code, line, what, file=self._file, is_dropped=is_dropped)


def _split(fields: object) -> str:
    for held in fields if isinstance(fields, list) else ():
        if isinstance(held, dict) and held.get("schema_name") == SPLIT:
            value = held.get("value")
            if isinstance(value, list) and value and isinstance(value[0], dict):
                value = value[0].get("schema_name")
            return text(value)
    return ""


def _address(name: str) -> str:
    return urlsplit(name)._replace(query="", fragment="").geturl() if "://" in name else name


def _is_row(row: Mapping[str, object]) -> bool:
    return not {"Labeled Data", "data_row", "dataRow"}.isdisjoint(row)


def _is_ours(file: Path) -> bool:
    if file.suffix.lower() not in SUFFIXES:
        return False
    start = start_of(file, _LOOKED_AT)
    return b'"Labeled Data"' in start or b'"data_row"' in start or b'"dataRow"' in start


_LOOKED_AT = 1 << 16  # the objects of a row may come before the keys it is known by
