"""Manifests of SageMaker Ground Truth and Lookout for Vision, a JSON object a line, into labels.

Amazon SageMaker Developer Guide, "Output Data" of Ground Truth, and Lookout for Vision Developer
Guide, "Creating a manifest file", looked up in 2026. A line names its image in `source-ref`; each
other key is a job, and what it says is described in KEY-metadata.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from keenline.annotation import Annotation, BoxShape, Shape
from keenline.data.formats.image_files import ImageFiles
from keenline.data.formats.label_files import (
    image_files,
    label_files,
    not_this_format,
    read_each,
    start_of,
)
from keenline.data.formats.manifest_masks import masks_in
from keenline.data.formats.positions import parse_json, read_text
from keenline.data.formats.reading import LabelReading, Mark
from keenline.data.formats.values import (
    BadValue,
    number,
    shown,
    sorted_attributes,
    time_of,
    whole,
)
from keenline.data.labels import Labels
from keenline.data.naming import means_good
from keenline.data.reading import probe
from keenline.errors import Code, ImageError, LabelError

NAME = "manifest"
SUFFIXES = {".manifest", ".jsonl", ".json"}
ANOMALY = "anomaly"
"""The class of Lookout for Vision for an image that is not normal."""


def recognises(path: Path) -> bool:
    """Whether it is, or holds, lines of JSON with a `source-ref` in the first."""
    return any(map(_is_ours, label_files(path, SUFFIXES, _is_ours)))


def read(path: Path, images: Path | None) -> Labels:
    """Read one manifest, or all in a folder; see `Format.read`.

    A normal image is good. Of a mask each colour is one mark. `anomaly`, said of the whole image,
    is left out where a mask or a box says more.
    """
    files = image_files(path, images)
    masks = files if images is None else ImageFiles(_folder(path), images)
    reading = LabelReading(NAME, path, files)
    read_each(
        label_files(path, SUFFIXES, _is_ours),
        path,
        reading,
        lambda file, held: _read_file(file, held, files, masks),
    )
    return reading.labels()


def _read_file(file: Path, reading: LabelReading, files: ImageFiles, masks: ImageFiles) -> None:
    rows = list(_rows(file, reading))
    if not any("source-ref" in row for _, row in rows):
        raise not_this_format(file, "no line of JSON with a source-ref")
    for line, row in rows:
        name = row.get("source-ref")
        if not isinstance(name, str) or not name:
            reading.problem(Code.LABEL_ENTRY, line, "there is no source-ref", file=file)
            continue
        found = _Row(file, line, name, row, reading)
        found.take(masks, _size(files.find(name)))


def _rows(file: Path, reading: LabelReading) -> Iterator[tuple[int, Mapping[str, object]]]:
    for line, text in enumerate(read_text(file).split("\n"), 1):
        if not text.strip():
            continue
        try:
            row = parse_json(text, file, line)
        except LabelError as error:
            reading.problem(Code.LABEL_ENTRY, line, str(error.got), file=file)
            continue
        if isinstance(row, dict):
            yield line, row
        else:
            reading.problem(Code.LABEL_ENTRY, line, f"{shown(row)} is no object", file=file)


class _Row:
    """One line while it is read."""

    def __init__(
        self,
        file: Path,
        line: int,
        name: str,
        row: Mapping[str, object],
        reading: LabelReading,
    ) -> None:
        self._file = file
        self._line = line
        self._name = name
        self._row = row
        self._reading = reading
        self._marks: list[Annotation] = []
        self._whole: list[Annotation] = []
        self._is_good = False
        self._size: tuple[int, int] | None = None

    def take(self, masks: ImageFiles, size: tuple[int, int] | None) -> None:
        """`size` of the image (width, height), which masks have to have; None: not known."""
        for key, value in self._row.items():
            if key == "source-ref" or key.endswith("-metadata"):
                continue
            about = self._row.get(f"{key}-metadata")
            try:
                if not isinstance(about, dict):
                    raise BadValue("there is no metadata of it")
                self._job(value, about, masks, size)
            except BadValue as bad:
                self._tell(Code.LABEL_ENTRY, f"{key} of {self._name}: {bad}")
        said = [mark for mark in self._whole if not (self._marks and mark.class_name == ANOMALY)]
        marks = [*self._marks, *said]
        if self._is_good and marks:
            what = f"{self._name} is normal and bears {len(marks)} marks, which count"
            self._tell(Code.LABEL_ENTRY, what, is_dropped=False)
        self._reading.image(
            self._name,
            [Mark(mark, self._line) for mark in marks],
            line=self._line,
            file=self._file,
            size=self._size,
            is_good=self._is_good and not marks,
        )

    def _job(
        self,
        value: object,
        about: Mapping[str, object],
        masks: ImageFiles,
        size: tuple[int, int] | None,
    ) -> None:
        if isinstance(value, dict) and "annotations" in value:
            self._boxes(value, about)
        elif "internal-color-map" in about:
            self._masks(value, about, masks, size)
        elif isinstance(about.get("class-name"), str):
            self._whole_image(str(about["class-name"]), about)
        elif isinstance(names := about.get("class-map"), dict) and isinstance(value, list):
            for kind in value:
                self._whole_image(_class_of(names, kind), about)
        else:
            raise BadValue(f"{shown(about.get('type'))} is a sort of job that is not known")

    def _whole_image(self, class_name: str, about: Mapping[str, object]) -> None:
        if means_good(class_name):
            self._is_good = True
        else:
            self._whole.append(_annotation(class_name, about))

    def _boxes(self, value: Mapping[str, object], about: Mapping[str, object]) -> None:
        names, objects = about.get("class-map"), about.get("objects")
        boxes, sizes = value["annotations"], value.get("image_size")
        if not isinstance(names, dict) or not isinstance(boxes, list):
            raise BadValue("there is no class-map, or no list of annotations")
        if isinstance(sizes, list) and sizes and isinstance(sizes[0], dict):
            self._size = whole(sizes[0], "width"), whole(sizes[0], "height")
        sure = objects if isinstance(objects, list) else []
        for place, box in enumerate(boxes):
            more = sure[place] if place < len(sure) and isinstance(sure[place], dict) else {}
            try:
                if not isinstance(box, dict):
                    raise BadValue(f"it is {shown(box)}")
                shape = BoxShape(*(number(box, key) for key in ("left", "top", "width", "height")))
                kind = box.get("class_id")
                if str(kind) not in names:
                    what = f"a box on {self._name} is of class {kind}, which is not in class-map"
                    self._tell(Code.LABEL_CLASS, what)
                    continue
                class_name = _class_of(names, kind)
                self._marks.append(_annotation(class_name, {**about, **more}, shape))
            except BadValue as bad:
                self._tell(Code.LABEL_ENTRY, f"a box on {self._name}: {bad}")

    def _masks(
        self,
        value: object,
        about: Mapping[str, object],
        masks: ImageFiles,
        size: tuple[int, int] | None,
    ) -> None:
        colours = about["internal-color-map"]
        if not isinstance(value, str) or not isinstance(colours, dict):
            raise BadValue(f"it is {shown(value)}, not the address of a mask")
        found, faults = masks_in(value, colours, masks, size)
        for code, what in faults:
            self._tell(code, f"{self._name}: {what}")
        self._marks += [_annotation(name, about, shape) for name, shape in found]

    def _tell(self, code: Code, what: str, is_dropped: bool = True) -> None:
        self._reading.problem(code, self._line, what, file=self._file, is_dropped=is_dropped)


def _annotation(
    class_name: str, about: Mapping[str, object], shape: Shape | None = None
) -> Annotation:
    rest = sorted_attributes(
        (key, value)
        for key, value in about.items()
        if key not in _READ and not isinstance(value, (dict, list))
    )
    who = about.get("annotator")
    time = time_of(about.get("creation-date"))
    return Annotation(class_name, shape, who if isinstance(who, str) else "", time, "", rest)


def _class_of(names: Mapping[str, object], kind: object) -> str:
    name = names.get(str(kind))
    if not isinstance(name, str) or not name:
        raise BadValue(f"class {shown(kind)} has no name")
    return name


def _size(path: Path | None) -> tuple[int, int] | None:
    if path is None:
        return None
    try:
        facts = probe(path)
    except ImageError:
        return None  # LabelReading puts the image on the list
    return facts.width, facts.height


def _folder(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _is_ours(file: Path) -> bool:
    if file.suffix.lower() not in SUFFIXES:
        return False
    first = start_of(file, _LOOKED_AT).lstrip().partition(b"\n")[0]
    return first.startswith(b"{") and b'"source-ref"' in first


_LOOKED_AT = 1 << 16  # the boxes of one image make a long line
_READ = {"class-name", "class-map", "creation-date", "type", "annotator"}
