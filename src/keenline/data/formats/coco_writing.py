"""Labels turned into COCO's JSON."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from keenline.annotation import Annotation, BoxShape, MaskShape, PolygonShape
from keenline.data.formats.run_lengths import runs_of
from keenline.data.formats.writing import Unsaid, write_file
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.data.rasterise import bounds, mask_of, polygon_of

FILE = "annotations.json"
"""What is written, in a folder `train` or `test` for the images of such a split."""


def write(labels: Labels, folder: Path) -> tuple[LabelProblem, ...]:
    """Write `annotations.json`, one for each split; see `Format.write`.

    Masks are written as run lengths, turned boxes with CVAT's attribute `rotation`; ellipses and
    lines become polygons. Ids that are no numbers are replaced.
    """
    unsaid = Unsaid(folder / FILE)
    unsaid.facts(labels, {"id", "attributes", "split", "empty class", "unmarked image"})
    splits: defaultdict[str, list[LabelledImage]] = defaultdict(list)
    for image in labels.images:
        splits[image.split].append(image)
    named = [mark.class_name for image in labels.images for mark in image.annotations]
    ids = {name: place for place, name in enumerate(dict.fromkeys((*labels.classes, *named)), 1)}
    categories: list[dict[str, object]] = [{"id": ids[name], "name": name} for name in ids]
    for split, images in (splits or {"": []}).items():
        lists = {
            "images": [_described(place, image) for place, image in enumerate(images)],
            "annotations": _entries(images, ids, unsaid),
            "categories": categories,
        }
        write_file(folder / split / FILE, _text(lists))
    return unsaid.problems


def _text(lists: dict[str, list[dict[str, object]]]) -> str:
    """One entry a line, so that a line in a message leads to it."""
    parts = [
        f'"{name}": [\n'
        + ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
        + "\n]"
        for name, entries in lists.items()
    ]
    return "{" + ",\n".join(parts) + "}\n"


def _described(place: int, image: LabelledImage) -> dict[str, object]:
    size = {} if image.size is None else {"width": image.size[0], "height": image.size[1]}
    return {"id": place, "file_name": image.name, **size}


def _entries(
    images: Sequence[LabelledImage], ids: dict[str, int], unsaid: Unsaid
) -> list[dict[str, object]]:
    numbers = [mark.source_id for image in images for mark in image.annotations]
    are_kept = all(map(str.isdecimal, numbers)) and len(set(numbers)) == len(numbers)
    if any(numbers) and not are_kept:
        unsaid.add("ids that are no numbers, or there twice, are replaced", is_dropped=False)
    entries: list[dict[str, object]] = []
    for place, image in enumerate(images):
        for mark in image.annotations:
            drawn = _drawn(image, mark, unsaid)
            if drawn is None:
                continue
            attributes: dict[str, object] = dict(mark.attributes)
            is_crowd = attributes.pop("iscrowd", "0") == "1"
            if isinstance(mark.shape, BoxShape) and mark.shape.angle:
                attributes["rotation"] = mark.shape.angle
            entry = {
                "id": int(mark.source_id) if are_kept else len(entries) + 1,
                "image_id": place,
                "category_id": ids[mark.class_name],
                **drawn,
                "iscrowd": int(is_crowd),
            }
            entries.append({**entry, "attributes": attributes} if attributes else entry)
    return entries


def _drawn(image: LabelledImage, mark: Annotation, unsaid: Unsaid) -> dict[str, object] | None:
    """Box, area and segmentation; None where the format has no words for the mark."""
    shape = mark.shape
    if shape is None:
        unsaid.mark(image, mark, "a class of the whole image is left out", is_dropped=True)
        return None
    if isinstance(shape, BoxShape):
        box = [shape.x, shape.y, shape.width, shape.height]
        return {"bbox": box, "area": shape.width * shape.height}
    left, upper, right, lower = bounds(shape)
    box = [left, upper, right - left, lower - upper]
    area = int(mask_of(shape, image.size or (int(right) + 1, int(lower) + 1)).sum())
    if isinstance(shape, MaskShape) and image.size is not None:
        return {"bbox": box, "area": area, "segmentation": runs_of(shape, image.size)}
    outline = polygon_of(shape, image.size)
    if not isinstance(shape, PolygonShape):
        words = type(shape).__name__.removesuffix("Shape").lower()
        unsaid.mark(image, mark, f"a {words} becomes a polygon", is_dropped=False)
    flat = [[value for point in ring for value in point] for ring in outline.rings]
    return {"bbox": box, "area": area, "segmentation": flat}
