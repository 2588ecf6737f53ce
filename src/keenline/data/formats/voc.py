"""Pascal VOC: one XML file of boxes for each image, turned into labels.

VOC counts pixels from 1 and both edges of a box belong to it (VOC2012 development kit, section 3:
"the top-left pixel in the image has coordinates (1,1)"). NEU-DET does so: of its 1437 boxes 530
begin in 1, none in 0, and 173 end in 200 of 200 pixels. Some exporters instead write corners from
0. A folder in which more boxes begin in 0 than in 1 is taken that way, and the list says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import degrees
from pathlib import Path
from xml.etree.ElementTree import Element

from keenline.annotation import Annotation, BoxShape, PolygonShape, Shape
from keenline.data.formats.image_files import ImageFiles
from keenline.data.formats.label_files import (
    image_files,
    label_files,
    not_this_format,
    read_each,
    start_of,
)
from keenline.data.formats.positions import line_of, read_xml
from keenline.data.formats.reading import SPLIT_WORDS, LabelReading, Mark
from keenline.data.formats.values import (
    BadValue,
    as_number,
    difference,
    sorted_attributes,
    text,
)
from keenline.data.labels import Labels
from keenline.errors import Code

NAME = "voc"
_DEPTH = 3  # folders above a file in which `ImageSets` is sought


def recognises(path: Path) -> bool:
    """Whether it is, or holds, XML of an `<annotation>` with a file name or boxes."""
    return any(map(_is_ours, label_files(path, {".xml"}, _is_ours)))


def read(path: Path, images: Path | None) -> Labels:
    """Read one XML file, or all in a folder; see `Format.read`.

    An image that is not there under the name in the file is sought under the file's own name.
    Splits are those of `ImageSets/Main`, or else a folder named for one. Polygons, as Roboflow
    and the first LabelMe write them, and the turned boxes of roLabelImg are read too; masks in
    `SegmentationObject` are not, which the list says.
    """
    files = image_files(_beside_images(path), images)
    reading = LabelReading(NAME, path, files)
    roots: dict[Path, Element] = {}

    def read_one(file: Path, _: LabelReading) -> None:
        roots[file] = _root(file)

    read_each(label_files(path, {".xml"}, _is_ours), path, reading, read_one)
    start = _first_number(roots.values())
    if start == 0:
        what = "boxes begin in 0: they are taken as corners from 0, not as pixels counted from 1"
        reading.problem(Code.LABEL_ENTRY, None, what, is_dropped=False)
    splits: dict[Path, dict[str, str]] = {}
    for file, root in roots.items():
        top = _top(file)
        if top not in splits:
            splits[top] = _image_sets(top)
            _tell_of_masks(top, reading)
        _Picture(file, root, start, reading).read(files, splits[top])
    return reading.labels()


class _Picture:
    """One file while it is read."""

    def __init__(self, file: Path, root: Element, start: int, reading: LabelReading) -> None:
        self._file = file
        self._root = root
        self._start = start
        self._reading = reading

    def read(self, files: ImageFiles, splits: dict[str, str]) -> None:
        name = self._image_name(files)
        marks = []
        for place, entry in enumerate(self._root.findall("object"), start=1):
            mark = self._mark(entry, place, name)
            if mark is not None:
                marks.append(mark)
        found = self._root.find("filename")
        self._reading.image(
            name,
            marks,
            line=line_of(self._root if found is None else found),
            file=self._file,
            size=self._size(),
            split=splits.get(self._file.stem) or self._file.parent.name,
        )

    def _image_name(self, files: ImageFiles) -> str:
        written = self._root.findtext("filename", "").strip().replace("\\", "/")
        if written and files.find(written) is not None:
            return written
        same = files.stem(self._file.stem)
        if same is None:
            return written or self._file.stem
        if written and Path(written).stem != same.stem and written != same.stem:
            what = f"{written} is not there; {same.name}, named as this file, is taken"
            self._tell(Code.LABEL_IMAGE, self._root, what, is_dropped=False)
        return same.name

    def _size(self) -> tuple[int, int] | None:
        try:
            width, height = (_number(self._root, f"size/{side}") for side in ("width", "height"))
        except BadValue:
            return None
        # Some scripts write 0 for a size they do not know.
        return (int(width), int(height)) if width >= 1 and height >= 1 else None

    def _mark(self, entry: Element, place: int, image: str) -> Mark | None:
        title = f"object {place} on {image}"
        for part in entry.findall("part"):
            what = f"{title}: its part {part.findtext('name')} is left out"
            self._tell(Code.LABEL_SHAPE, part, what)
        name = entry.findtext("name", "").strip()
        if not name:
            self._tell(Code.LABEL_CLASS, entry, f"{title} bears no class")
            return None
        if entry.findtext("deleted", "0").strip() == "1":
            self._tell(Code.LABEL_ENTRY, entry, f"{title} was deleted in the labelling tool")
            return None
        try:
            shape = _shape(entry, self._start)
        except BadValue as bad:
            self._tell(Code.LABEL_ENTRY, entry, f"{title}: {bad}")
            return None
        who = entry.findtext("polygon/username", "").strip()
        return Mark(
            Annotation(name, shape, annotator=who, attributes=_attributes(entry)), line_of(entry)
        )

    def _tell(self, code: Code, entry: Element, what: str, *, is_dropped: bool = True) -> None:
        self._reading.problem(code, line_of(entry), what, file=self._file, is_dropped=is_dropped)


def _shape(entry: Element, start: int) -> Shape:
    """A polygon before a turned box before a box. Raises BadValue."""
    polygon, turned, box = (entry.find(tag) for tag in ("polygon", "robndbox", "bndbox"))
    if polygon is not None and polygon.find("pt") is not None:
        points = ((_number(point, "x"), _number(point, "y")) for point in polygon.iterfind("pt"))
        return PolygonShape((tuple(points),))
    if polygon is not None:
        values = [as_number(value.text, value.tag) for value in polygon]
        return PolygonShape((tuple(zip(values[::2], values[1::2], strict=False)),))
    if turned is not None:
        x, y, width, height, turn = (
            _number(turned, key) for key in ("cx", "cy", "w", "h", "angle")
        )
        return BoxShape(x - width / 2, y - height / 2, width, height, degrees(turn))
    if box is None:
        raise BadValue("there is no bndbox")
    left, upper, right, lower = (_number(box, key) for key in ("xmin", "ymin", "xmax", "ymax"))
    # A click without a drag: as pixels it would be one, but nobody marks a single row of pixels.
    width = 0.0 if left == right else difference(right, left) + start
    height = 0.0 if upper == lower else difference(lower, upper) + start
    return BoxShape(left - start, upper - start, width, height)


def _number(holder: Element, path: str) -> float:
    found = holder.findtext(path)
    if found is None:
        raise BadValue(f"there is no {path}")
    return as_number(found, path)


def _attributes(entry: Element) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, object]] = []
    for key, usual in USUAL.items():
        value = entry.findtext(key, usual).strip()
        if value != usual:
            pairs.append((key, value))
    for own in entry.iterfind("attributes/attribute"):
        pairs.append((own.findtext("name", ""), text(own.findtext("value"))))
    return sorted_attributes(pairs)


def _first_number(roots: Iterable[Element]) -> int:
    """Whether boxes count from 0 or from 1."""
    begins = [0, 0]
    for root in roots:
        for key in ("xmin", "ymin"):
            for element in root.iterfind(f"object/bndbox/{key}"):
                if (element.text or "").strip() in {"0", "1", "0.0", "1.0"}:
                    begins[int(float(element.text or ""))] += 1
    return 0 if begins[0] > begins[1] else 1


def _top(file: Path) -> Path:
    """The folder that holds `ImageSets`, or else the one above that of the file."""
    above = file.parents[:_DEPTH]
    return next((folder for folder in above if (folder / "ImageSets").is_dir()), file.parent.parent)


def _image_sets(top: Path) -> dict[str, str]:
    """The split of each image, by the stem of its file, from `ImageSets/Main`."""
    splits: dict[str, str] = {}
    for word in ("train", "val", "trainval", "test"):
        listed = top / "ImageSets" / "Main" / f"{word}.txt"
        if listed.is_file():
            for line in listed.read_text("utf-8", "replace").splitlines():
                if line.strip():
                    splits.setdefault(line.split()[0], word.removesuffix("val") or word)
    return {stem: word for stem, word in splits.items() if word in SPLIT_WORDS}


def _tell_of_masks(top: Path, reading: LabelReading) -> None:
    masks = top / "SegmentationObject"
    if masks.is_dir():
        what = "masks of VOC are not read: only the boxes are"
        reading.problem(Code.LABEL_SHAPE, None, what, file=masks)


def _beside_images(path: Path) -> Path:
    """The folder above `Annotations`, beside which `JPEGImages` lies."""
    folder = path if path.is_dir() else path.parent
    return folder.parent if folder.name == "Annotations" else folder


def _root(file: Path) -> Element:
    root = read_xml(file)
    if root.tag != "annotation":
        raise not_this_format(file, f"XML of <{root.tag}>, not of <annotation>")
    if root.find("filename") is None and root.find("object") is None:
        raise not_this_format(file, "an <annotation> without a filename and without objects")
    return root


def _is_ours(file: Path) -> bool:
    start = start_of(file)
    has = any(tag in start for tag in (b"<filename>", b"<filename/>", b"<bndbox>", b"<size>"))
    return has and (b"<annotation>" in start or b"<annotation " in start)


USUAL = {"pose": "Unspecified", "truncated": "0", "difficult": "0", "occluded": "0"}
"""What tools write for each object; only what differs is an attribute."""
