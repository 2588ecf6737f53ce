"""`keenline review`, `shadow` and `challenge` on a store, typed as people type them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Keenline
from tests.lifecycle.test_readiness import taught_bundle
from tests.store.records import result
from typer.testing import CliRunner

from keenline.bundle import read_bundle
from keenline.challenge_settings import ChallengePart, ChallengeSettings
from keenline.cli.app import app
from keenline.station.challenge import CHALLENGE_FILE, Challenges
from keenline.station.parts import image_sha256
from keenline.store.database import Database
from keenline.store.images import ImageFolder
from keenline.store.pictures import encode
from keenline.store.results import ResultSink
from keenline.types import Decision, Trigger, Verdict

NUMBERS = range(1, 9)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    file = tmp_path / "line.sqlite"
    database = Database(f"sqlite:///{file}")
    place = ImageFolder(tmp_path / "images", "png", reserve_bytes=0)
    place.open()
    pixels = {n: np.full((192, 256, 3), n, np.uint8) for n in NUMBERS}
    shas = {n: image_sha256(image) for n, image in pixels.items()}
    for n, image in pixels.items():
        place.put(shas[n], encode(image, "png"))
    sink = ResultSink(database)
    verdicts = {n: Verdict.REVIEW if n > 6 else Verdict.PASS for n in NUMBERS}
    sink.deliver([result(n, verdict=verdicts[n], sha256=shas[n]) for n in NUMBERS])
    sink.close()
    return file


def test_a_table_goes_round_and_the_bound_is_that_of_the_audits(
    keenline: Keenline, store: Path, tmp_path: Path
):
    everything = ("--audit-share", 1)
    table = tmp_path / "waiting.csv"
    assert keenline("review", store, "--export", table, *everything).code == 0
    rows = list(csv.DictReader(table.read_text("utf-8").splitlines()))
    assert len(rows) == 8
    assert all(Path(row["images"]).exists() for row in rows)
    for row in rows:
        row["said"] = "dent" if row["part_id"] == "P000003" else "good"
    with table.open("w", encoding="utf-8", newline="") as out:
        filled = csv.DictWriter(out, rows[0])
        filled.writeheader()
        filled.writerows(rows)
    assert keenline("review", store, "--import", table).code == 3  # nobody is named
    kept = json.loads(keenline("review", store, "--import", table, "--by", "Ada", "--json").out)
    assert (kept["kept"], kept["misses"]) == (8, 1)
    ran = keenline("review", store, "--json", *everything)
    found = json.loads(ran.out.splitlines()[-1])
    assert found["waiting"] == 0
    assert (found["audits"]["judged"], found["audits"]["defective"]) == (6, 1)
    # Clopper-Pearson, 1 of 6, one-sided at 95 %
    assert found["audits"]["escape_ppm_upper95"] == pytest.approx(581_803, abs=1)
    labelled = tmp_path / "labelled"
    done = json.loads(keenline("review", store, "--to-dataset", labelled, "--json").out)
    assert done["samples"] == {"dent": 1, "good": 7}
    assert done["confirmed_misses"] == 1
    made = keenline("dataset", "create", labelled, "--by", "Ada")
    assert made.code == 0, made.err
    assert '"confirmed-miss","yes"' in (labelled / "v1.keenset").read_text()
    assert keenline("audit", "verify", store).code == 0


def test_asked_in_the_terminal(keenline: Keenline, store: Path):
    assert keenline("review", store, "--next").code == 2
    command = ["review", str(store), "--next", "--by", "Ada", "--new-class"]
    typed = "scratch@0,0,900,1\nscratch@0,0,9,9\ns\nq\n"  # outside, then right, then one skipped
    ran = CliRunner().invoke(app, command, input=typed)
    assert ran.exit_code == 0
    assert "a box within the image, 256 x 192" in ran.stdout
    assert "scratch:top@0,0,9,9" in ran.stdout
    shown = keenline("audit", "show", store).out
    assert shown.count(" review ") == 1
    assert "scratch by Ada" in shown


def test_a_sitting_is_one_line_in_the_ledger_of_the_bundle_at_the_station(
    keenline: Keenline, store: Path, tmp_path: Path
):
    bundle = taught_bundle(tmp_path)
    decided = replace(result(9, verdict=Verdict.REVIEW), bundle_sha256=read_bundle(bundle).sha256)
    database = Database(f"sqlite:///{store}")
    place = ImageFolder(tmp_path / "images", "png", reserve_bytes=0)
    image = np.full((192, 256, 3), 9, np.uint8)
    view = replace(decided.views[0], image_sha256=image_sha256(image))
    place.put(view.image_sha256, encode(image, "png"))
    sink = ResultSink(database)
    sink.deliver([replace(decided, views=(view,))])
    sink.close()
    config = tmp_path / "station.toml"
    config.write_text(
        f'station = "press-4"\nbundle = "{bundle.name}"\n'
        f'[store]\ndatabase = "sqlite:///{store.name}"\n'
        '[store.images]\nkind = "disk"\nfolder = "images"\n'
    )
    command = [
        "review",
        str(config),
        "--next",
        "--by",
        "Ada",
        "--new-class",
        "--station",
        "press-4",
    ]
    ran = CliRunner().invoke(app, command, input="good\ngood\ngood\nq\n")
    assert ran.exit_code == 0, ran.output
    assert "line 1 of part.keen.log" in ran.stdout
    shown = keenline("audit", "show", bundle).out
    assert "review     Ada: 1 results judged: 1 good, 0 defect, 0 unclear" in shown
    assert keenline("audit", "verify", bundle).code == 0
    assert keenline("audit", "verify", config).code == 0


def test_a_bundle_that_is_none_ends_calmly(keenline: Keenline, store: Path, tmp_path: Path):
    assert keenline("shadow", "run", tmp_path / "no.keen", store).code == 4
    assert keenline("shadow", "plan", "--good", 0.1).code == 2
    plan = json.loads(keenline("shadow", "plan", "--json").out)
    assert plan["fixed"][0]["parts"] == 59
    assert plan["sequential"]["bad"]["promoted"] <= 0.05


def test_a_missed_challenge_is_shown_and_acknowledged_by_name(keenline: Keenline, tmp_path: Path):
    file = tmp_path / "station.toml"
    file.write_text(
        'station = "press-4"\nbundle = "p.keen"\n[trigger]\nsource = "software"\nevery_ms = 200\n'
        '[[cameras]]\nname = "top"\nkind = "simulated"\n'
    )
    (tmp_path / "journal").mkdir()
    told: list[str] = []
    state = tmp_path / "journal" / CHALLENGE_FILE
    watch = Challenges(state, lambda kind, **_: told.append(kind))
    known = ChallengeSettings(parts=(ChallengePart(part_id="KB"),))
    assert "no part yet" in keenline("challenge", "status", file).out
    when = result(1).trigger.time
    watch.judge(known, Trigger(7, "KB", when, 0), Decision(Verdict.PASS, ()), ())
    assert "KB" in keenline("challenge", "status", file).out
    assert keenline("challenge", "acknowledge", file, "--by", "Ada").code == 2
    done = keenline("challenge", "acknowledge", file, "--by", "Ada", "--why", "lamp", "--json")
    assert json.loads(done.out) == {"acknowledged": "KB"}
    watch.look()
    assert told == ["challenge-missed", "challenge-acknowledged"]
    assert "missed" not in keenline("challenge", "status", file).out
