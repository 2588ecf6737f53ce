"""`keenline distill`: what it makes, says, and refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Keenline
from tests.training.small_teachers import image_folder, tiny_teacher

from keenline.errors import Code
from keenline.models.backbones import open_backbone

QUICK = ("--steps", 2, "--batch", 2, "--size", 32, "--final-size", 32, "--procedural", 0)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = image_folder(tmp_path_factory.mktemp("images"), 8)
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_teacher(tmp_path_factory.mktemp("teacher"))


@pytest.mark.train
def test_it_says_what_it_read_and_what_to_do_next(
    keenline: Keenline, images: Path, teacher: str, tmp_path: Path
):
    ran = keenline("distill", images, "-o", tmp_path / "s", "--teacher", teacher, *QUICK)
    assert ran.code == 0
    assert "9 files, of which 1 only to measure with" in ran.out
    assert "broken.jpg" in ran.out
    assert f"--backbone onnx:{tmp_path / 's' / 'keenline.onnx'}" in ran.out
    assert open_backbone(f"onnx:{tmp_path / 's' / 'keenline.onnx'}").levels


@pytest.mark.train
def test_the_record_and_going_on(keenline: Keenline, images: Path, teacher: str, tmp_path: Path):
    asked = ("distill", images, "-o", tmp_path, "--teacher", teacher, *QUICK, "--json")
    record = keenline(*asked).record
    assert record["steps"] == 2
    assert record["graph"] == str(tmp_path / "keenline.onnx")
    assert set(record["explained"]) == {"s8", "s16"}
    assert (record["images"], record["held_out"]) == (9, 1)
    assert [Path(each["path"]).name for each in record["skipped"]] == ["broken.jpg"]
    again = keenline(*asked, "--resume").record
    assert again["steps"] == 2
    refused = keenline(*asked, "--resume", "--seed", 4)
    assert refused.code == 4
    assert refused.record["code"] == Code.OPTION_CONFLICT
    curve = (tmp_path / "curve.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["step"] for line in curve] == [2]


@pytest.mark.train
@pytest.mark.parametrize(
    ("folder", "name", "code"),
    [
        ("missing", "filterbank", Code.DATASET_MISSING),
        (".", "filterbank", Code.DATASET_EMPTY),
        ("images", "mobilnet", Code.BACKBONE_UNKNOWN),
        ("images", "onnx:nothing.onnx", Code.BACKBONE_MISSING),
    ],
)
def test_what_cannot_be_used_is_an_error_with_a_code(
    keenline: Keenline, images: Path, tmp_path: Path, folder: str, name: str, code: Code
):
    place = images if folder == "images" else tmp_path / folder
    ran = keenline("distill", place, "-o", tmp_path / "s", "--teacher", name, *QUICK, "--json")
    assert ran.code == (3 if code < 2000 else 4)
    assert ran.record["code"] == code
    assert not (tmp_path / "s").exists()


def test_without_torch_it_says_what_to_install(
    keenline: Keenline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # None is what Python itself keeps there for a module that must not be found.
    monkeypatch.setitem(sys.modules, "torch", None)
    ran = keenline("distill", tmp_path, "-o", tmp_path, "--teacher", "filterbank", "--json")
    assert ran.code == 6
    assert ran.record["code"] == Code.EXTRA_MISSING
    assert ran.record["next"] == "pip install 'keenline[train]'"


def test_without_a_teacher_the_command_is_typed_wrong(keenline: Keenline, tmp_path: Path):
    assert keenline("distill", tmp_path, "-o", tmp_path).code == 2
