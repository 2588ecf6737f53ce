"""DeepPCB, a text file of boxes for each board beside its defect-free template, and back.

Tang et al., "Online PCB Defect Detector On A New PCB Defect Dataset", 2019: lines of
`x1 y1 x2 y2 type`, images `STEM_test.jpg` and `STEM_temp.jpg`, and `trainval.txt` and `test.txt`
that list pairs of image and text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from keenline.annotation import Annotation, BoxShape
from keenline.data.formats.image_files import ImageFiles
from keenline.data.formats.label_files import (
    image_files,
    label_files,
    not_this_format,
    read_each,
    start_of,
)
from keenline.data.formats.positions import read_text
from keenline.data.formats.reading import LabelReading, Mark
from keenline.data.formats.values import BadValue, as_number, difference, digits, shown
from keenline.data.formats.writing import Unsaid, write_file
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.data.rasterise import bounds
from keenline.errors import Code

NAME = "deeppcb"
CLASSES = {1: "open", 2: "short", 3: "mousebite", 4: "spur", 5: "copper", 6: "pin-hole"}
"""Types as the data set's page names them; 0 is its background, which nobody marks."""
LISTS = {"trainval.txt": "train", "test.txt": "test"}


def recognises(path: Path) -> bool:
    """Whether it is, or holds, text of four whole numbers and a type from 1 to 6 on each line."""
    return any(_is_ours(file) and start_of(file) for file in _label_files(path))


def read(path: Path, images: Path | None) -> Labels:
    """Read one text file or a folder of them; see `Format.read`.

    The image of `STEM.txt` is `STEM_test`, or else `STEM`, with any suffix; its template
    `STEM_temp` is a good image. An empty file counts where its image is there.
    """
    files = image_files(path, images)
    reading = LabelReading(NAME, path, files)
    reading.classes(CLASSES.values())
    splits = _splits(path if path.is_dir() else path.parent)
    chosen = tuple(
        file
        for file in _label_files(path)
        if path.is_file() or start_of(file) or files.stem(f"{file.stem}_test") is not None
    )
    read_each(chosen, path, reading, lambda file, held: _read_file(file, held, files, splits))
    return reading.labels()


def write(labels: Labels, folder: Path) -> tuple[LabelProblem, ...]:
    """Write a text file for each image, and the lists of its splits; see `Format.write`.

    A good image is left out where it is a template, and told where it is not.
    """
    unsaid = Unsaid(folder)
    unsaid.facts(labels, {"good", "split", "empty class", "unmarked image"})
    known = set(CLASSES.values())
    for class_name in (one for one in labels.classes if one not in known):
        unsaid.add(f"the class {class_name}, which is none of DeepPCB's six", is_dropped=True)
    listed: dict[str, list[str]] = {"train": [], "test": []}
    for image in labels.images:
        name = PurePosixPath(image.name)
        if image.is_good and name.stem.endswith("_temp"):
            continue
        if image.is_good:
            unsaid.add(f"that {image.name} is good", is_dropped=True)
        stem = name.stem.removesuffix("_test")
        lines = [line for mark in image.annotations if (line := _line(image, mark, unsaid))]
        write_file(folder / name.parent / f"{stem}.txt", "".join(lines))
        if image.split:
            pair = f"{name.parent / stem}{name.suffix} {name.parent / stem}.txt\n"
            listed[image.split].append(pair)
    for file, split in LISTS.items():
        if listed[split]:
            write_file(folder / file, "".join(listed[split]))
    return unsaid.problems


def _read_file(
    file: Path, reading: LabelReading, files: ImageFiles, splits: Mapping[str, str]
) -> None:
    marks = []
    lines = read_text(file).splitlines()
    if any(lines) and not any(map(_LINE.match, lines)):
        raise not_this_format(file, f"a first line of {shown(next(filter(None, lines)))}")
    for number, line in enumerate(lines, 1):
        try:
            annotation = _annotation(line, file, number, reading)
        except BadValue as bad:
            reading.problem(Code.LABEL_ENTRY, number, str(bad), file=file)
            continue
        if annotation is not None:
            marks.append(Mark(annotation, number))
    tested = files.stem(f"{file.stem}_test") or files.stem(file.stem)
    template = files.stem(f"{file.stem}_temp")
    split = splits.get(file.stem, "")
    first = 1 if marks else None
    name = tested.name if tested else f"{file.stem}_test.jpg"
    reading.image(name, marks, line=first, file=file, split=split)
    if template is not None:
        reading.image(template.name, line=None, file=file, split=split, is_good=True)


def _annotation(line: str, file: Path, number: int, reading: LabelReading) -> Annotation | None:
    words = re.split(r"[\s,]+", line.strip())
    if words == [""]:
        return None
    if len(words) != 5:
        raise BadValue(f"{len(words)} words, not x1 y1 x2 y2 type: {shown(line)}")
    left, upper, right, lower = (
        as_number(word, name) for word, name in zip(words, ("x1", "y1", "x2", "y2"), strict=False)
    )
    kind = as_number(words[4], "type")
    if kind not in CLASSES:
        what = f"there is no type {words[4]}, only 1 to {max(CLASSES)}"
        reading.problem(Code.LABEL_CLASS, number, what, file=file)
        return None
    shape = BoxShape(left, upper, difference(right, left), difference(lower, upper))
    return Annotation(CLASSES[int(kind)], shape)


def _line(image: LabelledImage, mark: Annotation, unsaid: Unsaid) -> str | None:
    kind = next((kind for kind, name in CLASSES.items() if name == mark.class_name), None)
    if kind is None or mark.shape is None:
        what = "it is none of DeepPCB's six classes" if kind is None else "only boxes can be said"
        unsaid.mark(image, mark, what, is_dropped=True)
        return None
    if not isinstance(mark.shape, BoxShape) or mark.shape.angle:
        unsaid.mark(image, mark, "the upright box around it", is_dropped=False)
    return f"{' '.join(map(digits, bounds(mark.shape)))} {kind}\n"


def _splits(folder: Path) -> dict[str, str]:
    """The split of each text file, by its stem, where the lists are beside it or above."""
    found: dict[str, str] = {}
    for name, split in LISTS.items():
        for place in (folder, *folder.parents[:_ABOVE]):
            if (place / name).is_file():
                words = read_text(place / name).split()
                stems = (PurePosixPath(word).stem for word in words if word.endswith(".txt"))
                found |= dict.fromkeys(stems, split)
                break
    return found


def _label_files(path: Path) -> tuple[Path, ...]:
    return label_files(path, {".txt"}, _is_ours)


def _is_ours(file: Path) -> bool:
    if file.suffix.lower() != ".txt" or file.name in LISTS:
        return False
    start = start_of(file).decode("utf-8", "replace")
    return not start.strip() or _LINE.match(start.lstrip()) is not None


_LINE = re.compile(r"\s*\d+(?:[ \t,]+\d+){3}[ \t,]+[1-6]\s*(?:\n|$)")
_ABOVE = 2  # folders above `group00041/00041_not` in which the lists lie
