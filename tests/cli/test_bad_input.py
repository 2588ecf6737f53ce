"""Bad input ends in a readable error with a code, or in a listed skip; never in a traceback."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import SMALL, Keenline, write_part

from keenline.errors import Code


def failed(ran, exit_code: int, code: Code) -> None:
    assert ran.code == exit_code
    assert f"[KL{int(code)}]" in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


@pytest.fixture
def copied(plates: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(plates, tmp_path / "copied"))


# Folders


def test_an_empty_folder(keenline: Keenline, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    ran = keenline("train", tmp_path / "empty", "-o", tmp_path / "part.keen")
    failed(ran, 3, Code.DATASET_EMPTY)
    assert not (tmp_path / "part.keen").exists()


def test_an_empty_folder_to_inspect(keenline: Keenline, learnt: Path, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    ran = keenline("inspect", learnt, tmp_path / "empty", "--json")
    assert ran.code == 3
    assert ran.record["code"] == Code.DATASET_EMPTY


def test_a_folder_that_is_not_there(keenline: Keenline, tmp_path: Path):
    failed(keenline("train", tmp_path / "no", "-o", tmp_path / "a.keen"), 3, Code.DATASET_MISSING)


def test_no_good_images(keenline: Keenline, copied: Path, tmp_path: Path):
    for good in copied.rglob("good/*.png"):
        good.write_bytes(b"")
    failed(keenline("train", copied, "-o", tmp_path / "a.keen"), 3, Code.DATASET_NO_GOOD)


def test_a_single_good_image_is_too_few_or_enough_but_no_mystery(
    keenline: Keenline, tmp_path: Path
):
    write_part(tmp_path / "one/a.png", 1)
    ran = keenline("train", tmp_path / "one", "-o", tmp_path / "a.keen", *SMALL)
    assert ran.code in (0, 4)
    assert ("no guarantee" in ran.out) if ran.code == 0 else ("[KL2" in ran.err)


# Images


def spoil(folder: Path) -> list[str]:
    """One of each kind of broken file; their names."""
    whole = next(folder.glob("*.png")).read_bytes()
    (folder / "zero.png").write_bytes(b"")
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "words.png").write_text("not an image")
    Image.new("L", (1, 1)).save(folder / "dot.png")
    frames = [Image.new("RGB", (128, 96), colour) for colour in ("red", "blue")]
    frames[0].save(folder / "moves.webp", save_all=True, append_images=frames[1:])
    Image.new("CMYK", (128, 96)).save(folder / "ink.tif")
    # A decompression bomb: few bytes on disk, 900 million pixels when decoded.
    Image.new("1", (30_000, 30_000)).save(folder / "bomb.png")
    return ["zero.png", "cut.png", "words.png", "dot.png", "moves.webp", "ink.tif", "bomb.png"]


def test_broken_images_are_listed_and_left_out_of_learning(
    keenline: Keenline, copied: Path, tmp_path: Path
):
    names = spoil(copied / "train/good")
    ran = keenline("train", copied, "-o", tmp_path / "a.keen", *SMALL, "--json")
    assert ran.code == 0, ran.err
    assert {Path(file["path"]).name for file in ran.record["skipped"]} == set(names)
    assert ran.record["training"]["images"] == 24
    shown = keenline("train", copied, "-o", tmp_path / "a.keen", *SMALL).out
    # Most are seen in the folder, the one that ends too early only when it is read.
    assert "6 files" in shown
    assert "1 file\n" in shown
    assert all(name in shown for name in names)


def test_more_than_ten_skipped_files_are_counted(keenline: Keenline, copied: Path, tmp_path: Path):
    for number in range(13):
        (copied / f"train/good/bad{number:02}.png").write_bytes(b"")
    shown = keenline("train", copied, "-o", tmp_path / "a.keen", *SMALL).out
    assert "and 3 more" in shown
    assert "bad09.png" in shown
    assert "bad10.png" not in shown


def test_broken_images_are_invalid_and_never_pass(
    keenline: Keenline, learnt: Path, copied: Path, tmp_path: Path
):
    names = spoil(copied / "test/good")
    ran = keenline("inspect", learnt, copied / "test/good", "--json")
    assert ran.code == 0
    found = {Path(line["image"]).name: line for line in map(json.loads, ran.out.splitlines())}
    assert len(found) == 4 + len(names)
    for name in names:
        assert found[name]["verdict"] == "INVALID"
        assert found[name]["score"] is None
        assert found[name]["reasons"]
        assert found[name]["regions"] == []
    # The page and the tables hold them too.
    ran = keenline(
        "inspect", learnt, copied / "test/good", "--report", tmp_path / "r.html",
        "--csv", tmp_path / "r.csv",
    )  # fmt: skip
    assert ran.code == 0
    assert "7 INVALID" in ran.out
    assert (tmp_path / "r.csv").read_text().count("INVALID") == 7
    assert "bomb.png" in (tmp_path / "r.html").read_text()


def test_mixed_sizes_are_learnt_or_refused_in_words(keenline: Keenline, tmp_path: Path):
    for seed in range(8):
        write_part(tmp_path / f"mixed/{seed}.png", seed, size=(128 + 40 * (seed % 3), 96))
    ran = keenline("train", tmp_path / "mixed", "-o", tmp_path / "a.keen", *SMALL)
    assert "Traceback" not in ran.err
    assert ran.code in (0, 3), ran.err
    if ran.code:
        assert f"[KL{int(Code.DATASET_SIZES)}]" in ran.err


def test_an_image_of_another_size_is_invalid(keenline: Keenline, learnt: Path, tmp_path: Path):
    Image.fromarray(np.full((300, 100), 99, np.uint8)).save(tmp_path / "tall.png")
    ran = keenline("inspect", learnt, tmp_path / "tall.png", "--json")
    assert ran.code == 0
    assert ran.record["verdict"] == "INVALID"


def test_a_path_that_is_not_there_stops_before_anything_is_inspected(
    keenline: Keenline, learnt: Path, plates: Path
):
    ran = keenline("inspect", learnt, plates / "test/good", plates / "nowhere")
    failed(ran, 3, Code.IMAGE_MISSING)


@pytest.mark.parametrize("folder", ["Blech Prüfung", "零件 ß [1]", 'a\'b "c" $d'])
def test_paths_with_spaces_and_signs(keenline: Keenline, plates: Path, tmp_path: Path, folder: str):
    place = tmp_path / folder
    shutil.copytree(plates, place / "plätze 1")
    bundle = place / "teil é.keen"
    assert keenline("train", place / "plätze 1", "-o", bundle, *SMALL).code == 0
    report = place / "bericht [x].html"
    ran = keenline("evaluate", bundle, place / "plätze 1", "--report", report)
    assert ran.code == 0
    assert str(report) in ran.out
    assert folder in keenline("inspect", bundle, place / "plätze 1/test").out


# Output


@pytest.mark.parametrize("place", ["a-file/part.keen", "no-folder/part.keen", "a-folder"], ids=str)
def test_an_output_that_cannot_be_written_is_found_before_the_work(
    keenline: Keenline, plates: Path, learnt: Path, tmp_path: Path, place: str
):
    (tmp_path / "a-file").write_text("")
    (tmp_path / "a-folder").mkdir()
    output = tmp_path / place
    failed(keenline("train", plates, "-o", output), 3, Code.OUTPUT_NOT_WRITABLE)
    for option in ("--report", "--csv", "--parquet"):
        ran = keenline("inspect", learnt, plates / "test", option, output)
        failed(ran, 3, Code.OUTPUT_NOT_WRITABLE)
    good = plates / "train/good"
    failed(keenline("update", learnt, "--good", good, "-o", output), 3, Code.OUTPUT_NOT_WRITABLE)


def test_the_demo_leaves_a_folder_of_others_alone(keenline: Keenline, tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    failed(keenline("demo", "-o", tmp_path), 3, Code.OUTPUT_NOT_WRITABLE)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    failed(keenline("demo", "-o", tmp_path / "thesis.txt/demo"), 3, Code.OUTPUT_NOT_WRITABLE)


# Bundles


def rewritten(bundle: Path, change) -> None:
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def tampered(members: dict[str, bytes]) -> None:
    members["graph.onnx"] += b"\0"


def newer(members: dict[str, bytes]) -> None:
    manifest = json.loads(members["manifest.json"])
    members["manifest.json"] = json.dumps(manifest | {"schema_version": 99}).encode()


@pytest.mark.parametrize("command", ["inspect", "evaluate", "update", "bench"])
def test_a_bundle_that_was_changed_is_refused(
    keenline: Keenline, bundle: Path, plates: Path, command: str
):
    more = {
        "inspect": [plates / "test"],
        "evaluate": [plates],
        "update": ["--good", plates / "train/good"],
        "bench": [],
    }[command]
    whole = bundle.read_bytes()
    rewritten(bundle, tampered)
    failed(keenline(command, bundle, *more), 4, Code.BUNDLE_TAMPERED)
    bundle.write_bytes(whole)
    rewritten(bundle, newer)
    failed(keenline(command, bundle, *more), 4, Code.BUNDLE_NEWER_SCHEMA)
    bundle.write_bytes(whole[: len(whole) // 2])
    failed(keenline(command, bundle, *more), 4, Code.BUNDLE_TRUNCATED)
    bundle.write_text("no bundle at all")
    failed(keenline(command, bundle, *more), 4, Code.BUNDLE_NOT_A_BUNDLE)
    bundle.unlink()
    failed(keenline(command, bundle, *more), 4, Code.BUNDLE_MISSING)


# Recipes and options


def test_a_recipe_with_an_unknown_key_names_file_line_and_what_was_meant(
    keenline: Keenline, plates: Path, tmp_path: Path
):
    recipe = tmp_path / "part.toml"
    recipe.write_text('part = "x"\n\n[image]\nsizes = 200\n[gates]\nconfidence = 7\n')
    arguments = ("train", plates, "-o", tmp_path / "a.keen", "--recipe", recipe)
    ran = keenline(*arguments)
    failed(ran, 3, Code.RECIPE_INVALID)
    assert "part.toml:4: image.sizes" in ran.err
    assert "did you mean size?" in ran.err
    assert "part.toml:6: gates.confidence" in ran.err
    assert len(keenline(*arguments, "--json").record["problems"]) == 2


@pytest.mark.parametrize(
    "options",
    [
        ["--size", "huge"],
        ["--size", "-3"],
        ["--size", "7"],
        ["--seed", "-1"],
        ["--engine", "abacus"],
        ["--precision", "f8"],
        ["--no-such-option"],
    ],
    ids=" ".join,
)
def test_an_option_typed_wrong_is_a_usage_error(
    keenline: Keenline, plates: Path, tmp_path: Path, options: list[str]
):
    ran = keenline("train", plates, "-o", tmp_path / "a.keen", *options)
    assert ran.code == 2
    assert ran.err
    assert not (tmp_path / "a.keen").exists()


def test_a_detector_or_backbone_that_is_not_there(keenline: Keenline, plates: Path, tmp_path: Path):
    output = ("train", plates, "-o", tmp_path / "a.keen")
    failed_after_reading(keenline(*output, "--detector", "oracle"), Code.DETECTOR_UNKNOWN)
    failed_after_reading(keenline(*output, "--backbone", "oracle"), Code.BACKBONE_UNKNOWN)
    failed_after_reading(keenline(*output, "--backbone", "onnx:no.onnx"), Code.BACKBONE_MISSING)


def failed_after_reading(ran, code: Code) -> None:
    assert ran.code == 4
    assert f"[KL{int(code)}]" in ran.err
