"""An acceptance on real tiles says what anybody can count from its report."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path

import pytest
from scipy.special import betaincinv

from keenline.bundle import read_bundle
from keenline.data.dealing import Shares
from keenline.data.importers import open_dataset
from keenline.data.versioning import create_version
from keenline.lifecycle.acceptance import KIND, accept
from keenline.lifecycle.criteria import Criteria
from keenline.lifecycle.definition import lock
from keenline.lifecycle.ledger import verify
from keenline.lifecycle.signed_file import read_signed
from keenline.recipe import Recipe
from keenline.training.fit import train

pytestmark = pytest.mark.slow

TILES = {"free": 70, "blowhole": 40, "break": 40}


def version_of(root: Path, folder: Path) -> Path:
    rows = []
    for name, number in TILES.items():
        first: dict[str, Path] = {}
        for path in sorted((root / f"MT_{name.capitalize()}" / "Imgs").glob("*.jpg")):
            first.setdefault(path.name.split("_num_")[1].split("_")[0], path)
        for tile, path in sorted(first.items())[:number]:
            label = "good" if name == "free" else name
            (folder / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(path, folder / label / path.name)
            rows.append((f"{label}/{path.name}", f"{name} {tile}", "ring"))
    with (folder / "provenance.csv").open("w") as file:
        csv.writer(file).writerows([("image", "part", "light"), *rows])
    return create_version(folder, by="Ana", shares=Shares(0.05, 0.05, 0.5)).file


def test_real_tiles_are_accepted_or_refused_by_their_counts(shared: Path, tmp_path: Path) -> None:
    version = version_of(shared / "data/magnetic-tile", tmp_path / "tiles")
    chosen = Recipe.model_validate(
        {"image": {"size": 128}, "detector": {"bank_size": 200, "precision": "f32"}}
    )
    train(open_dataset(version), tmp_path / "tile.keen", recipe=chosen)
    asked = {
        "title": "Tiles",
        "classes": [{"name": "blowhole", "recall": 0.6}, {"name": "break", "recall": 0.8}],
        "good": {"false_alarms": 0.3},
        "environment": {"light": "ring"},
    }
    key = tmp_path / "key.pem"
    definition = lock(
        Criteria.model_validate(asked), version, tmp_path / "c.keenacc", by="Ana", key=key
    )
    found = accept(
        tmp_path / "tile.keen", version, definition, tmp_path / "r.json", who="Ben", key=key
    )
    said = read_signed(tmp_path / "r.json", KIND).content
    # Counted again from the verdict of each image, with the bound of the handbook.
    shown = Counter(image["label"] for image in said["images"])
    flagged = Counter(
        image["label"] for image in said["images"] if image["verdict"] in ("REVIEW", "REJECT")
    )
    assert shown["blowhole"] >= 15
    met = [
        _least(flagged["blowhole"], shown["blowhole"]) >= 0.6,
        _least(flagged["break"], shown["break"]) >= 0.8,
        _most(flagged["good"], shown["good"]) <= 0.3,
        True,  # nothing is INVALID
        True,  # every image is of one light
    ]
    assert [outcome["met"] for outcome in said["outcomes"]] == met
    assert said["accepted"] is all(met) is found.judgement.accepted
    stage = read_bundle(tmp_path / "tile.keen").manifest.stage
    assert stage == ("accepted" if all(met) else "trained")
    assert verify(tmp_path / "tile.keen").faults == ()


def _least(found: int, n: int) -> float:
    return float(betaincinv(found, n - found + 1, 0.05)) if found else 0.0


def _most(events: int, n: int) -> float:
    return float(betaincinv(events + 1, n - events, 0.95)) if events < n else 1.0
