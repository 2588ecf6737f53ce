"""`keenline teach`: classes with their bounds for people, and a record for scripts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Keenline

from keenline.errors import Code


@pytest.fixture(scope="module")
def labelled(plates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Good plates beside stained ones, all to learn from; nobody marked where the stains are."""
    root = tmp_path_factory.mktemp("labelled")
    shutil.copytree(plates / "train/good", root / "good")
    for folder in sorted((plates / "test").iterdir()):
        if folder.name != "good":
            shutil.copytree(folder, root / folder.name)
    return root


@pytest.mark.slow
def test_classes_are_told_with_their_bounds(
    keenline: Keenline, learnt: Path, labelled: Path, tmp_path: Path
):
    output = tmp_path / "taught.keen"
    before = learnt.read_bytes()
    ran = keenline("teach", learnt, "--labelled", labelled, "-o", output)
    assert ran.code == 0
    assert "left-out parts found (recall at least" in ran.out
    assert "only ask for a review" in ran.out
    assert f"keenline inspect {output} IMAGES" in ran.out
    assert learnt.read_bytes() == before


def test_the_record_holds_each_class(
    keenline: Keenline, learnt: Path, labelled: Path, tmp_path: Path
):
    output = tmp_path / "taught.keen"
    record = keenline("teach", learnt, "--labelled", labelled, "-o", output, "--json").record
    names = sorted(path.name for path in labelled.iterdir() if path.name != "good")
    assert [known["name"] for known in record["classes"]] == names
    for known in record["classes"]:
        images = list((labelled / known["name"]).iterdir())
        assert known["images"] == known["tried"] == len(images)
        assert known["good"] == len(list((labelled / "good").iterdir()))
    assert record["skipped"] == []
    inspected = keenline("inspect", output, labelled, "--json")
    assert inspected.code == 0


def test_defects_that_are_for_measuring_are_not_learnt(
    keenline: Keenline, learnt: Path, plates: Path, tmp_path: Path
):
    ran = keenline("teach", learnt, "--labelled", plates, "-o", tmp_path / "x.keen")
    assert ran.code == 3
    assert f"KL{int(Code.DATASET_NO_DEFECT)}" in ran.err
    assert "which are for measuring" in ran.err
    assert not (tmp_path / "x.keen").exists()


@pytest.mark.slow
def test_the_record_tells_what_reading_the_labels_found(
    keenline: Keenline, learnt: Path, labelled: Path, tmp_path: Path
):
    root = tmp_path / "split"
    shutil.copytree(labelled, root / "train")
    copied = next((labelled / "good").iterdir())
    shutil.copytree(labelled / "good", root / "test/good")
    (root / "train/good/broken.png").write_bytes(copied.read_bytes()[:100])
    record = keenline(
        "teach", learnt, "--labelled", root, "-o", tmp_path / "x.keen", "--json"
    ).record
    assert any("what is measured on them flatters" in note for note in record["notes"])
    assert [Path(file["path"]).name for file in record["skipped"]] == ["broken.png"]


def test_synthetic_images_are_learnt_from_too(
    keenline: Keenline, learnt: Path, labelled: Path, tmp_path: Path
):
    made = tmp_path / "made"
    ran = keenline(
        "synthesise", labelled, "-o", made, "--share", 0.5, "--draw", "stain=stain", "--json"
    )
    number = ran.record["made"]["stain"]
    assert number > 0
    taught = ("teach", learnt, "--labelled", labelled, "-o", tmp_path / "taught.keen", "--json")
    record = keenline(*taught, "--synthetic", made).record
    assert record["synthetic"] == number
    assert 0 < record["synthetic_share"] <= 0.5
    share = f"{100 * record['synthetic_share']:.0f} %"
    assert f"and {number} synthetic ones, {share} of the defective cells" in record["updates"][-1]
    refused = keenline(*taught, "--synthetic", made, "--share", 0.8)
    assert refused.code == 4
    assert "--mostly-synthetic" in refused.record["next"]
    broken = keenline(*taught, "--synthetic", labelled)
    assert broken.code == 3
    assert broken.record["code"] == Code.DATASET_SYNTHETIC
