"""`keenline train`: what it says to people and to scripts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import SMALL, Keenline

from keenline.bundle import read_bundle


def test_it_says_what_it_found_what_it_learnt_and_what_to_do_next(
    keenline: Keenline, plates: Path, tmp_path: Path
):
    output = tmp_path / "plate.keen"
    ran = keenline("train", plates, "-o", output, *SMALL)
    assert ran.code == 0
    assert ran.err == ""
    manifest = read_bundle(output).manifest
    assert manifest.threshold.statement in ran.out
    assert f"{manifest.threshold.value:.4g}" in ran.out
    assert f"keenline inspect {output} IMAGES" in ran.out
    assert read_bundle(output).sha256[:12] in ran.out


def test_the_record_is_what_the_bundle_holds(keenline: Keenline, plates: Path, tmp_path: Path):
    output = tmp_path / "plate.keen"
    record = keenline("train", plates, "-o", output, *SMALL, "--seed", 7, "--json").record
    bundle = read_bundle(output)
    assert record["bundle"] == str(output)
    assert record["sha256"] == bundle.sha256
    assert record["bytes"] == output.stat().st_size
    assert record["threshold"] == bundle.manifest.threshold.model_dump(mode="json")
    assert record["threshold"]["statement"]
    assert record["training"]["seed"] == 7
    assert record["training"]["images"] == 24
    assert record["recipe_sha256"] == bundle.manifest.recipe.sha256
    assert record["skipped"] == []
    assert record["seconds"] > 0


@pytest.mark.parametrize("detector", ["memory_bank", "classical"])
def test_the_same_seed_learns_the_same(
    keenline: Keenline, plates: Path, tmp_path: Path, detector: str
):
    def threshold(name: str) -> float:
        arguments = ("train", plates, "-o", tmp_path / name, *SMALL, "--detector", detector)
        record = keenline(*arguments, "--json").record
        assert record["detector"] == detector
        return float(record["threshold"]["value"])

    assert threshold("a.keen") == threshold("b.keen")


def test_what_is_said_is_what_is_recorded(keenline: Keenline, plates: Path, tmp_path: Path):
    output = tmp_path / "p.keen"
    recipe = tmp_path / "r.toml"
    recipe.write_text('part = "lid"\n[image]\npixel_size_mm = 0.2\nsize = 64\n')
    said = ("--recipe", recipe, *SMALL, "--engine", "onnxruntime")
    assert keenline("train", plates, "-o", output, *said).code == 0
    manifest = read_bundle(output).manifest
    assert manifest.recipe.part == "lid"
    assert manifest.recipe.image.size == 96
    assert manifest.recipe.image.pixel_size_mm == 0.2
    assert manifest.engine.name.startswith("onnxruntime")
    assert manifest.engine.precision == "f32"


def test_duplicates_are_reported(keenline: Keenline, plates: Path, tmp_path: Path):
    folder = tmp_path / "twins"
    shutil.copytree(plates / "train/good", folder)
    shutil.copy(folder / "000.png", folder / "copy.png")
    output = ("train", folder, "-o", tmp_path / "a.keen", *SMALL)
    assert "1 equal to another image, such as 000.png = copy.png" in keenline(*output).out
    (group,) = keenline(*output, "--json").record["duplicates"]
    assert {Path(path).name for path in group} == {"000.png", "copy.png"}


def test_a_bundle_is_replaced_only_by_a_whole_one(
    keenline: Keenline, plates: Path, bundle: Path, tmp_path: Path
):
    before = bundle.read_bytes()
    ran = keenline("train", tmp_path / "nothing", "-o", bundle)
    assert ran.code == 3
    assert bundle.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [bundle.name]
    assert keenline("train", plates, "-o", bundle, "--size", 64).code == 0
    assert bundle.read_bytes() != before
