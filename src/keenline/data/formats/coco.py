"""COCO: JSON with lists of images, annotations and categories, turned into labels."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from keenline.annotation import Annotation, BoxShape, Point, PolygonShape, Shape
from keenline.data.formats.label_files import (
    image_files,
    label_files,
    not_this_format,
    read_each,
    start_of,
)
from keenline.data.formats.positions import JsonObject, read_json
from keenline.data.formats.reading import LabelReading, Mark, split_word
from keenline.data.formats.run_lengths import mask_from_runs
from keenline.data.formats.values import (
    BadValue,
    as_number,
    number,
    shown,
    sorted_attributes,
    whole,
)
from keenline.data.labels import Labels
from keenline.errors import Code

NAME = "coco"
_LOOKED_AT = 1 << 16  # the licences of a file stand before its first image


def recognises(path: Path) -> bool:
    """Whether it is, or holds, a JSON file with COCO's lists."""
    return any(map(_is_ours, label_files(path, {".json"}, _is_ours)))


def read(path: Path, images: Path | None) -> Labels:
    """Read one JSON file, or all in a folder; see `Format.read`.

    The split is the word for it in the name of the file or of its folder (`instances_val2017`,
    `valid/_annotations.coco.json`). A category that is the super-category of others and that no
    annotation bears is no class: Roboflow writes one with the name of the project.
    """
    reading = LabelReading(NAME, path, image_files(path, images))
    top = path if path.is_dir() else path.parent

    def read_one(file: Path, reading: LabelReading) -> None:
        _File(file, top, reading).read()

    read_each(label_files(path, {".json"}, _is_ours), path, reading, read_one)
    return reading.labels()


class _File:
    """One file while it is read."""

    def __init__(self, file: Path, top: Path, reading: LabelReading) -> None:
        self._file = file
        self._top = top
        self._reading = reading
        self._names: dict[object, str] = {}
        self._sizes: dict[object, tuple[int, int] | None] = {}

    def read(self) -> None:
        content = read_json(self._file)
        if not _has_lists(content):
            raise not_this_format(self._file, "no lists of images and annotations")
        self._names = self._categories(content)
        images = self._by_id(content["images"], "image")
        self._sizes = {key: self._size(image) for key, image in images.items()}
        marks: defaultdict[object, list[Mark]] = defaultdict(list)
        for entry in self._by_id(content.get("annotations") or [], "annotation").values():
            mark = self._mark(entry, images)
            if mark is not None:
                marks[entry["image_id"]].append(mark)
        split = _split_of(self._file)
        for key, image in images.items():
            self._reading.image(
                self._image_name(image["file_name"]),
                marks[key],
                line=image.line,
                file=self._file,
                size=self._sizes[key],
                split=split,
            )

    def _image_name(self, name: str) -> str:
        """With its folders, where an image of that name lies beside the file."""
        beside = self._file.parent / name
        if self._file.parent != self._top and beside.is_file():
            return beside.relative_to(self._top).as_posix()
        return name

    def _by_id(self, entries: object, what: str) -> dict[object, JsonObject]:
        found: dict[object, JsonObject] = {}
        for place, entry in enumerate(entries if isinstance(entries, list) else [entries]):
            if not isinstance(entry, JsonObject):
                self._tell(Code.LABEL_ENTRY, None, f"{what} {place + 1} is {shown(entry)}")
                continue
            key = entry.get("id", ("no id", place) if what == "annotation" else None)
            reason = _reason(entry, key, what)
            if reason:
                self._tell(Code.LABEL_ENTRY, entry, reason)
            elif key in found and what == "annotation":
                self._tell(Code.LABEL_DUPLICATE, entry, f"{what} {key} is there twice", False)
                found[key, place] = entry
            elif key in found:
                self._tell(Code.LABEL_DUPLICATE, entry, f"{what} {key} is there twice")
            else:
                found[key] = entry
        return found

    def _categories(self, content: JsonObject) -> dict[object, str]:
        entries = self._by_id(content.get("categories") or [], "category")
        used = {
            entry.get("category_id")
            for entry in content.get("annotations") or []
            if isinstance(entry, dict) and isinstance(entry.get("category_id"), (int, str))
        }
        above = {entry.get("supercategory") for entry in entries.values() if entry["name"]}
        names = {}
        for key, entry in entries.items():
            name = entry["name"]
            others = above - {entry.get("supercategory")}
            if key not in used and name in others:
                what = f"{name} is the super-category of others and borne by no mark: no class"
                self._tell(Code.LABEL_CLASS, entry, what)
            else:
                names[key] = name
        self._reading.classes(names.values())
        return names

    def _size(self, image: JsonObject) -> tuple[int, int] | None:
        if image.get("width") is None and image.get("height") is None:
            return None
        try:
            return whole(image, "width"), whole(image, "height")
        except BadValue as bad:
            self._tell(Code.LABEL_ENTRY, image, f"the size of {image['file_name']}: {bad}", False)
            return None

    def _mark(self, entry: JsonObject, images: dict[object, JsonObject]) -> Mark | None:
        title = f"annotation {entry.get('id', 'without id')}"
        image_id, category = entry.get("image_id"), entry.get("category_id")
        if not isinstance(image_id, (int, str)) or image_id not in images:
            what = f"{title} is of image {shown(image_id)}, which is not in the list of images"
            self._tell(Code.LABEL_ENTRY, entry, what)
            return None
        title += f" on {images[image_id]['file_name']}"
        if not isinstance(category, (int, str)) or category not in self._names:
            what = f"{title} is of category {shown(category)}, which is not in the list"
            self._tell(Code.LABEL_CLASS, entry, what)
            return None
        try:
            shape, made_for = _shape(entry)
        except BadValue as bad:
            self._tell(Code.LABEL_ENTRY, entry, f"{title}: {bad}")
            return None
        if made_for is not None and made_for != (self._sizes[image_id] or made_for):
            what = f"{title}: its mask is for an image of {made_for[0]} x {made_for[1]} pixels"
            self._tell(Code.LABEL_IMAGE_SIZE, entry, what)
            return None
        if shape is None:
            self._tell(Code.LABEL_SHAPE, entry, f"{title} has neither segmentation nor box")
            return None
        source = "" if entry.get("id") is None else str(entry["id"])
        annotation = Annotation(
            self._names[category], shape, source_id=source, attributes=_attributes(entry)
        )
        return Mark(annotation, entry.line)

    def _tell(
        self, code: Code, entry: JsonObject | None, what: str, is_dropped: bool = True
    ) -> None:
        line = entry.line if entry is not None else None
        self._reading.problem(code, line, what, file=self._file, is_dropped=is_dropped)


