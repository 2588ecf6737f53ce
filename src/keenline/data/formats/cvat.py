"""CVAT for images 1.1, an XML file of a task or a whole project, turned into labels and back."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from xml.etree.ElementTree import Element

from keenline.data.formats.cvat_meta import Meta, head_of, kind_of, meta_of, root_of
from keenline.data.formats.cvat_shapes import (
    NO_AREA,
    SHAPES,
    annotation_of,
    document,
    element_of,
    label_list,
    sayable,
)
from keenline.data.formats.label_files import image_files, label_files, read_each
from keenline.data.formats.positions import line_of
from keenline.data.formats.reading import LabelReading, Mark
from keenline.data.formats.values import BadValue, whole
from keenline.data.formats.writing import Unsaid, write_file
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.errors import Code

NAME = "cvat"
FILE = "annotations.xml"
"""What is written."""


def recognises(path: Path) -> bool:
    """Whether it is, or holds, an XML file of `<annotations>` on images."""
    return any(map(_is_ours, label_files(path, {".xml"}, _is_ours)))


def read(path: Path, images: Path | None) -> Labels:
    """Read one XML file, or all in a folder; see `Format.read`.

    The annotator is the assignee of an image's task, or else its owner. Where two subsets of a
    project hold images of the same name, the subset is put before it as a folder, which is how
    CVAT exports them.
    """
    reading = LabelReading(NAME, path, image_files(path, images))
    read_each(label_files(path, {".xml"}, _is_ours), path, reading, _read_file)
    return reading.labels()


def write(labels: Labels, folder: Path) -> tuple[LabelProblem, ...]:
    """Write `annotations.xml`; see `Format.write`. Each person gets a task."""
    file = folder / FILE
    unsaid = Unsaid(file)
    unsaid.facts(labels, {"annotator", "attributes", "split", "empty class", "unmarked image"})
    people = list(dict.fromkeys(_person(image) for image in labels.images)) or [""]
    attributes: dict[str, set[str]] = {name: set() for name in labels.classes}
    root = Element("annotations")
    body = []
    for number, image in enumerate(labels.images):
        element = Element("image", id=str(number), name=image.name)
        if image.split:
            element.set("subset", image.split.capitalize())
        if len(people) > 1:
            element.set("task_id", str(people.index(_person(image)) + 1))
        if image.size is not None:
            element.set("width", str(image.size[0]))
            element.set("height", str(image.size[1]))
        for mark in image.annotations:
            if mark.annotator != _person(image):
                unsaid.mark(image, mark, f"that {mark.annotator} marked it", is_dropped=True)
            attributes.setdefault(mark.class_name, set()).update(dict(mark.attributes))
            drawn = element_of(mark, sayable(image, mark, unsaid))
            drawn.set("label", mark.class_name)
            element.append(drawn)
        body.append(element)
    root.append(_version())
    root.append(head_of(label_list(attributes), "annotation", [(who, "") for who in people]))
    root.extend(body)
    write_file(file, document(root))
    return unsaid.problems


def marks_in(
    element: Element, meta: Meta, annotator: str, reading: LabelReading, file: Path
) -> list[Mark]:
    """The marks below an `image`; what is none is put on the list."""
    marks = []
    for child in element:
        line = line_of(child)
        if child.tag in NO_AREA:
            what = f"{child.get('label')} on {element.get('name')}: <{child.tag}> marks no area"
            reading.problem(Code.LABEL_SHAPE, line, what, file=file)
        elif child.tag not in {*SHAPES, "tag"}:
            reading.problem(Code.LABEL_ENTRY, line, f"<{child.tag}> is not known", file=file)
        else:
            try:
                annotation = annotation_of(child, child.get("label", ""), annotator)
            except BadValue as bad:
                what = f"a {child.tag} on {element.get('name')}: {bad}"
                reading.problem(Code.LABEL_ENTRY, line, what, file=file)
                continue
            meta.class_of(child, reading, file)
            marks.append(Mark(annotation, line))
    return marks


def _read_file(file: Path, reading: LabelReading) -> None:
    root = root_of(file, "images")
    meta = meta_of(root, reading, file)
    reading.classes(meta.classes)
    elements = root.findall("image")
    subsets: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for element in elements:
        subsets[element.get("name", "")][element.get("subset", "")] += 1
    for element in elements:
        name, line = element.get("name", ""), line_of(element)
        if not name:
            reading.problem(Code.LABEL_ENTRY, line, "an image without a name", file=file)
            continue
        task = meta.task(element.get("task_id"))
        subset = element.get("subset") or task.subset
        reading.image(
            f"{subset}/{name}" if subset and len(subsets[name]) > 1 else name,
            marks_in(element, meta, task.annotator, reading, file),
            line=line,
            file=file,
            size=_size(element, reading, file),
            split=subset,
        )


def _size(element: Element, reading: LabelReading, file: Path) -> tuple[int, int] | None:
    if "width" not in element.attrib and "height" not in element.attrib:
        return None
    try:
        return whole(element.attrib, "width"), whole(element.attrib, "height")
    except BadValue as bad:
        what = f"the size of {element.get('name')}: {bad}"
        reading.problem(Code.LABEL_ENTRY, line_of(element), what, file=file)
        return None


def _is_ours(file: Path) -> bool:
    return kind_of(file) == "images"


def _person(image: LabelledImage) -> str:
    return image.annotations[0].annotator if image.annotations else ""


def _version() -> Element:
    version = Element("version")
    version.text = "1.1"
    return version
