"""Labels turned into Pascal VOC's folders of XML."""

from __future__ import annotations

from collections import Counter
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from keenline.annotation import Annotation, BoxShape
from keenline.data.formats.values import digits
from keenline.data.formats.voc import USUAL
from keenline.data.formats.writing import Unsaid, write_file
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.data.rasterise import bounds

FOLDER = "Annotations"


def write(labels: Labels, folder: Path) -> tuple[LabelProblem, ...]:
    """Write `Annotations/NAME.xml` for each image, and `ImageSets/Main` where there are splits;
    see `Format.write`. Every shape becomes the box around it."""
    unsaid = Unsaid(folder / FOLDER)
    unsaid.facts(labels, {"attributes", "split", "unmarked image"})
    stems = Counter(PurePosixPath(image.name).with_suffix("") for image in labels.images)
    splits: dict[str, list[str]] = {}
    for image in labels.images:
        name = PurePosixPath(image.name)
        place = name.with_suffix("") if stems[name.with_suffix("")] == 1 else name
        if image.split:
            splits.setdefault(image.split, []).append(place.name)
        root = _document(image, unsaid)
        ElementTree.indent(root, "\t")
        content = ElementTree.tostring(root, encoding="unicode") + "\n"
        write_file(folder / FOLDER / place.parent / f"{place.name}.xml", content)
    for split, names in splits.items():
        write_file(folder / "ImageSets" / "Main" / f"{split}.txt", "\n".join(names) + "\n")
    return unsaid.problems


def _document(image: LabelledImage, unsaid: Unsaid) -> Element:
    root = Element("annotation")
    _say(root, "filename", image.name)
    if image.size is not None:
        size = SubElement(root, "size")
        _say(size, "width", str(image.size[0]))
        _say(size, "height", str(image.size[1]))
        _say(size, "depth", "3")
    _say(root, "segmented", "0")
    for mark in image.annotations:
        edges = _edges(image, mark, unsaid)
        if edges is None:
            continue
        entry = SubElement(root, "object")
        _say(entry, "name", mark.class_name)
        attributes = dict(mark.attributes)
        for key, usual in USUAL.items():
            _say(entry, key, attributes.pop(key, usual))
        box = SubElement(entry, "bndbox")
        for key, edge in zip(("xmin", "ymin", "xmax", "ymax"), edges, strict=True):
            _say(box, key, digits(edge))
        if attributes:
            own = SubElement(entry, "attributes")
            for key, value in attributes.items():
                one = SubElement(own, "attribute")
                _say(one, "name", key)
                _say(one, "value", value)
    return root


def _edges(
    image: LabelledImage, mark: Annotation, unsaid: Unsaid
) -> tuple[float, float, float, float] | None:
    """First and last pixel, counted from 1; None where the format has no words for the mark."""
    shape = mark.shape
    if shape is None:
        unsaid.mark(image, mark, "a class of the whole image is left out", is_dropped=True)
        return None
    if not isinstance(shape, BoxShape) or shape.angle:
        unsaid.mark(image, mark, "only the box around it is written", is_dropped=False)
    left, upper, right, lower = bounds(shape)
    if right - left == 1 or lower - upper == 1:
        # First and last pixel the same: readers, ours too, take that for a click without a box.
        unsaid.mark(image, mark, "a box of one pixel is written as two", is_dropped=False)
        right += right - left == 1
        lower += lower - upper == 1
    return left + 1, upper + 1, right, lower


def _say(parent: Element, tag: str, words: str) -> None:
    SubElement(parent, tag).text = words
