"""Labels turned into LabelMe's JSON files."""

from __future__ import annotations

import base64
import json
from collections import Counter
from io import BytesIO
from itertools import count
from pathlib import Path, PurePosixPath

from PIL import Image as PillowImage

from keenline.annotation import (
    Annotation,
    BoxShape,
    EllipseShape,
    MaskShape,
    PolygonShape,
    PolylineShape,
    Shape,
)
from keenline.data.formats.labelme import FLAG, GOOD
from keenline.data.formats.writing import Unsaid, write_file
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.data.rasterise import mask_of, polygon_of

VERSION = "5.5.0"
"""Of LabelMe; the first with masks was 5.2."""


def write(labels: Labels, folder: Path) -> tuple[LabelProblem, ...]:
    """Write `NAME.json` for each image, without its pixels; see `Format.write`.

    Several rings become polygons of one `group_id`; a class of the whole image becomes a flag of
    the image; ellipses and turned boxes become polygons.
    """
    unsaid = Unsaid(folder)
    unsaid.facts(labels, {"attributes", "good", "unmarked image"})
    stems = Counter(PurePosixPath(image.name).with_suffix("") for image in labels.images)
    for image in labels.images:
        name = PurePosixPath(image.name)
        stem = name.with_suffix("") if stems[name.with_suffix("")] == 1 else name
        content = json.dumps(_content(image, unsaid), ensure_ascii=False, indent=2)
        write_file(folder / stem.parent / f"{stem.name}.json", content + "\n")
    return unsaid.problems


def _content(image: LabelledImage, unsaid: Unsaid) -> dict[str, object]:
    taken = {dict(mark.attributes).get("group_id") for mark in image.annotations}
    groups = (number for number in count(1) if str(number) not in taken)
    flags = {GOOD[0]: True} if image.is_good else {}
    shapes: list[dict[str, object]] = []
    for mark in image.annotations:
        if mark.shape is None:
            flags[mark.class_name] = True
            if mark.attributes:
                unsaid.mark(image, mark, "its attributes are left out", is_dropped=True)
            continue
        drawn = _drawn(image, mark, mark.shape, unsaid)
        if not drawn:
            unsaid.mark(image, mark, "it marks no pixel", is_dropped=True)
        own = _attributes(mark)
        if len(drawn) > 1 and own["group_id"] is None:
            own["group_id"] = next(groups)
        shapes += [{"label": mark.class_name, **one, **own} for one in drawn]
    width, height = image.size or (None, None)
    return {
        "version": VERSION,
        "flags": flags,
        "shapes": shapes,
        "imagePath": PurePosixPath(image.name).name,
        "imageData": None,
        "imageHeight": height,
        "imageWidth": width,
    }


def _attributes(mark: Annotation) -> dict[str, object]:
    own: dict[str, object] = {"group_id": None, "description": "", "flags": {}}
    flags: dict[str, object] = {}
    for name, value in mark.attributes:
        if name.startswith(FLAG):
            flags[name.removeprefix(FLAG)] = {"true": True, "false": False}.get(value, value)
        else:
            own[name] = int(value) if name == "group_id" and value.isdecimal() else value
    return own | {"flags": flags}


def _drawn(
    image: LabelledImage, mark: Annotation, shape: Shape, unsaid: Unsaid
) -> list[dict[str, object]]:
    """Points and type of each part."""
    if isinstance(shape, BoxShape) and not shape.angle:
        corner = [shape.x + shape.width, shape.y + shape.height]
        return [{"points": [[shape.x, shape.y], corner], "shape_type": "rectangle"}]
    if isinstance(shape, EllipseShape) and shape.radius_x == shape.radius_y:
        points = [[shape.x, shape.y], [shape.x + shape.radius_x, shape.y]]
        return [{"points": points, "shape_type": "circle"}]
    if isinstance(shape, PolylineShape):
        if shape.width != 1.0:
            unsaid.mark(image, mark, f"its width of {shape.width:g} is lost", is_dropped=False)
        kind = "line" if len(shape.points) == 2 else "linestrip"
        return [{"points": [list(point) for point in shape.points], "shape_type": kind}]
    if isinstance(shape, MaskShape):
        return [_mask(shape)]
    if not isinstance(shape, PolygonShape):
        words = type(shape).__name__.removesuffix("Shape").lower()
        unsaid.mark(image, mark, f"a turned {words} becomes a polygon", is_dropped=False)
    return [
        {"points": [list(point) for point in ring], "shape_type": "polygon"}
        for ring in polygon_of(shape, image.size).rings
    ]


def _mask(shape: MaskShape) -> dict[str, object]:
    own = MaskShape(0, 0, shape.width, shape.height, shape.runs)
    file = BytesIO()
    PillowImage.fromarray(mask_of(own, (shape.width, shape.height))).save(file, "PNG")
    last = [shape.x + shape.width - 1, shape.y + shape.height - 1]
    return {
        "points": [[shape.x, shape.y], last],
        "shape_type": "mask",
        "mask": base64.b64encode(file.getvalue()).decode("ascii"),
    }
