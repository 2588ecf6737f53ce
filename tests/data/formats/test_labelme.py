"""LabelMe: the contract, the words of other tools, and real files."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.data.formats.format_contract import (
    SHAPES,
    SIZE,
    Drawn,
    FormatContract,
    FormatRig,
    marks_of,
    named,
    only,
)
from tests.data.picture_files import blank

from keenline.annotation import (
    Annotation,
    BoxShape,
    EllipseShape,
    MaskShape,
    PolygonShape,
    PolylineShape,
)
from keenline.data.formats import Format
from keenline.data.labels import LabelledImage, Labels
from keenline.data.rasterise import mask_of
from keenline.errors import Code

LABELME: Format = named("labelme")
GOOD = {"label": "scratch", "points": [[30, 20], [10, 8]], "shape_type": "rectangle"}


def by_hand(folder: Path, marks: list[Drawn]) -> Path:
    for image in dict.fromkeys(mark.image for mark in marks):
        shapes = []
        for mark in marks:
            if mark.image == image and isinstance(box := mark.shape, BoxShape):
                points = [[box.x, box.y], [box.x + box.width, box.y + box.height]]
                shapes.append(shape("rectangle", points, mark.class_name))
            elif mark.image == image:
                points = [list(point) for point in mark.shape.rings[0]]
                shapes.append(shape("polygon", points, mark.class_name))
        put(folder, image, *shapes)
    return folder


def shape(kind: str, points: list, label: str = "scratch", **more: object) -> dict:
    usual = {"group_id": None, "description": "", "flags": {}}
    return {"label": label, "points": points, "shape_type": kind} | usual | more


def put(folder: Path, image: str, *shapes: object, **more: object) -> Path:
    path = folder / f"{Path(image).stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": image,
        "imageData": None,
        "imageHeight": SIZE[1],
        "imageWidth": SIZE[0],
    }
    path.write_text(json.dumps(content | more, indent=2))
    return path


def written(folder: Path, text: str) -> Path:
    path = folder / "a.json"
    path.write_text(text)
    return path


def picture(values: np.ndarray) -> str:
    file = BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


class TestLabelme(FormatContract):
    @pytest.fixture
    def rig(self) -> FormatRig:
        return FormatRig(
            LABELME,
            by_hand,
            malformed=lambda folder: put(
                folder, "a.png", GOOD, GOOD | {"points": [[1, 2], ["wide", 4]]}
            ),
            keeps=frozenset(
                {"box", "polygon", "rings", "polyline", "circle", "mask", "whole image"}
            ),
            empty=lambda folder: written(folder, ""),
            foreign=lambda folder: written(folder, '{"images": [], "annotations": []}'),
            annotated=Annotation(
                "scratch",
                SHAPES["box"],
                attributes=(
                    ("description", "near the edge"),
                    ("flags.deep", "true"),
                    ("flags.old", "false"),
                    ("group_id", "4"),
                    ("score", "0.5"),
                ),
            ),
        )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for grey, name in enumerate(("a.png", "b.png")):
        blank(tmp_path / "pictures" / name, 100 + grey, SIZE)
    return tmp_path / "pictures"


def one(pictures: Path, *shapes: object, **more: object) -> Labels:
    return LABELME.read(put(pictures, "a.png", *shapes, **more), None)


@pytest.mark.parametrize(
    ("kind", "points", "expected"),
    [
        ("circle", [[20, 20], [23, 24]], EllipseShape(20, 20, 5, 5)),
        ("rectangle", [[2, 2], [9, 2], [9, 5], [2, 5]], BoxShape(2, 2, 7, 3)),
        ("rectangle", [[9, 2], [16, 9], [9, 16], [2, 9]], None),
        ("line", [[2, 2], [9, 5]], PolylineShape(((2, 2), (9, 5)))),
        ("linestrip", [[2, 2], [9, 5], [4, 4]], PolylineShape(((2, 2), (9, 5), (4, 4)))),
        ("rotation", [[9, 2], [16, 9], [9, 16], [2, 9]], None),
        (None, [[9, 2], [16, 9], [9, 16], [2, 9]], None),
    ],
)
def test_shapes(pictures, kind, points, expected):
    labels = one(pictures, shape(kind, points))
    assert not labels.problems
    polygon = PolygonShape((tuple((float(x), float(y)) for x, y in points),))
    assert [mark.shape for mark in marks_of(labels)] == [expected or polygon]


def test_a_mask_lies_on_the_pixels_from_its_first_point(pictures):
    values = np.array([[0, 1, 1], [1, 0, 0]], np.uint8)
    for mode in (values, values.astype(bool), values * 255):
        labels = one(pictures, shape("mask", [[5, 6], [7, 7]], mask=picture(mode)))
        assert [mark.shape for mark in marks_of(labels)] == [MaskShape(5, 6, 3, 2, (1, 3, 2))]
        assert not labels.problems


@pytest.mark.parametrize(
    "entry",
    [
        shape("mask", [[5, 6], [7, 7]], mask="no base 64!"),
        shape("mask", [[5, 6], [7, 7]], mask="bm90IGEgUE5H"),
        shape("mask", [[5, 6], [7, 7]], mask=None),
        shape("mask", [[5, 6], [7, 7]], mask=picture(np.ones((2, 2), np.uint8))),
        shape("circle", [[5, 6]]),
        shape("rectangle", [[5, 6]]),
        shape("rectangle", [[5, 6], [7, 8], [9, 9]]),
        shape("polygon", [[5, 6, 7], [1, 2], [3, 4]]),
        shape("polygon", "5 6 7"),
        {"label": "scratch", "shape_type": "polygon"},
        "scratch",
    ],
)
def test_a_shape_that_cannot_be_right_is_listed(pictures, entry):
    labels = one(pictures, entry, GOOD)
    assert only(labels.problems, Code.LABEL_ENTRY).line is not None
    assert len(marks_of(labels)) == 1


@pytest.mark.parametrize("kind", ["point", "points", "cuboid", 5])
def test_a_shape_without_area_is_listed(pictures, kind):
    labels = one(pictures, shape(kind, [[5, 6]]), GOOD)
    assert only(labels.problems, Code.LABEL_SHAPE).is_dropped
    assert len(marks_of(labels)) == 1


def test_polygons_of_one_group_are_parts_of_one_mark(pictures):
    parts = [[[2, 2], [9, 2], [5, 9]], [[20, 20], [29, 20], [25, 29]]]
    labels = one(
        pictures,
        *(shape("polygon", part, group_id=3) for part in parts),
        shape("polygon", parts[0], "dent", group_id=3),
        shape("polygon", parts[1], "dent", group_id=0),
    )
    assert [len(mark.shape.rings) for mark in marks_of(labels)] == [2, 1, 1]
    assert not labels.problems


def test_a_mark_without_label_is_listed(pictures):
    assert only(one(pictures, GOOD | {"label": ""}).problems, Code.LABEL_CLASS).is_dropped


def test_flags_of_an_image(pictures):
    labels = one(pictures, flags={"dirty": True, "good": False, "old": False})
    assert marks_of(labels) == [Annotation("dirty")]
    labels = one(pictures, flags={"dirty": False, "good": True})
    assert [(image.is_good, image.annotations) for image in labels.images] == [(True, ())]


def test_pixels_in_the_file_of_a_missing_image_are_told(tmp_path):
    data = picture(np.zeros((48, 64), np.uint8))
    labels = LABELME.read(put(tmp_path, "gone.png", GOOD, imageData=data), None)
    assert "its pixels are in the label file" in only(labels.problems, Code.LABEL_IMAGE).what
    assert labels.images[0].size == SIZE
    assert len(marks_of(labels)) == 1


def test_a_size_that_is_not_given_is_that_of_the_image(pictures):
    labels = one(pictures, GOOD, imageHeight=None, imageWidth=None)
    assert not labels.problems
    assert labels.images[0].size == SIZE


@pytest.mark.parametrize(
    "named", ["../pictures/a.png", "..\\pictures\\a.png", "C:\\data\\a.png", "/home/x/a.png"]
)
def test_an_image_is_found_from_the_place_of_its_file(pictures, tmp_path, named):
    put(tmp_path / "json", "a.png", GOOD, imagePath=named)
    labels = LABELME.read(tmp_path, None)
    assert not labels.problems
    assert labels.images[0].path == pictures / "a.png"


def test_images_of_one_name_in_two_folders(tmp_path):
    for grey, folder in enumerate(("one", "two")):
        blank(tmp_path / folder / "a.png", 90 + grey, SIZE)
        put(tmp_path / folder, "a.png", GOOD)
    labels = LABELME.read(tmp_path, None)
    assert not labels.problems
    assert [image.path for image in labels.images] == [
        tmp_path / "one" / "a.png",
        tmp_path / "two" / "a.png",
    ]
    out = tmp_path / "out"
    assert LABELME.write(labels, out) == ()
    back = LABELME.read(out, tmp_path)
    assert [image.name for image in back.images] == ["one/a.png", "two/a.png"]


def test_good_images_are_written_as_such(tmp_path, pictures):
    image = LabelledImage("a.png", (), None, SIZE, is_good=True)
    assert LABELME.write(Labels("labelme", (image,), ()), tmp_path) == ()
    assert LABELME.read(tmp_path, pictures).images[0].is_good


def test_real_polygons_are_the_same_as_in_another_format(shared):
    labels = LABELME.read(shared / "data/formats/labelme", None)
    other = named("yolo").read(shared / "data/formats/yolo-seg", None)
    assert len(marks_of(labels)) == len(marks_of(other)) == 92
    masks = {Path(image.name).name: total(image) for image in labels.images}
    others = {Path(image.name).name: total(image) for image in other.images}
    assert masks.keys() == others.keys()
    for name, mask in masks.items():
        assert mask.any()
        assert np.array_equal(mask, others[name])


def total(image: LabelledImage) -> np.ndarray:
    """How many marks cover each pixel."""
    return np.sum([mask_of(mark.shape, image.size) for mark in image.annotations], axis=0)


def test_real_polygons_with_their_pixels_in_the_file(shared):
    labels = LABELME.read(shared / "data/bsdata", None)
    assert len(labels.images) == 45
    assert all(image.path is not None for image in labels.images)
    assert not labels.problems
    assert labels.counts == {"Pitting": 49}
