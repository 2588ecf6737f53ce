"""YOLO: the contract, the words of other tools, and real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
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

from keenline.annotation import Annotation, BoxShape, PolygonShape
from keenline.data.formats import Format
from keenline.data.formats.yolo_names import data_set
from keenline.data.labels import LabelledImage, Labels
from keenline.data.rasterise import mask_of
from keenline.errors import Code, LabelError

YOLO: Format = named("yolo")
printable = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1
)
GOOD = f"0 {20 / 64} {14 / 48} {20 / 64} {12 / 48}\n"


def by_hand(folder: Path, marks: list[Drawn]) -> Path:
    classes = list(dict.fromkeys(mark.class_name for mark in marks))
    for image in dict.fromkeys(mark.image for mark in marks):
        lines = [
            f"{classes.index(mark.class_name)} {shares(mark.shape)}\n"
            for mark in marks
            if mark.image == image
        ]
        put(folder, f"labels/{Path(image).stem}.txt", "".join(lines))
    put(folder, "data.yaml", f"train: images\nval: images\nnc: {len(classes)}\nnames: {classes}\n")
    return folder


def shares(shape: BoxShape | PolygonShape) -> str:
    if isinstance(shape, BoxShape):
        middle = (shape.x + shape.width / 2) / 64, (shape.y + shape.height / 2) / 48
        values = [*middle, shape.width / 64, shape.height / 48]
    else:
        values = [value for x, y in shape.rings[0] for value in (x / 64, y / 48)]
    return " ".join(f"{value:.12g}" for value in values)


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def one_file(folder: Path, text: str, names: str = "scratch\n") -> Path:
    put(folder, "classes.txt", names)
    return put(folder, "a.txt", text)


class TestYolo(FormatContract):
    @pytest.fixture
    def rig(self) -> FormatRig:
        return FormatRig(
            YOLO,
            by_hand,
            malformed=lambda folder: one_file(folder, GOOD + GOOD.replace("0.25", "wide")),
            unknown_class=lambda folder: one_file(folder, GOOD + "7 .1 .1 .1 .1\n"),
            keeps_splits=True,
            keeps=frozenset({"box", "polygon"}),
            foreign=lambda folder: put(folder, "a.txt", "these are notes, not labels\n"),
        )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for grey, name in enumerate(("a.png", "b.png")):
        blank(tmp_path / "pictures" / name, 100 + grey, SIZE)
    return tmp_path / "pictures"


def test_classes_without_names_are_called_by_their_number(tmp_path, pictures):
    path = put(tmp_path / "labels", "a.txt", GOOD.replace("0 ", "3 ", 1) + "3 .5 .5 .1 .1\n")
    labels = YOLO.read(path, pictures)
    told = only(labels.problems, Code.LABEL_CLASS)
    assert (told.line, told.is_dropped) == (1, False)
    assert [mark.class_name for mark in marks_of(labels)] == ["class 3", "class 3"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("0 .1 .1 .1", "3 numbers"),
        ("0 .1 .1 .1 .1 .1 .1 .1", "7 numbers"),
        ("0.5 .1 .1 .1 .1", "class"),
        ("-1 .1 .1 .1 .1", "class"),
        ("scratch .1 .1 .1 .1", "class"),
        ("0 .1 .1 nan .1", "share"),
        ("0 .1 .1 1e999 .1", "share"),
    ],
)
def test_a_line_that_cannot_be_right_is_listed(tmp_path, pictures, line, what):
    labels = YOLO.read(one_file(tmp_path, f"{GOOD}\n{line}\n"), pictures)
    told = only(labels.problems, Code.LABEL_ENTRY)
    assert told.line == 3
    assert what in told.what
    assert len(marks_of(labels)) == 1


def test_a_sixth_number_is_a_confidence(tmp_path, pictures):
    labels = YOLO.read(one_file(tmp_path, GOOD.strip() + " 0.75\n"), pictures)
    assert marks_of(labels)[0].attributes == (("confidence", "0.75"),)


def test_key_points_are_told_and_their_box_is_kept(tmp_path, pictures):
    put(tmp_path / "set", "data.yaml", "train: images\nkpt_shape: [2, 3]\nnames: [scratch]\n")
    put(tmp_path / "set", "labels/a.txt", GOOD.strip() + " .1 .1 2 .2 .2 2\n")
    labels = YOLO.read(tmp_path / "set", pictures)
    assert not only(labels.problems, Code.LABEL_SHAPE).is_dropped
    assert isinstance(marks_of(labels)[0].shape, BoxShape)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("images/{}/a.png", "labels/{}/a.txt"),
        ("{}/images/a.png", "{}/labels/a.txt"),
        ("{}/a.png", "{}/a.txt"),
        ("obj_{}_data/a.png", "obj_{}_data/a.txt"),
    ],
)
def test_splits_are_told_by_folders(tmp_path, images, labels):
    for grey, split in enumerate(("train", "valid", "test")):
        blank(tmp_path / images.format(split), 90 + grey, SIZE)
        put(tmp_path, labels.format(split), GOOD)
    put(tmp_path, "data.yaml", "names:\n- scratch\ntrain: nowhere\n")
    for path in (tmp_path, tmp_path / "data.yaml"):
        assert YOLO.recognises(path)
        read = YOLO.read(path, None)
        assert not read.problems
        assert {(str(image.path), image.split) for image in read.images} == {
            (str(tmp_path / images.format(split)), "test" if split == "test" else "train")
            for split in ("train", "valid", "test")
        }


def test_splits_are_told_by_the_yaml_and_by_lists(tmp_path):
    for grey, name in enumerate(("first/images/a.png", "more/images/b.png")):
        blank(tmp_path / name, 90 + grey, SIZE)
        put(tmp_path, name.replace("images", "labels").replace("png", "txt"), GOOD)
    put(tmp_path, "list.txt", "./more/images/b.png\n")
    put(tmp_path, "data.yaml", "train: ./first/images\ntest: list.txt\nnames: {0: scratch}\n")
    labels = YOLO.read(tmp_path, None)
    assert not labels.problems
    assert {image.name: image.split for image in labels.images} == {
        "first/images/a.png": "train",
        "more/images/b.png": "test",
    }


def test_an_empty_file_says_the_image_is_free_of_marks(tmp_path, pictures):
    put(tmp_path, "labels/b.txt", "")
    put(tmp_path, "labels/a.txt", GOOD)
    put(tmp_path, "labels/classes.txt", "scratch\n")
    labels = YOLO.read(tmp_path / "labels", pictures)
    assert not labels.problems
    assert [len(image.annotations) for image in labels.images] == [1, 0]


def test_two_images_of_one_name_cannot_be_said(tmp_path):
    mark = Annotation("scratch", SHAPES["box"])
    images = (
        LabelledImage("a.png", (mark,), None, SIZE),
        LabelledImage("a.jpg", (mark,), None, SIZE),
        LabelledImage("b.jpg", (mark,), None, None),
    )
    told = YOLO.write(Labels("yolo", images, ("scratch",)), tmp_path)
    assert [problem.what.split(":")[0] for problem in told] == ["a.jpg", "b.jpg"]


def test_parts_become_one_outline_that_marks_the_same(tmp_path, pictures):
    mark = Annotation("scratch", SHAPES["rings"])
    told = YOLO.write(
        Labels("yolo", (LabelledImage("a.png", (mark,), None, SIZE),), ("scratch",)), tmp_path
    )
    assert [problem.is_dropped for problem in told] == [False]
    (back,) = marks_of(YOLO.read(tmp_path, pictures))
    assert np.array_equal(mask_of(back.shape, SIZE), mask_of(mark.shape, SIZE))


@pytest.mark.parametrize(
    "text",
    [
        "names: ['a b', \"c: # d\", e]",
        'names: {0: a b, 1: "c: # d", 2: e}',
        "names:\n- a b\n- 'c: # d'\n- e",
        "names:\n  0: a b  # the first\n\n  # more\n  1: 'c: # d'\n  2: e\nother: 5",
        "train: x\nnames: [a b,\n  'c: # d',\n  e]\nnc: 3",
        "names: [\n'a b',\n'c: # d', e\n]\n",
        "---\nnc: 3\nother:\n  names: x\nnames:\n    2: e\n    0: a b\n    1: 'c: # d'",
    ],
)
def test_names_as_data_sets_write_them(tmp_path, text):
    found = data_set(put(tmp_path, "data.yaml", text))
    assert found.names == {0: "a b", 1: "c: # d", 2: "e"}
    assert not found.faults


@given(st.lists(printable, min_size=1, unique=True))
def test_names_that_were_written_are_read(tmp_path_factory, names):
    folder = tmp_path_factory.mktemp("names")
    YOLO.write(Labels("yolo", (), tuple(names)), folder)
    assert list(data_set(folder / "data.yaml").names.values()) == names


def test_names_that_cannot_be_read_are_listed(tmp_path, pictures):
    put(tmp_path, "data.yaml", "train: x\nnames:\n  0: scratch\n  one: dent\n  0: pit\n")
    put(tmp_path, "labels/a.txt", GOOD)
    labels = YOLO.read(tmp_path, None)
    assert [(problem.code, problem.line) for problem in labels.problems] == [
        (Code.LABEL_ENTRY, 4),
        (Code.LABEL_ENTRY, 5),
    ]


def test_boxes_in_pixels_are_not_taken_for_shares(tmp_path):
    path = put(tmp_path, "a.txt", "466 441 493 470 3\n")
    assert not YOLO.recognises(path)


def test_a_broken_image_is_listed(tmp_path):
    put(tmp_path, "images/a.png", "no picture")
    put(tmp_path, "labels/a.txt", GOOD)
    put(tmp_path, "classes.txt", "scratch\n")
    labels = YOLO.read(tmp_path, None)
    assert Code.LABEL_IMAGE in [problem.code for problem in labels.problems]


def test_real_boxes(shared):
    folder = shared / "data/wood"
    assert YOLO.recognises(folder)
    labels = YOLO.read(folder, None)
    assert [len(image.annotations) for image in labels.images] == [2, 0, 4, 2, 2]
    assert all(image.size == (2800, 1024) for image in labels.images)
    assert {problem.code for problem in labels.problems} == {Code.LABEL_CLASS}
    assert {mark.class_name for mark in marks_of(labels)} == {
        "class 1",
        "class 3",
        "class 4",
        "class 5",
    }


def test_real_polygons(shared):
    folder = shared / "data/formats/yolo-seg"
    labels = YOLO.read(folder, None)
    assert len(labels.images) == 20
    assert len(marks_of(labels)) == 92
    assert labels.classes == ("inclusion",)
    # Found too by comparing every two edges with whole numbers.
    assert [(problem.code, problem.file.name, problem.line) for problem in labels.problems] == [
        (Code.LABEL_CROSSING, "inclusion_105.txt", 3),
        (Code.LABEL_CROSSING, "inclusion_11.txt", 3),
    ]


def test_a_folder_of_pictures_is_refused(pictures):
    with pytest.raises(LabelError):
        YOLO.read(pictures, None)
