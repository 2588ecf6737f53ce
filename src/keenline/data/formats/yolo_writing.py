"""Labels turned into YOLO's text files and the YAML that names the classes."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from keenline.annotation import Annotation, BoxShape, Point, PolygonShape, Shape
from keenline.data.formats.values import digits
from keenline.data.formats.writing import Unsaid, write_file
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.data.rasterise import polygon_of

FILE = "data.yaml"


def write(labels: Labels, folder: Path) -> tuple[LabelProblem, ...]:
    """Write `labels/NAME.txt` (below `train` or `test` where there are splits) and `data.yaml`;
    see `Format.write`. What is no upright box becomes a polygon of one ring: parts are joined by
    cuts without width."""
    unsaid = Unsaid(folder / FILE)
    unsaid.facts(labels, {"split", "empty class", "unmarked image"})
    named = [mark.class_name for image in labels.images for mark in image.annotations]
    classes = list(dict.fromkeys((*labels.classes, *named)))
    written: set[PurePosixPath] = set()
    for image in labels.images:
        place = _place(image)
        if image.size is None and image.annotations:
            unsaid.add(f"{image.name}: its size is not known", is_dropped=True)
        elif place in written:
            unsaid.add(f"{image.name}: another image has its name", is_dropped=True)
        else:
            written.add(place)
            lines = [_line(image, mark, classes, unsaid) for mark in image.annotations]
            write_file(folder / place, "".join(lines))
    splits = [image.split for image in labels.images]
    write_file(folder / FILE, _yaml(classes, splits))
    return unsaid.problems


def _place(image: LabelledImage) -> PurePosixPath:
    parts = PurePosixPath(image.name).with_suffix(".txt").parts
    if "images" in parts:
        return PurePosixPath(*("labels" if part == "images" else part for part in parts))
    return PurePosixPath("labels", image.split, *parts)


def _line(image: LabelledImage, mark: Annotation, classes: list[str], unsaid: Unsaid) -> str:
    shape = mark.shape
    if shape is None or image.size is None:
        unsaid.mark(image, mark, "a class of the whole image is left out", is_dropped=True)
        return ""
    width, height = image.size
    if isinstance(shape, BoxShape) and not shape.angle:
        values = [
            (shape.x + shape.width / 2) / width,
            (shape.y + shape.height / 2) / height,
            shape.width / width,
            shape.height / height,
        ]
    else:
        ring = _ring(image, mark, shape, unsaid)
        if not ring:
            return ""
        values = [value for x, y in ring for value in (x / width, y / height)]
    return " ".join([str(classes.index(mark.class_name)), *map(digits, values)]) + "\n"


def _ring(
    image: LabelledImage, mark: Annotation, shape: Shape, unsaid: Unsaid
) -> tuple[Point, ...]:
    outline = polygon_of(shape, image.size)
    if not outline.rings:
        unsaid.mark(image, mark, "it marks no pixel", is_dropped=True)
        return ()
    if not isinstance(shape, PolygonShape):
        words = type(shape).__name__.removesuffix("Shape").lower()
        unsaid.mark(image, mark, f"a {words} becomes a polygon", is_dropped=False)
    elif len(outline.rings) > 1:
        what = f"{len(outline.rings)} parts are joined into one outline"
        unsaid.mark(image, mark, what, is_dropped=False)
    if len(outline.rings) == 1:
        return outline.rings[0]
    start = outline.rings[0][0]
    joined = [*outline.rings[0], start]
    for ring in outline.rings[1:]:
        joined += [*ring, ring[0], start]
    return tuple(joined[:-1])


def _yaml(classes: list[str], splits: list[str]) -> str:
    lines = ["path: ."]
    for word, part in (("train", "train"), ("val", "train"), ("test", "test")):
        if part in splits:
            lines.append(f"{word}: images/{part}")
    if not any(splits):
        lines += ["train: images", "val: images"]
    lines.append("names:")
    # A JSON text is a YAML text.
    lines += [f"  {place}: {json.dumps(name)}" for place, name in enumerate(classes)]
    return "\n".join(lines) + "\n"
