"""Who saw what, from one file with names and from a file for each person."""

from __future__ import annotations

from pathlib import Path

import pytest

from keenline.annotation import Annotation
from keenline.data.annotators import of_files, of_one_file
from keenline.data.labels import LabelledImage, Labels
from keenline.errors import Code, LabelError


def labels(**images: str) -> Labels:
    """Images by stem, with the annotators of their marks: `a="ana ben"`."""
    return Labels(
        "coco",
        tuple(
            LabelledImage(
                f"{stem}.png", tuple(Annotation("dent", annotator=who) for who in people.split())
            )
            for stem, people in images.items()
        ),
        ("dent",),
    )


def test_one_file_names_its_people_and_all_saw_all() -> None:
    found = of_one_file(labels(a="ana ben", b="ana", c=""))
    assert {name: {p: len(m) for p, m in said.items()} for name, said in found.seen.items()} == {
        "a.png": {"ana": 1, "ben": 1},
        "b.png": {"ana": 1, "ben": 0},
        "c.png": {"ana": 0, "ben": 0},
    }
    assert "everybody is taken to have seen every image" in " ".join(found.notes)


def test_or_only_what_they_marked() -> None:
    found = of_one_file(labels(a="ana ben", b="ana", c=""), marked_only=True)
    assert {name: sorted(said) for name, said in found.seen.items()} == {
        "a.png": ["ana", "ben"],
        "b.png": ["ana"],
        "c.png": [],
    }
    assert found.notes == ()


def test_marks_of_nobody_are_counted_and_left_out() -> None:
    made = Labels(
        "coco",
        (
            LabelledImage(
                "a.png", tuple(Annotation("x", annotator=who) for who in ("ana", "ben", ""))
            ),
        ),
        ("x",),
    )
    assert "left out: 1" in " ".join(of_one_file(made).notes)


@pytest.mark.parametrize("people", ["", "ana", "ana ana"])
def test_one_person_is_no_comparison(people: str) -> None:
    with pytest.raises(LabelError) as caught:
        of_one_file(labels(a=people))
    assert caught.value.code is Code.LABEL_ANNOTATORS


def test_a_file_for_each_person() -> None:
    found = of_files([("ana", labels(a="x", b="")), ("ben", labels(b="y", c="y"))])
    assert {name: sorted(said) for name, said in found.seen.items()} == {
        "a.png": ["ana"],
        "b.png": ["ana", "ben"],
        "c.png": ["ben"],
    }
    assert found.seen["c.png"]["ben"][0].annotator == "ben"  # not what the file says
    assert found.notes == ("images that only one person saw, not compared: 2",)


def test_folders_in_names_count_only_where_they_must() -> None:
    ana = Labels("coco", (LabelledImage("x/a.png", ()),), ())
    ben = Labels("coco", (LabelledImage("y/a.png", (), Path("y/a.png")),), ())
    found = of_files([("ana", ana), ("ben", ben)])
    assert sorted(found.seen["a.png"]) == ["ana", "ben"]
    assert found.images["a.png"].path == Path("y/a.png")
    twice = Labels("coco", (LabelledImage("x/a.png", ()), LabelledImage("z/a.png", ())), ())
    assert sorted(of_files([("ana", twice), ("ben", twice)]).seen) == ["x/a.png", "z/a.png"]


@pytest.mark.parametrize("names", [("ana",), ("ana", "ana")])
def test_each_person_has_one_file(names: tuple[str, ...]) -> None:
    with pytest.raises(LabelError) as caught:
        of_files([(name, labels(a="")) for name in names])
    assert caught.value.code is Code.LABEL_ANNOTATORS
