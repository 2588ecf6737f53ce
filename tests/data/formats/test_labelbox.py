"""Labelbox: the contract for each kind of file, what they nest, and real exports."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.data.formats.format_contract import (
    Drawn,
    FormatContract,
    FormatRig,
    marks_of,
    named,
    only,
)
from tests.data.formats.marked_shapes import SIZE
from tests.data.picture_files import blank, spotted

from keenline.annotation import Annotation, BoxShape, MaskShape, PolygonShape, PolylineShape
from keenline.data.formats import Format
from keenline.data.labels import Labels
from keenline.errors import Code, LabelError

BOX: Format = named("labelbox")
GOOD = {"title": "scratch", "bbox": {"left": 10, "top": 8, "width": 20, "height": 12}}


def geometry(mark: Drawn, box: str) -> dict[str, object]:
    if isinstance(mark.shape, BoxShape):
        at = mark.shape
        return {box: {"left": at.x, "top": at.y, "width": at.width, "height": at.height}}
    return {"polygon": [{"x": x, "y": y} for x, y in mark.shape.rings[0]]}


def v1_row(image: str, *objects: object, **more: object) -> dict[str, object]:
    address = f"https://storage.labelbox.com/abc%2F{image}?Expires=1&Signature=x"
    return {
        "ID": f"label-{image}",
        "DataRow ID": f"row-{image}",
        "Labeled Data": address,
        "Label": {"objects": list(objects), "classifications": [], "relationships": []},
        "Created By": "anna@example.com",
        "Created At": "2021-09-02T22:23:24.000Z",
        "External ID": image,
        "Skipped": False,
    } | more


def v1(folder: Path, marks: list[Drawn]) -> Path:
    images = dict.fromkeys(mark.image for mark in marks)
    rows = []
    for image in images:
        mine = (mark for mark in marks if mark.image == image)
        rows.append(
            v1_row(image, *({"title": one.class_name} | geometry(one, "bbox") for one in mine))
        )
    return put(folder, rows)


def imports(folder: Path, marks: list[Drawn]) -> Path:
    """One annotation a line, as it is imported."""
    rows = [
        {"uuid": f"u{at}", "name": mark.class_name, "dataRow": {"globalKey": mark.image}}
        | geometry(mark, "bbox")
        for at, mark in enumerate(marks)
    ]
    return lines(folder, *rows)


def export(folder: Path, marks: list[Drawn]) -> Path:
    rows = []
    for image in dict.fromkeys(mark.image for mark in marks):
        mine = (mark for mark in marks if mark.image == image)
        objects = [{"name": one.class_name} | geometry(one, "bounding_box") for one in mine]
        rows.append(export_row(image, {"objects": objects, "classifications": []}))
    return lines(folder, *rows)


def export_row(image: str, annotations: object) -> dict[str, object]:
    label = {
        "label_details": {"created_by": "anna", "created_at": "2023-01-02T03:04:05Z"},
        "annotations": annotations,
    }
    return {
        "data_row": {"id": f"row-{image}", "external_id": image, "row_data": "https://x/y"},
        "media_attributes": {"width": SIZE[0], "height": SIZE[1]},
        "projects": {"p1": {"name": "parts", "labels": [label]}},
    }


def put(folder: Path, content: object) -> Path:
    path = folder / "export.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return path


def lines(folder: Path, *rows: object) -> Path:
    path = folder / "export.ndjson"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def rig_of(by_hand, malformed) -> FormatRig:
    return FormatRig(
        BOX,
        by_hand,
        malformed=malformed,
        keeps=frozenset({"box", "polygon", "polyline", "mask", "whole image"}),
        empty=lambda folder: put(folder, ""),
        foreign=lambda folder: put(folder, [{"image": "a.png", "label": 3}]),
        annotated=Annotation(
            "scratch",
            BoxShape(10, 8, 20, 12),
            "anna",
            datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
            "clx1",
            (("confidence", "0.5"), ("depth", "2 < 3")),
        ),
        keeps_splits=True,
    )


class TestLabelboxV1(FormatContract):
    @pytest.fixture
    def rig(self) -> FormatRig:
        bad = {"title": "scratch", "bbox": {"left": "left", "top": 1, "width": 2, "height": 3}}
        return rig_of(v1, lambda folder: put(folder, [v1_row("a.png", GOOD, bad)]))


class TestLabelboxImport(FormatContract):
    @pytest.fixture
    def rig(self) -> FormatRig:
        row = {"name": "scratch", "dataRow": {"id": "a.png"}, "bbox": GOOD["bbox"]}
        return rig_of(imports, lambda folder: lines(folder, row, row | {"bbox": None}))


class TestLabelboxExport(FormatContract):
    @pytest.fixture
    def rig(self) -> FormatRig:
        held = {"objects": [GOOD, {"name": "scratch"}]}
        return rig_of(export, lambda folder: lines(folder, export_row("a.png", held)))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return blank(tmp_path / "images" / "a.png", 100, SIZE)


def legacy(picture: Path, label: object, **more: object) -> Labels:
    row = {"ID": "x", "Labeled Data": "https://x/a.png", "Label": label, "External ID": None}
    return BOX.read(put(picture.parent, [row | more]), None)


CORNERS = ((10, 8), (40, 9), (35, 30))
ABOVE = PolygonShape((tuple((x, SIZE[1] - y) for x, y in CORNERS),))
POINTS = [{"x": x, "y": y} for x, y in CORNERS]


@pytest.mark.parametrize(
    "value",
    [
        [POINTS],
        [{"geometry": POINTS}],
        [{"geometry": "POLYGON ((10 8, 40 9, 35 30, 10 8))"}],
        "MULTIPOLYGON (((10 8, 40 9, 35 30, 10 8)))",
        "POLYGON((10 8,40 9,35 30,10 8))",
        "MULTIPOLYGON (((1e1 8.0, 40 9, 35 30)))",
    ],
)
def test_old_exports_count_from_the_lower_edge(picture, value):
    labels = legacy(picture, {"scratch": value})
    assert not labels.problems
    (mark,) = marks_of(labels)
    assert (mark.class_name, mark.shape) == ("scratch", ABOVE)


def test_where_an_old_export_has_no_image_its_marks_are_as_written(tmp_path):
    row = {"Labeled Data": "https://x/b.png", "Label": {"scratch": [POINTS], "model": "robot"}}
    labels = BOX.read(put(tmp_path, [row]), None)
    assert [problem.is_dropped for problem in labels.problems] == [True, False]
    assert "lower edge" in labels.problems[1].what
    polygon, word = marks_of(labels)
    assert polygon.shape == PolygonShape((CORNERS,))
    assert (word.class_name, word.shape, word.attributes) == (
        "robot",
        None,
        (("question", "model"),),
    )


def test_each_polygon_of_an_old_export_is_a_mark(picture):
    written = "MULTIPOLYGON (((1 1, 9 1, 9 9)), ((20 1, 29 1, 29 9)))"
    labels = legacy(picture, {"scratch": written, "pit": "LINESTRING (1 2, 3 4)", "x": ""})
    assert labels.counts == {"scratch": 2, "pit": 1}
    assert marks_of(labels)[2].shape == PolylineShape(((1, 46), (3, 44)))


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("POINT (1 2)", Code.LABEL_SHAPE),
        ("POLYGON ((1 2, 3))", Code.LABEL_ENTRY),
        ("POLYGON ((a b))", Code.LABEL_ENTRY),
        ("POLYGON ((1 1, 30 1, 30 30), (5 5, 6 5, 6 6))", Code.LABEL_ENTRY),
        ("MULTIPOLYGON (())", Code.LABEL_ENTRY),
        ([{"geometry": {"x": 1, "y": 2}}], Code.LABEL_ENTRY),
        ([{"geometry": "nowhere"}], Code.LABEL_ENTRY),
        ([3], Code.LABEL_ENTRY),
        (3, Code.LABEL_ENTRY),
    ],
)
def test_an_old_geometry_that_says_nothing_is_listed(picture, value, code):
    labels = legacy(picture, {"scratch": [POINTS], "pit": value})
    assert only(labels.problems, code).line is not None
    assert labels.counts == {"scratch": 1}


@pytest.mark.parametrize("more", [{"Skipped": True}, {"Label": "Skip"}])
def test_a_skipped_image_is_listed(picture, more):
    labels = legacy(picture, {}, **{"Created By": "anna"} | more)
    assert "skipped by anna" in only(labels.problems, Code.LABEL_ENTRY).what
    assert not labels.images


def test_rows_of_two_people_are_put_together(picture):
    rows = [v1_row("a.png", GOOD), v1_row("a.png", GOOD) | {"Created By": "ben"}]
    labels = BOX.read(put(picture.parent, rows), None)
    assert not labels.problems
    assert [mark.annotator for mark in marks_of(labels)] == ["anna@example.com", "ben"]
    assert labels.images[0].name == "a.png"


def test_answers_are_attributes_of_objects_and_classes_of_images(picture):
    nested = {"title": "deep", "answer": {"title": "yes"}}
    answer = {"title": "shallow", "classifications": [nested]}
    several = {"title": "kinds", "answers": [{"title": "wet"}, {"title": "dry"}]}
    held = GOOD | {
        "featureId": "f1",
        "classifications": [[{"title": "depth", "answer": answer}, several]],
    }
    row = v1_row("a.png", held, **{"Data Split": "Training"})
    row["Label"]["classifications"] = [
        {"title": "surface", "answer": {"title": "pitted"}},
        {"title": "note", "answer": "look here"},
    ]
    labels = BOX.read(put(picture.parent, row), None)
    assert "look here" in only(labels.problems, Code.LABEL_ENTRY).what
    mark, whole = marks_of(labels)
    assert mark.attributes == (("deep", "yes"), ("depth", "shallow"), ("kinds", "wet, dry"))
    assert (mark.source_id, mark.time) == ("f1", datetime(2021, 9, 2, 22, 23, 24, tzinfo=UTC))
    assert (whole.class_name, whole.attributes) == ("pitted", (("question", "surface"),))
    assert labels.images[0].split == "train"


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        ({"title": "x", "point": {"x": 1, "y": 2}}, Code.LABEL_SHAPE),
        ({"title": "x", "instanceURI": "https://x/masks/1?token=secret"}, Code.LABEL_SHAPE),
        ({"title": "x", "mask": {"png": "iVBO"}}, Code.LABEL_SHAPE),
        ({"title": "x", "segments": []}, Code.LABEL_SHAPE),
        ({"title": "x", "polygon": [{"x": 1}]}, Code.LABEL_ENTRY),
        ({"title": "x", "polygon": [3]}, Code.LABEL_ENTRY),
        ({"title": "x", "line": 3}, Code.LABEL_ENTRY),
        ({"bbox": GOOD["bbox"]}, Code.LABEL_ENTRY),
        (GOOD | {"classifications": [{"title": "q", "answer": [3]}]}, Code.LABEL_ENTRY),
        (3, Code.LABEL_ENTRY),
    ],
)
def test_an_object_that_says_nothing_is_listed(picture, bad, code):
    labels = BOX.read(put(picture.parent, [v1_row("a.png", GOOD, bad)]), None)
    told = only(labels.problems, code)
    assert told.line is not None
    assert "secret" not in told.what
    assert len(marks_of(labels)) == 1


def test_a_mask_that_lies_there_is_read(picture):
    spotted(picture.parent / "m.png", SIZE)
    held = {"title": "pit", "instanceURI": "https://x/masks/m.png?token=1"}
    labels = BOX.read(put(picture.parent, [v1_row("a.png", held)]), None)
    assert not labels.problems
    assert marks_of(labels)[0].shape == MaskShape(5, 4, 4, 4, (0, 16))


@pytest.mark.parametrize(
    ("size", "grey", "code"),
    [((9, 9), 255, Code.LABEL_IMAGE_SIZE), (SIZE, 0, Code.LABEL_NO_AREA)],
)
def test_a_mask_that_says_nothing_is_listed(picture, size, grey, code):
    blank(picture.parent / "m.png", grey, size)
    held = {"title": "pit", "mask": {"url": "masks/m.png"}}
    labels = BOX.read(put(picture.parent, [v1_row("a.png", held)]), None)
    only(labels.problems, code)
    assert not marks_of(labels)


@pytest.mark.parametrize(
    "row",
    [
        {"Labeled Data": "", "Label": {}},
        {"Labeled Data": "b.png", "Label": 3},
        {"data_row": {}},
        {"data_row": {"id": "b"}, "media_attributes": {"width": "w", "height": 2}},
        {"data_row": {"external_id": "a.png"}, "projects": {"p": {"labels": [3]}}},
        {"dataRow": {}, "name": "x"},
        {"name": "x"},
    ],
)
def test_a_row_that_says_nothing_is_listed(picture, row):
    labels = BOX.read(lines(picture.parent, v1_row("a.png", GOOD), row), None)
    told = [problem for problem in labels.problems if problem.code == Code.LABEL_ENTRY]
    assert [problem.line for problem in told] == [2]
    assert len(marks_of(labels)) == 1


def test_a_broken_line_is_listed(picture):
    path = lines(picture.parent, v1_row("a.png", GOOD), v1_row("b.png"))
    path.write_text(path.read_text() + '{"data_row": \n')
    blank(picture.parent / "b.png", 9, SIZE)
    assert only(BOX.read(path, None).problems, Code.LABEL_ENTRY).line == 3


@pytest.mark.parametrize("text", ["[]", "3", "{}", "[1, 2]"])
def test_other_json_is_refused(tmp_path, text):
    with pytest.raises(LabelError) as caught:
        BOX.read(put(tmp_path, text), None)
    assert caught.value.code == Code.LABEL_FILE


REAL = {
    # Counted with json: 3215 polygons and 2676 words in 2686 rows; one image is there twice with
    # three marks and one with two, one polygon has two corners, and two rows are skipped.
    "legacy/labelbox-xy-1.json": (
        2684,
        {"robot": 1778, "person": 2941, "person-robot": 572, "none": 594},
        {Code.LABEL_DUPLICATE: 5, Code.LABEL_ENTRY: 2, Code.LABEL_NO_AREA: 1},
    ),
    "legacy/labelbox_1.json": (10, {"Car": 10}, {}),
    "legacy/labelbox_2.json": (2, {"Car": 4, "Tree": 2, "Road Sign": 1}, {}),
    "legacy/labelbox_xy_1.json": (2, {"Car": 3, "Tree": 2, "Road Sign": 1, "Person": 1}, {}),
    "v1/image_export.json": (
        1,
        {"bounding_box": 4, "polygon": 2, "polyline": 2},
        {Code.LABEL_SHAPE: 2},
    ),
    "v1/unkown_media_type_export.json": (
        3,
        {"obj": 2, "op1": 1, "op2": 1},
        {Code.LABEL_ENTRY: 1},
    ),
    "v1/video_export.json": (1, {}, {Code.LABEL_SHAPE: 1}),
    "v1/tiled_image_export.json": (0, {}, {Code.LABEL_SHAPE: 2}),
    "ndjson/rectangle_import.json": (1, {"bbox": 1}, {}),
    "ndjson/polyline_import.json": (1, {"some-line": 1}, {}),
    "ndjson/image_import.json": (
        1,
        {"ckrazcueb16og0z6609jj7y3y": 1, "ckrazcuec16oi0z66dzrd8pfl": 1},
        {Code.LABEL_SHAPE: 2},
    ),
    "ndjson/nested_import.json": (
        1,
        {"ckrb1sfjx099a0y914hl319ie": 2},
        {Code.LABEL_DUPLICATE: 2},
    ),
    "ndjson/video_import.json": (
        1,
        {"ckrb1sfl8099g0y91cxbd5ftb": 1, "ckrb1sfl8099e0y919v260awv": 1},
        {Code.LABEL_SHAPE: 3, Code.LABEL_ENTRY: 1},
    ),
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_real_exports(shared, name):
    images, counts, problems = REAL[name]
    path = shared / "data" / "formats" / "labelbox" / name
    assert BOX.recognises(path)
    labels = BOX.read(path, None)
    assert len(labels.images) == images
    assert labels.counts == counts
    # their images are addresses, so that each is missing
    told = Counter(one.code for one in labels.problems if one.code != Code.LABEL_IMAGE)
    assert told == problems
