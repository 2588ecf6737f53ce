"""Labels turned into an NDJSON export of Labelbox, with masks beside it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from math import ceil
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image as PillowImage

from keenline.annotation import (
    Annotation,
    BoxShape,
    MaskShape,
    Point,
    PolygonShape,
    PolylineShape,
    Shape,
)
from keenline.data.formats.labelbox_objects import CLASS, QUESTION
from keenline.data.formats.writing import Unsaid, write_file
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.data.rasterise import bounds, mask_of, polygon_of

FILE = "labels.ndjson"
_Json: TypeAlias = dict[str, object]


def write(labels: Labels, folder: Path) -> tuple[LabelProblem, ...]:
    """Write `labels.ndjson`, a row an image, and `masks/`; see `Format.write`.

    Marks of one person at one time are one label. A mask's address is its path below the folder.
    """
    unsaid = Unsaid(folder / FILE)
    unsaid.facts(labels, {"annotator", "time", "id", "attributes", "split", "unmarked image"})
    rows = [
        json.dumps(_row(image, number, folder, unsaid), ensure_ascii=False)
        for number, image in enumerate(labels.images)
    ]
    write_file(folder / FILE, "".join(f"{row}\n" for row in rows))
    return unsaid.problems


def _row(image: LabelledImage, number: int, folder: Path, unsaid: Unsaid) -> _Json:
    row: _Json = {"data_row": {"id": f"{number}", "external_id": image.name}}
    if image.size is not None:
        row["media_attributes"] = {"width": image.size[0], "height": image.size[1]}
    if image.split:
        row["metadata_fields"] = [
            {"schema_name": "split", "value": [{"schema_name": image.split}]},
        ]
    labels: dict[tuple[str, str], tuple[list[_Json], list[_Json]]] = {}
    for place, mark in enumerate(image.annotations):
        key = mark.annotator, mark.time.isoformat() if mark.time else ""
        objects, classifications = labels.setdefault(key, ([], []))
        if mark.shape is None:
            classifications.append(_classification(mark))
            continue
        address = f"masks/{number:05d}-{place:03d}.png"
        for geometry in _geometries(image, mark, mark.shape, folder, address, unsaid):
            objects.append(_facts(mark) | geometry)
    row["projects"] = {
        "keenline": {
            "name": "keenline",
            "labels": [
                {
                    "label_kind": "Default",
                    "label_details": _details(*key),
                    "annotations": {"objects": objects, "classifications": classifications},
                }
                for key, (objects, classifications) in labels.items()
            ],
        }
    }
    return row


def _geometries(
    image: LabelledImage, mark: Annotation, shape: Shape, folder: Path, address: str, unsaid: Unsaid
) -> list[_Json]:
    """The objects that mark what `shape` marks, as well as Labelbox can say it."""
    if isinstance(shape, BoxShape) and not shape.angle:
        sides = {"left": shape.x, "top": shape.y, "width": shape.width, "height": shape.height}
        return [{"annotation_kind": "ImageBoundingBox", "bounding_box": sides}]
    if isinstance(shape, MaskShape):
        _write_mask(folder / address, shape, image.size)
        return [{"annotation_kind": "ImageSegmentationMask", "mask": {"url": address}}]
    if isinstance(shape, PolylineShape):
        if shape.width != 1:
            what = f"its line has no width, not {shape.width:g} pixels"
            unsaid.mark(image, mark, what, is_dropped=False)
        return [{"annotation_kind": "ImagePolyline", "line": _points(shape.points)}]
    polygon = polygon_of(shape)
    if not isinstance(shape, PolygonShape):
        unsaid.mark(image, mark, "a polygon around it", is_dropped=False)
    elif len(polygon.rings) != 1:
        what = f"{len(polygon.rings)} objects, one for each part of it"
        unsaid.mark(image, mark, what, is_dropped=not polygon.rings)
    kind = {"annotation_kind": "ImagePolygon"}
    return [kind | {"polygon": _points(ring)} for ring in polygon.rings]


def _facts(mark: Annotation) -> _Json:
    facts: _Json = {"name": mark.class_name, "value": mark.class_name}
    if mark.source_id:
        facts["feature_id"] = mark.source_id
    return facts | {"classifications": _questions(mark.attributes)}


def _classification(mark: Annotation) -> _Json:
    attributes = dict(mark.attributes)
    answer: _Json = {"name": mark.class_name, "value": mark.class_name}
    question = attributes.pop(QUESTION, CLASS)
    if attributes:
        answer["classifications"] = _questions(attributes.items())
    held: _Json = {"name": question, "radio_answer": answer}
    return held | ({"feature_id": mark.source_id} if mark.source_id else {})


def _questions(attributes: Iterable[tuple[str, str]]) -> list[_Json]:
    return [{"name": name, "text_answer": {"content": value}} for name, value in attributes]


def _details(annotator: str, time: str) -> _Json:
    details = {"created_by": annotator, "created_at": time}
    return {key: value for key, value in details.items() if value}


def _points(points: Iterable[Point]) -> list[_Json]:
    return [{"x": x, "y": y} for x, y in points]


def _write_mask(path: Path, shape: MaskShape, size: tuple[int, int] | None) -> None:
    _, _, right, lower = bounds(shape)
    mask = mask_of(shape, size or (ceil(right), ceil(lower)))
    content = io.BytesIO()
    PillowImage.fromarray(mask.astype(np.uint8) * 255).save(content, "PNG", optimize=True)
    write_file(path, content.getvalue())