def _reason(entry: JsonObject, key: object, what: str) -> str:
    """Why an entry is none; nothing when it is one."""
    if not isinstance(key, (int, str, tuple)):
        return f"{what} with the id {shown(key)}"
    named = {"image": "file_name", "category": "name"}.get(what)
    if named and not (isinstance(entry.get(named), str) and entry[named]):
        return f"{what} {key}: {named} is {shown(entry.get(named))}"
    return ""


def _shape(entry: JsonObject) -> tuple[Shape | None, tuple[int, int] | None]:
    """The shape, and the size of image that a mask was made for. Raises BadValue."""
    segmentation = entry.get("segmentation")
    if isinstance(segmentation, dict):
        return mask_from_runs(segmentation)
    if segmentation:
        if not isinstance(segmentation, list):
            raise BadValue(f"its segmentation is {shown(segmentation)}")
        rings = segmentation if isinstance(segmentation[0], list) else [segmentation]
        return PolygonShape(tuple(_ring(ring) for ring in rings)), None
    box = entry.get("bbox")
    if not box:
        return None, None
    if not isinstance(box, list) or len(box) != 4:
        raise BadValue(f"its bbox is {shown(box)}, not four numbers")
    x, y, width, height = (as_number(value, "bbox") for value in box)
    attributes = entry.get("attributes")
    angle = 0.0
    if isinstance(attributes, dict) and "rotation" in attributes:
        angle = number(attributes, "rotation")
    return BoxShape(x, y, width, height, angle), None


def _ring(values: object) -> tuple[Point, ...]:
    if not isinstance(values, list) or len(values) % 2:
        raise BadValue(f"a ring of its segmentation is {shown(values)}")
    flat = [as_number(value, "segmentation") for value in values]
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def _attributes(entry: JsonObject) -> tuple[tuple[str, str], ...]:
    own = entry.get("attributes")
    pairs: dict[str, Any] = dict(own) if isinstance(own, dict) else {}
    pairs.pop("rotation", None)
    pairs |= {key: value for key, value in entry.items() if key not in _KNOWN}
    if entry.get("iscrowd"):
        pairs["iscrowd"] = 1
    return sorted_attributes(pairs.items())


def _has_lists(content: object) -> bool:
    return isinstance(content, JsonObject) and isinstance(content.get("images"), list)


def _is_ours(file: Path) -> bool:
    start = start_of(file, _LOOKED_AT)
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"{":
        return False
    has = [f'"{name}"'.encode() in start for name in ("images", "annotations", "categories")]
    named = b'"file_name"' in start or (b'"image_id"' in start and b'"category_id"' in start)
    return sum(has) >= 2 or (any(has) and named)


def _split_of(file: Path) -> str:
    """The word for a split in the name of the file, or else of its folder."""
    return split_word(file.stem) or split_word(file.parent.name)


_KNOWN = {
    "id",
    "image_id",
    "category_id",
    "segmentation",
    "bbox",
    "area",
    "iscrowd",
    "attributes",
}
