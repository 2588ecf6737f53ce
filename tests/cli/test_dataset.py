"""`keenline dataset`: versions made, shown, checked and learnt from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.conftest import SMALL, Keenline, write_part

from keenline.data.demo_defects import DefectKind


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for kind, number in (("good", 20), ("dent", 10)):
        for place in range(number):
            path = root / kind / f"{place:02}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (16, 20), np.uint8)).save(path)
    rows = [f"dent/{place:02}.png,L{place},ring" for place in range(10)]
    (root / "provenance.csv").write_text("\n".join(["image,lot,light,Owner", *rows]) + "\n")
    return root


def test_a_version_is_made_shown_and_verified(keenline: Keenline, photos: Path) -> None:
    made = keenline("dataset", "create", photos, "--by", "Ana", "--acceptance", 0.2)
    assert made.code == 0, made.err
    assert "columns that mean nothing here: Owner" in made.out
    assert "keenline train" in made.out
    file = photos / "v1.keenset"
    record = keenline("dataset", "show", file, "--json").record
    assert record["id"] == json.loads(file.read_text())["id"]
    assert record["by"] == "Ana"
    of = {each["class"]: each["splits"] for each in record["classes"]}
    assert of["dent"] == {"train": 3, "validation": 2, "seeded": 3, "acceptance": 2}
    assert of["good"]["seeded"] == 6
    assert [event["event"] for event in record["log"]] == ["sealed"]
    assert record["id"] in keenline("dataset", "show", file).out
    verified = keenline("dataset", "verify", file, "--json").record
    assert verified["whole"] is True
    assert verified["log_head"] == record["log"][0]["hash"]


def test_a_second_version_follows_the_first(keenline: Keenline, photos: Path) -> None:
    first = keenline("dataset", "create", photos, "--json").record
    refused = keenline("dataset", "create", photos, "--json")
    assert refused.code == 3
    assert refused.record["code"] == 1238
    second = keenline("dataset", "create", photos, "--parent", first["file"], "--json").record
    assert second["parent"] == first["id"]
    assert second["file"].endswith("v2.keenset")
    third = keenline("dataset", "create", photos, "--parent", second["file"])
    assert "Next:  keenline teach BUNDLE --labelled" in third.out  # there is a bundle by now


def test_what_was_changed_fails_the_check(keenline: Keenline, photos: Path) -> None:
    keenline("dataset", "create", photos)
    (photos / "dent/03.png").write_bytes(b"x")
    (photos / "dent/04.png").unlink()
    ran = keenline("dataset", "verify", photos / "v1.keenset", "--json")
    assert ran.code == 3
    assert ran.record["code"] == 1232
    assert "dent/03.png" in ran.record["got"]
    assert "dent/04.png" in ran.record["got"]


def test_progress_says_what_to_photograph(keenline: Keenline, photos: Path) -> None:
    keenline("dataset", "create", photos)
    record = keenline("dataset", "progress", photos / "v1.keenset", "--json").record
    dent = next(each for each in record["classes"] if each["class"] == "dent")
    assert (dent["images"], dent["next_goal"], dent["missing"]) == (10, 30, 20)
    assert dent["light"] == {"ring": 10}
    assert record["to_capture"][0] == "dent: 20 more, to have 30"
    out = keenline("dataset", "progress", photos / "v1.keenset").out
    assert "20 more" in out
    assert "dent: all of light ring; take another" in out


def test_only_create_takes_its_options(keenline: Keenline, photos: Path) -> None:
    assert keenline("dataset", "verify", photos / "v1.keenset", "--by", "Ana").code == 2
    assert keenline("dataset", "create", photos, "--seeded", 1.2).code == 3


def test_learning_and_measuring_take_a_version_and_refuse_the_sealed_folder(
    keenline: Keenline, tmp_path: Path
) -> None:
    root = tmp_path / "plates"
    for seed in range(30):
        write_part(root / f"good/{seed:03}.png", seed)
    for seed in range(200, 210):
        write_part(root / f"stain/{seed}.png", seed, DefectKind.STAIN, DefectKind.PIT)
    assert keenline("dataset", "create", root, "--acceptance", 0.2).code == 0
    version, bundle = root / "v1.keenset", tmp_path / "plate.keen"
    whole = keenline("train", root, "-o", bundle, *SMALL, "--json")
    assert (whole.code, whole.record["code"]) == (3, 1234)
    learnt = keenline("train", version, "-o", bundle, *SMALL)
    assert learnt.code == 0, learnt.err
    measured = keenline("evaluate", bundle, version, "--json").record
    assert measured["false_alarm_rate"]["n"] == 9  # 30 % of 30
    assert measured["recall"]["stain"]["n"] == 3
    log = keenline("dataset", "show", version, "--json").record["log"]
    assert [event["event"] for event in log] == ["sealed", "refused"]
