"""Labels turned into a project file of VGG Image Annotator 2.x."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from keenline.annotation import Annotation, BoxShape, MaskShape, PolygonShape, PolylineShape, Shape
from keenline.data.formats.via_shapes import attributes_of
from keenline.data.formats.writing import Unsaid, write_file
from keenline.data.labels import LabelledImage, LabelProblem, Labels
from keenline.data.rasterise import polygon_of

FILE = "via_project.json"
CLASS = "class"
"""The attribute that is the class, of regions and of whole images."""


def write(labels: Labels, folder: Path) -> tuple[LabelProblem, ...]:
    """Write `via_project.json`; see `Format.write`. VIA opens it and finds images beside it."""
    file = folder / FILE
    unsaid = Unsaid(file)
    unsaid.facts(labels, {"attributes", "empty class", "unmarked image"})
    entries: dict[str, object] = {}
    names: set[str] = set()
    for image in labels.images:
        size = _bytes_of(image)
        whole: str = ""
        regions = []
        for mark in image.annotations:
            if mark.shape is None and whole:
                unsaid.mark(image, mark, f"the image is {whole} already", is_dropped=True)
            elif mark.shape is None:
                whole = mark.class_name
                if mark.attributes:
                    what = "attributes of a whole image"
                    unsaid.mark(image, mark, what, is_dropped=True)
            else:
                held = {name: value for name, value in mark.attributes if name != CLASS}
                names.update(held)
                for shape in attributes_of(_sayable(image, mark, mark.shape, unsaid)):
                    attributes = {CLASS: mark.class_name} | held
                    regions.append({"shape_attributes": shape, "region_attributes": attributes})
        entries[f"{image.name}{size}"] = {
            "filename": image.name,
            "size": size,
            "regions": regions,
            "file_attributes": {CLASS: whole} if whole else {},
        }
    classes = {"type": "dropdown", "options": dict.fromkeys(labels.classes, "")}
    free = {name: {"type": "text"} for name in sorted(names)}
    content = {
        "_via_settings": {"project": {"name": "keenline"}},
        "_via_img_metadata": entries,
        "_via_attributes": {"region": {CLASS: classes} | free, "file": {CLASS: classes}},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(entries),
    }
    write_file(file, json.dumps(content, ensure_ascii=False, indent=1))
    return unsaid.problems


def _sayable(image: LabelledImage, mark: Annotation, shape: Shape, unsaid: Unsaid) -> Shape:
    if isinstance(shape, MaskShape) or (isinstance(shape, BoxShape) and shape.angle):
        shape = polygon_of(shape)
        what = _rings("a polygon around it", shape)
        unsaid.mark(image, mark, what, is_dropped=not shape.rings)
    elif isinstance(shape, PolygonShape) and len(shape.rings) != 1:
        unsaid.mark(image, mark, _rings("", shape), is_dropped=not shape.rings)
    elif isinstance(shape, PolylineShape) and shape.width != 1:
        what = f"its line has no width, not {shape.width:g} pixels"
        unsaid.mark(image, mark, what, is_dropped=False)
    return shape


def _rings(what: str, shape: PolygonShape) -> str:
    return what if len(shape.rings) == 1 else f"{len(shape.rings)} regions, one for each part of it"


def _bytes_of(image: LabelledImage) -> int:
    """The size of the file, by which VIA knows it again; -1 where it is not at hand."""
    if image.path is None or PurePosixPath(image.name).name != image.path.name:
        return -1
    try:
        return image.path.stat().st_size
    except OSError:
        return -1
