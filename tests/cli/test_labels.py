"""`keenline labels`: what label files hold, what is wrong with them, and other tools' forms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import Keenline

from keenline.errors import Code


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Two images, one of them missing; three marks, one of them without width."""
    folder = tmp_path / "labels"
    folder.mkdir()
    Image.fromarray(np.full((40, 60), 120, np.uint8)).save(folder / "a.png")
    content = {
        "images": [
            {"id": 1, "file_name": "a.png", "width": 60, "height": 40},
            {"id": 2, "file_name": "gone.png", "width": 60, "height": 40},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 10]},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": [5, 5, 0, 10]},
            {"id": 3, "image_id": 2, "category_id": 1, "bbox": [1, 1, 8, 8]},
        ],
        "categories": [{"id": 1, "name": "dent"}, {"id": 2, "name": "pit"}],
    }
    (folder / "coco.json").write_text(json.dumps(content, indent=1), encoding="utf-8")
    return folder


def test_it_counts_and_lists_what_cannot_be_taken(keenline: Keenline, coco: Path):
    ran = keenline("labels", coco)
    assert ran.code == 0
    assert "dent: 2" in ran.out
    assert "pit: 0" in ran.out
    words = " ".join(ran.out.split())
    assert "gone.png is not there" in words
    assert f"KL{int(Code.LABEL_NO_AREA)}" in words


def test_the_record_names_file_and_line(keenline: Keenline, coco: Path):
    record = keenline("labels", coco, "--json").record
    assert (record["format"], record["images"], record["images_here"]) == ("coco", 2, 1)
    assert record["classes"] == {"dent": 2, "pit": 0}
    codes = {problem["code"]: problem for problem in record["problems"]}
    assert set(codes) == {int(Code.LABEL_IMAGE), int(Code.LABEL_NO_AREA)}
    line = codes[int(Code.LABEL_NO_AREA)]["line"]
    text = (coco / "coco.json").read_text("utf-8").splitlines()
    assert '"id": 2' in "".join(text[line - 1 : line + 2])
    assert record["written"] is None


def test_it_writes_for_another_tool_and_says_what_that_cannot_hold(
    keenline: Keenline, coco: Path, tmp_path: Path
):
    output = tmp_path / "out" / "voc"
    record = keenline("labels", coco, "--to", "voc", "-o", output, "--json").record
    assert record["written"] == {"format": "voc", "folder": str(output)}
    again = keenline("labels", output, "--images", coco, "--json").record
    assert again["format"] == "voc"
    assert again["classes"]["dent"] == 2
    ran = keenline("labels", coco, "--to", "voc", "-o", output)
    assert ran.code == 3
    assert "nothing in it is overwritten" in ran.err


def test_without_a_place_to_write_nothing_is_written(keenline: Keenline, coco: Path):
    ran = keenline("labels", coco, "--to", "yolo")
    assert ran.code == 3
    assert "--output DIR" in ran.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "There are no labels here"),
        ([".", "--format", "cocoa"], "There is no such format of labels"),
        (["."], "No format recognises these labels"),
    ],
)
def test_what_cannot_be_labels_is_said(
    keenline: Keenline, tmp_path: Path, arguments: list[str], words: str
):
    (tmp_path / "notes.txt").write_text("nothing\n", encoding="utf-8")
    ran = keenline("labels", tmp_path / arguments[0], *arguments[1:])
    assert ran.code == 3
    assert words in ran.err
    assert f"KL{int(Code.LABEL_FILE)}" in ran.err
