"""YOLO: a text file of boxes and polygons for each image, turned into labels.

A line is a class number and a box (centre, width, height) or the corners of a polygon, all in
shares of the image's sides. Four corners may be a turned box (OBB) or a polygon: they are read as
a polygon, which marks the same pixels. A sixth number after a box is the confidence of a model.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath

from keenline.annotation import Annotation, BoxShape, PolygonShape, Shape
from keenline.data.formats.image_files import ImageFiles
from keenline.data.formats.label_files import not_this_format, read_each, start_of
from keenline.data.formats.positions import read_text
from keenline.data.formats.reading import LabelReading, Mark, split_word
from keenline.data.formats.values import BadValue, as_number, digits, shown
from keenline.data.formats.yolo_names import YAML, DataSet, data_set
from keenline.data.image_file import SUFFIXES
from keenline.data.labels import Labels
from keenline.data.reading import probe
from keenline.errors import Code, ImageError, LabelError

NAME = "yolo"
_DEPTH = 4  # folders above a label file in which names are sought
_NAME_FILES = ("data.yaml", "dataset.yaml", "data.yml", "classes.txt", "obj.names", "labels.txt")
_NO_LABELS = {"classes.txt", "labels.txt", "train.txt", "val.txt", "valid.txt", "test.txt"}


def recognises(path: Path) -> bool:
    """Whether it is, or holds, text of class numbers and shares, or the YAML of a data set."""
    if path.suffix.lower() in YAML:
        return _is_data_set(path)
    files = (path,) if path.is_file() else _label_files(path)
    return any(map(_looks_right, files))


def read(path: Path, images: Path | None) -> Labels:
    """Read a data set's YAML, a folder, or one text file; see `Format.read`.

    Names of classes come from `data.yaml`, `classes.txt` or `obj.names` beside or above the
    labels; without one, class 3 is named `class 3`. The image of `labels/train/a.txt` is
    `images/train/a` with any suffix, or `a` beside the labels. Marks on an image that is not there
    are left out, since its size is needed. An image without a text file is left alone: YOLO does
    not say whether it is free of defects or was not looked at.
    """
    root = path.parent if path.suffix.lower() in YAML else _root(path)
    folder = images or root
    files = ImageFiles(folder)
    reading = LabelReading(NAME, path, files)
    known = _known(path)
    for line, fault in known.faults:
        reading.problem(Code.LABEL_ENTRY, line, fault, file=known.file)
    reading.classes(known.names[number] for number in sorted(known.names))
    reader = _Reader(root, folder, files, known, reading)
    is_label_file = path.is_file() and path.suffix.lower() not in YAML
    chosen = (path,) if is_label_file else _label_files(path if path.is_dir() else root)
    read_each(chosen, path, reading, lambda file, _: reader.read(file))
    return reading.labels()


class _Reader:
    def __init__(
        self, root: Path, folder: Path, files: ImageFiles, known: DataSet, reading: LabelReading
    ) -> None:
        self._root = root
        self._folder = folder
        self._files = files
        self._known = known
        self._reading = reading
        self._unnamed: set[int] = set()
        self._splits = _splits_of(known)

    def read(self, file: Path) -> None:
        lines = read_text(file).splitlines()
        parsed = [_parsed(line) for line in lines]
        if any(line.strip() for line in lines) and not any(parsed):
            raise not_this_format(file, f"no line of numbers: {shown(lines[0])}")
        image = self._image_of(file)
        if image is None:
            count = sum(bool(line.strip()) for line in lines)
            what = f"the image of {file.name} is not there: {count} marks left out"
            self._reading.problem(Code.LABEL_IMAGE, 1, what, file=file)
            return
        name = image.relative_to(self._folder).as_posix()
        marks = []
        size = _size(image)
        for number, line in enumerate(lines, start=1):
            if line.strip() and size is not None:
                mark = self._mark(line, size, name, number, file)
                marks += [] if mark is None else [mark]
        self._reading.image(name, marks, line=1, file=file, split=self._split(file, image))

    def _image_of(self, file: Path) -> Path | None:
        below = (
            file.relative_to(self._root).with_suffix("")
            if file.is_relative_to(self._root)
            else Path(file.stem)
        )
        parts = ["images" if part == "labels" else part for part in below.parts[:-1]]
        name = file.name.removesuffix(file.suffix)
        return self._files.stem(PurePosixPath(*parts, name).as_posix())

    def _mark(
        self, line: str, size: tuple[int, int], image: str, number: int, file: Path
    ) -> Mark | None:
        words = line.split()
        try:
            class_number = _class_number(words[0])
            values = [as_number(word, "a share") for word in words[1:]]
            shape, attributes = self._shape(values, size, number, file)
        except BadValue as bad:
            self._reading.problem(Code.LABEL_ENTRY, number, f"a mark on {image}: {bad}", file=file)
            return None
        name = self._known.names.get(class_number)
        if name is None:
            name = f"class {class_number}"
            self._tell_unnamed(class_number, number, file)
        return Mark(Annotation(name, shape, attributes=attributes), number)

    def _shape(
        self, values: list[float], size: tuple[int, int], number: int, file: Path
    ) -> tuple[Shape, tuple[tuple[str, str], ...]]:
        width, height = size
        if len(values) > 5 and self._known.has_key_points:
            what = "key points mark no area: only the box around them is kept"
            self._reading.problem(Code.LABEL_SHAPE, number, what, file=file, is_dropped=False)
            values = values[:4]
        if len(values) in {4, 5}:
            x, y, across, down = values[:4]
            box = BoxShape(
                round((x - across / 2) * width, _DIGITS),
                round((y - down / 2) * height, _DIGITS),
                round(across * width, _DIGITS),
                round(down * height, _DIGITS),
            )
            return box, tuple(("confidence", digits(value)) for value in values[4:])
        if len(values) < 6 or len(values) % 2:
            raise BadValue(f"{len(values)} numbers are neither a box nor corners")
        ring = tuple(
            (round(x * width, _DIGITS), round(y * height, _DIGITS))
            for x, y in zip(values[::2], values[1::2], strict=True)
        )
        return PolygonShape((ring,)), ()

    def _tell_unnamed(self, number: int, line: int, file: Path) -> None:
        """Where names are known, at each mark; else once for a number."""
        if number in self._unnamed and not self._known.names:
            return
        self._unnamed.add(number)
        where = "no names are given" if self._known.file is None else self._known.file.name
        what = f"class {number} has no name ({where}); it is called `class {number}`"
        self._reading.problem(Code.LABEL_CLASS, line, what, file=file, is_dropped=False)

    def _split(self, file: Path, image: Path) -> str:
        for place, top in ((file, self._root), (image, self._folder)):
            folders = place.relative_to(top).parts[:-1] if place.is_relative_to(top) else ()
            for part in reversed(folders):
                if split_word(part):
                    return part
        named = {word for place, word in self._splits.items() if image.is_relative_to(place)}
        return named.pop() if len(named) == 1 else ""


_DIGITS = 9  # of a pixel; beyond is what multiplying by the size and dividing again rounds


def _class_number(word: str) -> int:
    value = as_number(word, "the class")
    if not value.is_integer() or value < 0:
        raise BadValue(f"the class is {shown(word)}, not a number from 0")
    return int(value)


def _parsed(line: str) -> list[float] | None:
    """The numbers of a line, when it is of numbers only at its start: a class and a share."""
    try:
        return [float(word) for word in line.split()[:2]] if len(line.split()) > 4 else None
    except ValueError:
        return None


def _size(image: Path) -> tuple[int, int] | None:
    try:
        facts = probe(image)
    except ImageError:
        return None  # taking the image says why
    return facts.width, facts.height


def _root(path: Path) -> Path:
    """The folder that holds `labels` and `images`, where the path lies in such a folder."""
    folder = path if path.is_dir() else path.parent
    above = (folder, *folder.parents)[:_DEPTH]
    return next((one.parent for one in above if one.name == "labels"), folder)


def _known(path: Path) -> DataSet:
    if path.suffix.lower() in YAML:
        return data_set(path)
    folder = path if path.is_dir() else path.parent
    for above in (folder, *folder.parents)[:_DEPTH]:
        for name in _NAME_FILES:
            file = above / name
            if file.is_file() and (file.suffix.lower() not in YAML or _is_data_set(file)):
                return data_set(file)
    return DataSet()


def _splits_of(known: DataSet) -> dict[Path, str]:
    """Folders of images that the YAML names for one split only, and images that its lists name."""
    places: defaultdict[Path, set[str]] = defaultdict(set)
    if known.file is not None:
        for word, written in known.splits.items():
            for entry in written:
                place = known.file.parent / entry
                places[place].add(word)
                if place.suffix == ".txt" and place.is_file():
                    for line in read_text(place).splitlines():
                        places[place.parent / line.strip()].add(word)
    return {place: words.pop() for place, words in places.items() if len(words) == 1}


def _label_files(folder: Path) -> tuple[Path, ...]:
    """Text files in folders called `labels`, and others that look like labels, or are empty and
    lie beside an image of their name."""
    return tuple(
        file
        for file in sorted(folder.rglob("*.txt"))
        if file.is_file()
        and file.name.lower() not in _NO_LABELS
        and (_is_below_labels(file, folder) or _looks_right(file) or _is_empty_one(file))
    )


def _is_below_labels(file: Path, folder: Path) -> bool:
    return "labels" in file.relative_to(folder.parent).parts


def _is_empty_one(file: Path) -> bool:
    beside = any(file.with_suffix(suffix).is_file() for suffix in SUFFIXES)
    return beside and not file.stat().st_size


def _looks_right(file: Path) -> bool:
    """Whether the first line is of a whole number and at least four shares."""
    if file.suffix.lower() != ".txt":
        return False
    words = next((line for line in start_of(file).splitlines() if line.strip()), b"").split()
    try:
        values = [float(word) for word in words[:5]]
    except ValueError:
        return False
    shares = values[1:]
    return len(values) == 5 and values[0].is_integer() and all(-1 <= one <= 2 for one in shares)


def _is_data_set(file: Path) -> bool:
    """Whether a YAML file names classes and folders."""
    try:
        found = data_set(file)
    except LabelError:
        return False
    return bool(found.names and found.splits)
