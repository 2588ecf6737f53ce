"""`keenline agreement`: labels of several people compared, and what most said written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Keenline

from keenline.data.formats import coco

Boxes = dict[str, list[tuple[str, float]]]
"""By image: class and left edge of each box of 20 x 20."""


def written(path: Path, boxes: Boxes) -> Path:
    classes = ["dent", "scratch"]
    marks = [
        {"image_id": place, "category_id": classes.index(name), "bbox": [x, 10, 20, 20]}
        for place, said in enumerate(boxes.values())
        for name, x in said
    ]
    content = {
        "images": [
            {"id": place, "file_name": name, "width": 200, "height": 100}
            for place, name in enumerate(boxes)
        ],
        "annotations": [{"id": place, "iscrowd": 0, **mark} for place, mark in enumerate(marks)],
        "categories": [{"id": place, "name": name} for place, name in enumerate(classes)],
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def people(tmp_path: Path) -> dict[str, Path]:
    """Ten images: all agree on eight; Eva alone sees a scratch on 8, and Ana none of the dent on
    9, which Ben has elsewhere."""
    same: Boxes = {f"{n}.png": [("dent", 10)] if n < 4 else [] for n in range(8)}
    return {
        "ana": written(tmp_path / "ana.json", same | {"8.png": [], "9.png": []}),
        "ben": written(tmp_path / "ben.json", same | {"8.png": [], "9.png": [("dent", 30)]}),
        "eva": written(
            tmp_path / "eva.json", same | {"8.png": [("scratch", 50)], "9.png": [("dent", 32)]}
        ),
    }


def test_two_people(keenline: Keenline, people: dict[str, Path]) -> None:
    record = keenline("agreement", people["ana"], people["ben"], "--json").record
    assert record["people"] == ["ana", "ben"]
    assert record["disagreement"]["different"] == ["9.png"]
    assert record["disagreement"]["value"] == 0.1
    assert record["disagreement"]["relabel"] is True
    (pair,) = record["pairs"]
    # 9 of 10 agree; by chance (4 x 5 + 6 x 5) / 100.
    assert pair["kappa"]["value"] == pytest.approx(0.8)
    (overlap,) = pair["overlaps"]
    assert (overlap["class"], overlap["marks"], overlap["matched"]) == ("dent", [4, 5], 4)
    assert overlap["mask"] == 1


def test_the_table_says_the_same(keenline: Keenline, people: dict[str, Path]) -> None:
    ran = keenline("agreement", *people.values())
    assert ran.code == 0, ran.err
    assert "on 2 of 10 images, 20.0 %" in ran.out
    assert "label those anew" in ran.out
    assert "8.png" in ran.out
    assert "ana and eva" in ran.out


def test_what_most_said_is_written(
    keenline: Keenline, people: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "agreed"
    record = keenline(
        "agreement", *people.values(), "--consensus", "coco", "-o", out, "--json"
    ).record
    assert record["consensus"]["images"] == 10
    assert record["consensus"]["undecided"] == []
    labels = coco.read(out, None)
    said = {image.name: [mark.class_name for mark in image.annotations] for image in labels.images}
    assert said == {f"{n}.png": ["dent"] if n < 4 or n == 9 else [] for n in range(10)}


def test_names_are_given_before_the_file(keenline: Keenline, people: dict[str, Path]) -> None:
    record = keenline("agreement", f"A={people['ana']}", f"B={people['eva']}", "--json").record
    assert record["people"] == ["A", "B"]


def test_files_of_one_name_are_told_apart_by_their_folders(
    keenline: Keenline, people: dict[str, Path], tmp_path: Path
) -> None:
    places = []
    for person in ("ana", "ben"):
        (tmp_path / person).mkdir()
        places.append(people[person].rename(tmp_path / person / "labels.json"))
    assert keenline("agreement", *places, "--json").record["people"] == ["ana", "ben"]


def test_one_file_without_names_is_no_comparison(
    keenline: Keenline, people: dict[str, Path]
) -> None:
    ran = keenline("agreement", people["ana"], "--json")
    assert (ran.code, ran.record["code"]) == (3, 1240)


def test_options_that_need_each_other(
    keenline: Keenline, people: dict[str, Path], tmp_path: Path
) -> None:
    both = (people["ana"], people["ben"])
    assert keenline("agreement", *both, "--consensus", "coco").code == 2
    assert keenline("agreement", *both, "-o", tmp_path / "x").code == 2
    assert keenline("agreement", *both, "--marked-only").code == 2
    assert keenline("agreement", *both, "--consensus", "no", "-o", tmp_path / "x").code == 3
