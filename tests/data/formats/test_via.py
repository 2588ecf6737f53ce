"""VGG Image Annotator: the contract, its two versions in JSON and CSV, and real files."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
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

from keenline.annotation import Annotation, BoxShape, EllipseShape, PolygonShape, PolylineShape
from keenline.data.formats import Format
from keenline.errors import Code, LabelError

VIA: Format = named("via")
RECT = {"name": "rect", "x": 10, "y": 8, "width": 20, "height": 12}


def region(shape: object, **attributes: object) -> dict[str, object]:
    return {"shape_attributes": shape, "region_attributes": attributes}


def attributes_of(mark: Drawn) -> dict[str, object]:
    if isinstance(mark.shape, BoxShape):
        box = mark.shape
        sides = {"x": box.x, "y": box.y, "width": box.width, "height": box.height}
        return {"name": "rect"} | sides
    (corners,) = mark.shape.rings
    xs, ys = ([point[axis] for point in corners] for axis in (0, 1))
    return {"name": "polygon", "all_points_x": xs, "all_points_y": ys}


def grouped(marks: list[Drawn]) -> dict[str, list[dict[str, object]]]:
    images: dict[str, list[dict[str, object]]] = {}
    for mark in marks:
        found = region(attributes_of(mark), type=mark.class_name)
        images.setdefault(mark.image, []).append(found)
    return images


def entries(images: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    return {
        f"{name}123": {"filename": name, "size": 123, "regions": held, "file_attributes": {}}
        for name, held in images.items()
    }


def put(folder: Path, content: object) -> Path:
    path = folder / "via_region_data.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return path


def version_1(folder: Path, marks: list[Drawn]) -> Path:
    found = entries(grouped(marks))
    for entry in found.values():
        entry["regions"] = {str(at): one for at, one in enumerate(entry["regions"])}
        entry |= {"fileref": "", "base64_img_data": ""}
    return put(folder, found)


def project(folder: Path, marks: list[Drawn]) -> Path:
    found = {"_via_settings": {"core": {}}, "_via_img_metadata": entries(grouped(marks))}
    return put(folder, found | {"_via_attributes": {"region": {}, "file": {}}})


def table(folder: Path, marks: list[Drawn]) -> Path:
    path = folder / "via_region_data.csv"
    head = ["filename", "file_size", "file_attributes", "region_count", "region_id"]
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*head, "region_shape_attributes", "region_attributes"])
        for name, regions in grouped(marks).items():
            for at, one in enumerate(regions):
                cells = [json.dumps(one[f"{of}_attributes"]) for of in ("shape", "region")]
                rows.writerow([name, 123, "{}", len(regions), at, *cells])
    return path


BAD = region(RECT | {"x": "left"}, type="scratch")


def of_version(by_hand, malformed, suffix: str) -> FormatRig:
    def written(folder: Path, text: str) -> Path:
        path = folder / f"labels{suffix}"
        path.write_text(text)
        return path

    other = '{"images": [], "annotations": []}' if suffix == ".json" else "a,b,c\n1,2,3\n"
    return FormatRig(
        VIA,
        by_hand,
        malformed=malformed,
        keeps=frozenset({"box", "polygon", "polyline", "circle", "ellipse", "whole image"}),
        empty=lambda folder: written(folder, ""),
        foreign=lambda folder: written(folder, other),
        annotated=Annotation(
            "scratch", BoxShape(10, 8, 20, 12), attributes=(("depth", "2 < 3"), ("note", "é\n"))
        ),
    )


class TestVia1(FormatContract):
    @pytest.fixture
    def rig(self) -> FormatRig:
        held = {"0": region(RECT, type="scratch"), "1": BAD}
        return of_version(version_1, lambda folder: put(folder, entries({"a.png": held})), ".json")


class TestViaProject(FormatContract):
    @pytest.fixture
    def rig(self) -> FormatRig:
        held = [region(RECT, type="scratch"), region("rect", type="scratch")]
        return of_version(project, lambda folder: put(folder, entries({"a.png": held})), ".json")


class TestViaTable(FormatContract):
    @pytest.fixture
    def rig(self) -> FormatRig:
        def malformed(folder: Path) -> Path:
            path = table(folder, [Drawn("a.png", "scratch", BoxShape(10, 8, 20, 12))])
            path.write_text(path.read_text() + 'a.png,123,{},2,1,"{""name"": ""rect",{}\n')
            return path

        return of_version(table, malformed, ".csv")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return blank(tmp_path / "a.png", 100, SIZE)


def reading(picture: Path, *regions: object, **more: object):
    folder = picture.parent
    content = {"_via_img_metadata": entries({"a.png": list(regions)})} | more
    return VIA.read(put(folder, content), folder)


def test_each_shape_is_read(picture):
    labels = reading(
        picture,
        region({"name": "circle", "cx": 20, "cy": 10, "r": "5"}, type="pit"),
        region({"name": "ellipse", "cx": 20, "cy": 10, "rx": 5, "ry": 3}, type="pit"),
        region(
            {"name": "ellipse", "cx": 20, "cy": 10, "rx": 5, "ry": 3, "theta": math.pi / 6},
            type="pit",
        ),
        region({"name": "polyline", "all_points_x": [1, 3], "all_points_y": [2, 4]}, type="pit"),
    )
    assert not labels.problems
    round_one, flat, turned, line = [mark.shape for mark in marks_of(labels)]
    assert round_one == EllipseShape(20, 10, 5, 5)
    assert flat == EllipseShape(20, 10, 5, 3)
    assert turned.angle == pytest.approx(30)
    assert line == PolylineShape(((1, 2), (3, 4)))


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (region({"name": "point", "cx": 1, "cy": 2}, type="pit"), Code.LABEL_SHAPE),
        (region({"name": "star"}, type="pit"), Code.LABEL_ENTRY),
        (region({"name": ["rect"]}, type="pit"), Code.LABEL_ENTRY),
        (region(None, type="pit"), Code.LABEL_ENTRY),
        (region({"name": "polygon", "all_points_x": [1, 2, 3]}, type="pit"), Code.LABEL_ENTRY),
        (
            region({"name": "polygon", "all_points_x": [1], "all_points_y": [1, 2]}, type="pit"),
            Code.LABEL_ENTRY,
        ),
        (region({"name": "rect", "x": True, "y": 1}, type="pit"), Code.LABEL_ENTRY),
        (region(RECT | {"x": 11}, type={"pit": True, "dent": True}), Code.LABEL_ENTRY),
        (region(RECT | {"x": 11}, type=["pit"]), Code.LABEL_ENTRY),
        (region(RECT | {"x": 11}), Code.LABEL_CLASS),
        ("rect", Code.LABEL_ENTRY),
    ],
)
def test_a_region_that_says_nothing_is_listed(picture, bad, code):
    labels = reading(picture, region(RECT, type="scratch"), bad)
    told = only(labels.problems, code)
    assert told.is_dropped
    assert told.line is not None
    assert len(marks_of(labels)) == 1


def test_the_attribute_with_options_is_the_class_and_the_choice_is_told(picture):
    labels = reading(
        picture,
        region(RECT, name="left", kind="pit"),
        _via_attributes={
            "region": {
                "name": {"type": "text"},
                "kind": {"type": "radio", "options": {"dent": "", "pit": ""}},
            }
        },
    )
    assert labels.classes == ("dent", "pit")
    assert marks_of(labels)[0].attributes == (("name", "left"),)
    told = only(labels.problems, Code.LABEL_CLASS)
    assert not told.is_dropped
    assert "kind" in told.what
    assert "name" in told.what


def test_a_single_ticked_box_is_a_class(picture):
    labels = reading(picture, region(RECT, kind={"pit": True, "dent": False}))
    assert [mark.class_name for mark in marks_of(labels)] == ["pit"]


def test_regions_without_any_attribute_are_defects(picture):
    labels = reading(picture, region(RECT))
    assert labels.counts == {"defect": 1}
    assert not only(labels.problems, Code.LABEL_CLASS).is_dropped


def test_attributes_of_a_file_are_listed_or_are_its_class(picture):
    content = entries({"a.png": []})
    content["a.png123"]["file_attributes"] = {"kind": "pit", "shift": "2", "caption": ""}
    options = {"file": {"kind": {"type": "radio", "options": {"pit": "", "dent": ""}}}}
    path = put(picture.parent, {"_via_img_metadata": content, "_via_attributes": options})
    labels = VIA.read(path, None)
    (mark,) = marks_of(labels)
    assert (mark.class_name, mark.shape) == ("pit", None)
    assert "shift" in only(labels.problems, Code.LABEL_ENTRY).what


def test_an_entry_that_is_no_image_is_listed(picture):
    content = entries({"a.png": [region(RECT, type="pit")]})
    content |= {"b.png1": {"size": 1}, "c.png": 3}
    labels = VIA.read(put(picture.parent, content), None)
    assert [problem.code for problem in labels.problems] == [Code.LABEL_ENTRY] * 2
    assert len(marks_of(labels)) == 1


@pytest.mark.parametrize("text", ["[1, 2]", "3", "{}", '{"a": {"regions": []}}'])
def test_other_json_is_refused(tmp_path, text):
    with pytest.raises(LabelError) as caught:
        VIA.read(put(tmp_path, text), None)
    assert caught.value.code == Code.LABEL_FILE


def test_the_rows_of_a_table_keep_their_lines(picture):
    path = table(picture.parent, [Drawn("a.png", "scratch", SHAPES["box"])])
    path.write_text(path.read_text() + "a.png,1,{},2,1,{},\nb.png,1,{},0,0,{},{}\n")
    labels = VIA.read(path, None)
    assert [(problem.code, problem.line) for problem in labels.problems] == [
        (Code.LABEL_ENTRY, 3),
        (Code.LABEL_IMAGE, 4),
    ]
    assert [len(image.annotations) for image in labels.images] == [1, 0]


def test_real_polygons_of_version_1(shared):
    # 23 images, 90 polygons, counted with json; no region of this file bears an attribute.
    labels = VIA.read(shared / "data" / "formats" / "via1", None)
    assert len(labels.images) == 23
    assert labels.counts == {"defect": 90}
    assert all(image.path is not None for image in labels.images)
    assert (
        only(
            [one for one in labels.problems if one.code == Code.LABEL_CLASS], Code.LABEL_CLASS
        ).line
        is None
    )
    first = labels.images[0].annotations[0].shape
    assert isinstance(first, PolygonShape)
    assert first.rings[0][0] == (161, 164)
    assert len(first.rings[0]) == 18


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("via_region_data.json", {"damage": 12}),
        ("car-damage-val.json", {"damage": 12}),
        (
            "val_multiclass.json",
            {"headlamp": 10, "rear_bumper": 3, "front_bumper": 4, "hood": 3, "door": 4},
        ),
    ],
)
def test_real_files_of_version_2(shared, name, counts):
    # Counted with json in the files.
    path = shared / "data" / "formats" / "via2" / name
    assert VIA.recognises(path)
    labels = VIA.read(path, None)
    assert len(labels.images) == 8
    assert labels.counts == counts
