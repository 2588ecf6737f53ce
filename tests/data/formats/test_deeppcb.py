"""DeepPCB: its lines, pairs and lists, what it cannot say, and the real set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.data.formats.format_contract import marks_of, named, only
from tests.data.formats.marked_shapes import SHAPES, SIZE
from tests.data.picture_files import blank

from keenline.annotation import Annotation, BoxShape
from keenline.data.formats import FORMATS, Format
from keenline.data.labels import LabelledImage, Labels
from keenline.errors import Code, LabelError, OutputError

PCB: Format = named("deeppcb")
GOOD = "10 8 30 20 3\n"


@pytest.fixture
def board(tmp_path: Path) -> Path:
    for grey, name in enumerate(("00041_test.jpg", "00041_temp.jpg", "00042_test.jpg")):
        blank(tmp_path / name, 100 + grey, SIZE)
    return tmp_path


def put(folder: Path, text: str, stem: str = "00041") -> Path:
    path = folder / f"{stem}.txt"
    path.write_text(text)
    return path


def test_a_line_is_a_box_of_its_class(board):
    labels = PCB.read(put(board, GOOD + "1,2,4,8,6\n\n"), None)
    assert not labels.problems
    first, template = labels.images
    assert [(mark.class_name, mark.shape) for mark in first.annotations] == [
        ("mousebite", BoxShape(10, 8, 20, 12)),
        ("pin-hole", BoxShape(1, 2, 3, 6)),
    ]
    assert (first.name, first.is_good) == ("00041_test.jpg", False)
    assert (template.name, template.is_good) == ("00041_temp.jpg", True)
    assert labels.classes == ("open", "short", "mousebite", "spur", "copper", "pin-hole")


@pytest.mark.parametrize(
    ("bad", "code", "is_dropped"),
    [
        ("1 2 3 4", Code.LABEL_ENTRY, True),
        ("1 2 3 4 5 6", Code.LABEL_ENTRY, True),
        ("1 2 x 4 5", Code.LABEL_ENTRY, True),
        ("1 2 nan 4 5", Code.LABEL_ENTRY, True),
        ("1 2 30 40 0", Code.LABEL_CLASS, True),
        ("1 2 30 40 7", Code.LABEL_CLASS, True),
        ("1 2 30 40 1.5", Code.LABEL_CLASS, True),
        ("5 6 5 16 1", Code.LABEL_NO_AREA, True),
        ("30 6 5 16 1", Code.LABEL_NO_AREA, True),
        ("70 6 80 16 1", Code.LABEL_OUTSIDE, True),
        ("50 6 80 16 1", Code.LABEL_OUTSIDE, False),
        (GOOD.strip(), Code.LABEL_DUPLICATE, True),
    ],
)
def test_a_line_that_cannot_be_taken_is_listed(board, bad, code, is_dropped):
    labels = PCB.read(put(board, f"{GOOD}{bad}\n"), None)
    told = only(labels.problems, code)
    assert (told.line, told.is_dropped) == (2, is_dropped)
    assert len(marks_of(labels)) == 2 - is_dropped


def test_lists_say_the_split(board):
    put(board, GOOD)
    put(board, "", "00042")
    (board / "trainval.txt").write_text("group/00041.jpg group/00041.txt\n")
    (board / "test.txt").write_text("group/00042.jpg group/00042.txt\n")
    labels = PCB.read(board, None)
    assert not labels.problems
    assert [(one.name, one.split) for one in labels.images] == [
        ("00041_test.jpg", "train"),
        ("00041_temp.jpg", "train"),
        ("00042_test.jpg", "test"),
    ]


def test_a_missing_image_is_listed(board):
    labels = PCB.read(put(board, GOOD, "gone"), None)
    told = only(labels.problems, Code.LABEL_IMAGE)
    assert told.line == 1
    assert "gone" in told.what
    assert len(marks_of(labels)) == 1


def test_what_it_keeps_is_read_as_it_was_written(board, tmp_path):
    put(board, GOOD)
    put(board, "", "00042")
    (board / "test.txt").write_text("00042.jpg 00042.txt\n")
    labels = PCB.read(board, None)
    folder = tmp_path / "again"
    assert PCB.write(labels, folder) == ()
    assert PCB.recognises(folder)
    assert PCB.read(folder, board) == labels


def test_what_it_cannot_say_is_told(tmp_path):
    marks = [Annotation("open", shape, "anna") for shape in SHAPES.values()]
    marks.append(Annotation("scratch", SHAPES["box"]))
    image = LabelledImage("a.jpg", tuple(marks), None, SIZE, is_good=True)
    told = PCB.write(Labels("deeppcb", (image,), ("open", "scratch", "unused")), tmp_path)
    assert {problem.code for problem in told} == {Code.LABEL_CANNOT_SAY}
    assert sum(not problem.is_dropped for problem in told) == len(SHAPES) - 2
    back = PCB.read(tmp_path, None)
    assert marks_of(back)[0].shape == SHAPES["box"]


@pytest.mark.parametrize("text", ["0 0.5 0.5 0.1 0.1\n", "repo: x\n", "1 2 3 4\n"])
def test_other_text_is_refused(tmp_path, text):
    path = put(tmp_path, text)
    assert not PCB.recognises(path)
    assert not PCB.recognises(tmp_path)
    for place in (path, tmp_path, tmp_path / "absent"):
        with pytest.raises(LabelError) as caught:
            PCB.read(place, None)
        assert caught.value.code == Code.LABEL_FILE


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    image = LabelledImage("a_test.jpg", (), None, SIZE)
    with pytest.raises(OutputError):
        PCB.write(Labels("deeppcb", (image,), ()), put(tmp_path, "in the way"))


def test_the_real_set(shared):
    # Lines counted by type with cut | sort | uniq -c over the 100 files.
    folder = shared / "data" / "deeppcb"
    labels = PCB.read(folder, None)
    assert len(labels.images) == 200
    assert Counter(image.is_good for image in labels.images) == {True: 100, False: 100}
    assert labels.counts == {
        "open": 136,
        "short": 101,
        "mousebite": 135,
        "spur": 105,
        "copper": 90,
        "pin-hole": 82,
    }
    assert not labels.problems
    assert next(one.name for one in FORMATS if one.recognises(folder)) == "deeppcb"
