"""Labels turned into a manifest of SageMaker Ground Truth with masks beside it."""

from __future__ import annotations

import json
from math import ceil
from pathlib import Path, PurePosixPath
from typing import TypeGuard

from keenline.annotation import Annotation, BoxShape, MaskShape, Shape
from keenline.data.formats.manifest_masks import COLOUR, mask_file
from keenline.data.formats.writing import Unsaid, write_file
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.data.rasterise import bounds, mask_of

FILE = "labels.manifest"
_TYPE = "groundtruth"


def write(labels: Labels, folder: Path) -> tuple[LabelProblem, ...]:
    """Write `labels.manifest` and a mask for each mark that is no upright box.

    Boxes of one image that agree in who, when and attributes are one job. The first mask is named
    `anomaly-mask-ref`, as Lookout for Vision has it.
    """
    unsaid = Unsaid(folder / FILE)
    unsaid.facts(labels, {"annotator", "time", "attributes", "good", "unmarked image"})
    rows = []
    for number, image in enumerate(labels.images):
        row: dict[str, object] = {"source-ref": image.name}
        if image.is_good or any(mark.shape is not None for mark in image.annotations):
            word = "normal" if image.is_good else "anomaly"
            row["anomaly-label"] = int(not image.is_good)
            row["anomaly-label-metadata"] = {
                "class-name": word,
                "type": f"{_TYPE}/image-classification",
            }
        _whole_image(image, row)
        _boxes(image, row)
        _masks(image, row, folder, f"masks/{number:05d}-{PurePosixPath(image.name).stem}", unsaid)
        rows.append(json.dumps(row, ensure_ascii=False))
    write_file(folder / FILE, "".join(f"{row}\n" for row in rows))
    return unsaid.problems


def _whole_image(image: LabelledImage, row: dict[str, object]) -> None:
    marks = (mark for mark in image.annotations if mark.shape is None)
    for place, mark in enumerate(marks):
        key = f"class{_order(place)}"
        row[key] = 0
        about = {"class-name": mark.class_name, "type": f"{_TYPE}/image-classification"}
        row[f"{key}-metadata"] = _facts(mark) | about


def _boxes(image: LabelledImage, row: dict[str, object]) -> None:
    jobs: dict[str, list[tuple[Annotation, BoxShape]]] = {}
    for mark in image.annotations:
        if _is_box(mark.shape):
            jobs.setdefault(json.dumps(_facts(mark)), []).append((mark, mark.shape))
    for place, (facts, marks) in enumerate(jobs.items()):
        key = f"boxes{_order(place)}"
        names = list(dict.fromkeys(mark.class_name for mark, _ in marks))
        row[key] = {
            "image_size": _sizes(image),
            "annotations": [
                {
                    "class_id": names.index(mark.class_name),
                    "left": shape.x,
                    "top": shape.y,
                    "width": shape.width,
                    "height": shape.height,
                }
                for mark, shape in marks
            ],
        }
        row[f"{key}-metadata"] = {
            **json.loads(facts),
            "class-map": {str(at): name for at, name in enumerate(names)},
            "type": f"{_TYPE}/object-detection",
        }


def _masks(
    image: LabelledImage, row: dict[str, object], folder: Path, stem: str, unsaid: Unsaid
) -> None:
    place = 0
    for mark in image.annotations:
        shape = mark.shape
        if shape is None or _is_box(shape):
            continue
        if not isinstance(shape, MaskShape):
            unsaid.mark(image, mark, "the mask of its pixels", is_dropped=False)
        mask = mask_of(shape, image.size or _reach(shape))
        if not mask.any():
            unsaid.mark(image, mark, "it marks no pixel", is_dropped=True)
            continue
        name = f"{stem}{_order(place)}.png"
        write_file(folder / name, mask_file(mask))
        key = f"anomaly-mask{_order(place)}-ref"
        row[key] = name
        row[f"{key}-metadata"] = {
            **_facts(mark),
            "internal-color-map": {"0": {"class-name": mark.class_name, "hex-color": COLOUR}},
            "type": f"{_TYPE}/semantic-segmentation",
        }
        place += 1


def _facts(mark: Annotation) -> dict[str, str]:
    """What a job's metadata says of a mark besides its class."""
    facts = dict(mark.attributes)
    if mark.annotator:
        facts["annotator"] = mark.annotator
    if mark.time is not None:
        facts["creation-date"] = mark.time.isoformat()
    return facts


def _sizes(image: LabelledImage) -> list[dict[str, int]]:
    if image.size is None:
        return []
    return [{"width": image.size[0], "height": image.size[1], "depth": 3}]


def _is_box(shape: Shape | None) -> TypeGuard[BoxShape]:
    return isinstance(shape, BoxShape) and not shape.angle


def _reach(shape: Shape) -> tuple[int, int]:
    _, _, right, lower = bounds(shape)
    return max(ceil(right), 1), max(ceil(lower), 1)


def _order(place: int) -> str:
    return f"-{place + 1}" if place else ""
