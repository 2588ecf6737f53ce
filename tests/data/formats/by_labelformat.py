"""What labelformat and Keenline read in a label file, brought to one form and compared.

labelformat 0.1.17 (MIT; the names below are of its modules) shares no code with Keenline. Only
tests need it; it comes with the extra `dev`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple, TypeAlias

from labelformat.formats import coco, cvat, labelbox, pascalvoc, yolov8
from labelformat.model.bounding_box import BoundingBox
from labelformat.model.instance_segmentation import InstanceSegmentationInput
from labelformat.model.multipolygon import MultiPolygon
from labelformat.model.object_detection import ObjectDetectionInput

from keenline.annotation import BoxShape, Point, PolygonShape, Shape
from keenline.data.labels import Labels

__all__ = ["coco", "cvat", "labelbox", "pascalvoc", "yolov8"]
EXACT = 1e-3
"""Pixels; for corners that one program wrote and another read."""

HALF = 0.5
"""Pixels; how far two readings of one corner may be apart."""
Corners: TypeAlias = tuple[float, ...]
_Source: TypeAlias = ObjectDetectionInput | InstanceSegmentationInput


class Seen(NamedTuple):
    """One mark; a box is one ring of left, upper, right and lower edge."""

    class_name: str
    rings: tuple[Corners, ...]


class Picture(NamedTuple):
    """One image; a name is the last part of what the file says."""

    name: str
    size: tuple[int, int]
    marks: tuple[Seen, ...]


def theirs(source: _Source) -> list[Picture]:
    """What labelformat reads; its masks have no rings."""
    pictures = []
    for label in source.get_labels():
        marks = tuple(
            Seen(
                thing.category.name,
                _rings(thing.box if hasattr(thing, "box") else thing.segmentation),
            )
            for thing in label.objects
        )
        size = (label.image.width, label.image.height)
        pictures.append(Picture(PurePosixPath(label.image.filename).name, size, marks))
    return sorted(pictures, key=lambda picture: picture.name)


def ours(
    labels: Labels, kinds: tuple[type[Shape], ...] = (BoxShape, PolygonShape)
) -> list[Picture]:
    """What Keenline reads, shapes of other kinds left out."""
    pictures = []
    for image in labels.images:
        assert image.size is not None
        marks = tuple(
            Seen(mark.class_name, _own_rings(mark.shape))
            for mark in image.annotations
            if isinstance(mark.shape, kinds)
        )
        pictures.append(Picture(PurePosixPath(image.name).name, image.size, marks))
    return sorted(pictures, key=lambda picture: picture.name)


def agreed(got: Sequence[Picture], want: Sequence[Picture], within: float = HALF) -> int:
    """How many marks there are, if images, sizes, classes, order and every corner are the same."""
    assert [picture[:2] for picture in got] == [picture[:2] for picture in want]
    for one, other in zip(got, want, strict=True):
        assert [mark.class_name for mark in one.marks] == [mark.class_name for mark in other.marks]
        for mark, same in zip(one.marks, other.marks, strict=True):
            assert [len(ring) for ring in mark.rings] == [len(ring) for ring in same.rings]
            apart = [
                abs(value - wanted)
                for ring, wanted_ring in zip(mark.rings, same.rings, strict=True)
                for value, wanted in zip(ring, wanted_ring, strict=True)
            ]
            assert max(apart, default=0) <= within, (one.name, mark, same)
    return sum(len(picture.marks) for picture in got)


def total(labels: Labels, source: _Source, within: float = HALF) -> int:
    """`agreed` of what both read."""
    return agreed(ours(labels), theirs(source), within)


def classes(source: _Source) -> tuple[str, ...]:
    return tuple(one.name for one in source.get_categories())


def once(pictures: Sequence[Picture]) -> list[Picture]:
    """Without the second of two marks of one image that are the same. Keenline takes such a mark
    once and tells it (LABEL_DUPLICATE); labelformat counts it twice."""
    return [one._replace(marks=tuple(dict.fromkeys(one.marks))) for one in pictures]


def from_voc_counts(pictures: Sequence[Picture]) -> list[Picture]:
    """labelformat takes the four numbers of VOC for corners as they stand. VOC counts pixels from
    1 and the last belongs to the box, so each of its boxes lacks a pixel to the left and above.
    A few files of NEU-DET name their image without its suffix."""
    right = []
    for picture in pictures:
        marks = []
        for class_name, ((x0, y0, x1, y1),) in picture.marks:
            marks.append(Seen(class_name, ((x0 - 1, y0 - 1, x1, y1),)))
        name = picture.name if "." in picture.name else f"{picture.name}.jpg"
        right.append(picture._replace(name=name, marks=tuple(marks)))
    return right


def yolo_table(folder: Path, data: Path, classes: Sequence[str]) -> Path:
    """A `data.yaml` for images and labels that lie elsewhere, with none of their own."""
    path = folder / "data.yaml"
    path.write_text(f"path: {data}\ntrain: images\nnames: [{', '.join(classes)}]\n")
    return path


def _rings(shape: object) -> tuple[Corners, ...]:
    if isinstance(shape, BoundingBox):
        return ((shape.xmin, shape.ymin, shape.xmax, shape.ymax),)
    if isinstance(shape, MultiPolygon):
        return tuple(_row(ring) for ring in shape.polygons)
    return ()


def _own_rings(shape: Shape | None) -> tuple[Corners, ...]:
    if isinstance(shape, BoxShape):
        assert not shape.angle
        return ((shape.x, shape.y, shape.x + shape.width, shape.y + shape.height),)
    return tuple(map(_row, shape.rings)) if isinstance(shape, PolygonShape) else ()


def _row(ring: Sequence[Point]) -> Corners:
    """Keenline leaves out a corner that only repeats another beside it; labelformat keeps it, as
    Roboflow's last corner, which is the first again."""
    points = [tuple(point) for point in ring]
    after = [*points[1:], points[0]]
    kept = [point for point, following in zip(points, after, strict=True) if point != following]
    return tuple(value for point in kept for value in point)
