"""`keenline simulate`: a station on a virtual conveyor, its accounts, and what it says of them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

VERDICTS = {"PASS", "REJECT", "REVIEW", "INVALID"}


def test_five_seconds_settle_and_are_told_to_a_machine(keenline, learnt: Path, plates: Path):
    ran = keenline("simulate", learnt, "--images", plates, "--seconds", 5, "--rate", 10, "--json")
    assert ran.code == 0, ran.err
    record = ran.record
    assert record["settled"] is True
    assert 40 <= record["presented"] == record["results"] <= 60
    assert sum(record["verdicts"].values()) == record["results"]
    assert set(record["verdicts"]) <= VERDICTS
    assert sum(record["gates"].values()) == record["presented"]
    assert set(record["gates"]) <= {"pass", "reject", "divert", "none"}
    wrong = ("unanswered", "answered_twice", "other_image", "other_gate", "wrong_passes")
    assert [record[name] for name in wrong] == [0] * 5
    assert record["verdicts"]["PASS"] > 0
    assert 0 < record["ms"]["decided"]["p50"] <= record["ms"]["decided"]["longest"] < 200


def test_people_are_told_what_became_of_the_parts(keenline, learnt: Path, plates: Path):
    ran = keenline("simulate", learnt, "--images", plates, "--seconds", 1)
    assert ran.code == 0, ran.err
    assert "every part has its own result; none left by a wrong gate" in ran.out
    assert "ms p50" in ran.out
    assert "INVALID" not in ran.out


def test_images_of_another_size_are_all_invalid_with_the_reason(keenline, learnt: Path):
    """The demo's plates, which are larger than those that were learnt."""
    ran = keenline("simulate", learnt, "--seconds", 1, "--json")
    assert ran.code == 0, ran.err
    record = ran.record
    assert record["codes"] == {"1108": record["results"]}
    assert record["ms"]["decided"] is None
    assert record["gates"] == {"reject": record["presented"]}


def test_a_bundle_that_is_not_there_is_told_before_anything_starts(keenline, tmp_path: Path):
    ran = keenline("simulate", tmp_path / "none.keen", "--json")
    assert ran.code == 4
    assert ran.record["code"] == 2100


def test_a_folder_without_images_is_told(keenline, learnt: Path, tmp_path: Path):
    ran = keenline("simulate", learnt, "--images", tmp_path)
    assert ran.code == 3
    assert "Traceback" not in ran.err


def test_store_and_times_of_a_station_are_taken_and_its_devices_are_not(
    keenline, learnt: Path, plates: Path, tmp_path: Path
):
    config = tmp_path / "station.toml"
    config.write_text(
        'station = "press-7"\nbundle = "other.keen"\n[trigger]\ndeadline_ms = 0.1e4\n'
        '[[cameras]]\nname = "top"\nkind = "folder"\nfolder = "none"\ntrigger = "free"\n'
        '[plc]\nkind = "modbus"\nhost = "127.0.0.1"\n[plc.inputs]\ntrigger = "coil:0"\n'
        '[plc.outputs]\nready = "coil:1"\nresult_valid = "coil:2"\npassed = "coil:3"\n'
    )
    ran = keenline(
        "simulate", learnt, "--images", plates, "--station", config, "--seconds", 1, "--json"
    )
    assert ran.code == 0, ran.err
    with sqlite3.connect(tmp_path / "keenline.sqlite") as database:
        contents = [json.loads(row[0]) for row in database.execute("select content from results")]
    database.close()
    assert len(contents) == ran.record["results"]
    assert all(content["is_simulated"] for content in contents)
    assert {content["station"] for content in contents} == {"press-7"}


@pytest.mark.slow
def test_with_faults_every_part_still_has_its_own_result(keenline, learnt: Path, plates: Path):
    ran = keenline("simulate", learnt, "--images", plates, "--seconds", 13, "--faults", "--json")
    assert ran.code == 0, ran.out
    record = ran.record
    assert record["settled"] is True
    assert record["faults"][:4] == ["frame lost", "engine killed", "frame broken", "camera gone"]
    assert record["verdicts"]["INVALID"] > 0
    assert record["presented"] == record["results"]
