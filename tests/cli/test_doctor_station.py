"""`keenline doctor --station` beside a station that really runs, and beside one that does not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.peers.plc_process import free_port
from tests.station.lines import until
from tests.station.process import station_process, write_station

from keenline.cli import station_place
from keenline.cli.devices import CameraTable, PlcTable, kinds_of
from keenline.cli.examination import Finding, Level, worst
from keenline.cli.station_config import load_station
from keenline.cli.station_scrape import Scrape
from keenline.cli.station_scrape import findings as examined


def findings(record: dict) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for one in record["findings"]:
        found.setdefault(one["about"], []).append(one)
    return found


def test_a_station_that_is_well(keenline, small_bundle: Path, tmp_path: Path):
    with station_process(tmp_path, small_bundle) as station:
        station.until_parts(10)
        ran = keenline("doctor", "--station", station.config, "--json")
        told = keenline("doctor", "--station", station.config)
    assert ran.code == 0, ran.out
    record = ran.record
    assert record["level"] in ("ok", "warning")  # the clock of this machine may not be set
    found = findings(record)
    assert found["state"] == [{"about": "state", "level": "ok", "says": "ContinuousExecution"}]
    assert found["answers"][0]["level"] == "ok"
    assert found["bundle"][0]["level"] == "ok"
    assert "since the start" in found["parts"][0]["says"]
    assert "the last one 0 s ago" in found["parts"][1]["says"]
    assert "the deadline is 2000 ms" in found["verdicts"][0]["says"]
    assert "delivered" in found["store"][0]["says"]
    assert "file descriptors" in found["process"][0]["says"]
    assert "journal, images, database" in found["disk"][0]["says"]
    assert found["packages"][0]["level"] == "ok"
    assert {"journal", "clock", "processor"} <= set(found)
    assert told.code == 0
    assert "ContinuousExecution" in told.out
    assert "fault" not in told.out


def test_a_station_that_does_not_run(keenline, small_bundle: Path, tmp_path: Path):
    config = write_station(tmp_path, small_bundle, free_port())
    ran = keenline("doctor", "--station", config, "--json")
    assert ran.code == 7
    assert findings(ran.record)["answers"][0]["level"] == "fault"
    assert "there is none yet" in findings(ran.record)["journal"][0]["says"]
    told = keenline("doctor", "--station", config)
    assert told.code == 7
    assert "fault: nobody answers at http://127.0.0.1:" in told.out


def test_a_camera_that_is_gone_and_a_sink_that_takes_nothing(
    keenline, small_bundle: Path, tmp_path: Path
):
    more = (
        f"[mqtt]\nport = {free_port()}\n"
        '[[cameras]]\nname = "inbox"\nkind = "folder"\nfolder = "inbox"\ntrigger = "free"\n'
    )
    (tmp_path / "inbox").mkdir()
    with station_process(tmp_path, small_bundle, more) as station:
        (tmp_path / "inbox").rename(tmp_path / "gone")
        until(lambda: bool(station.events("trouble")), 20)

        def seen() -> dict[str, list[dict[str, str]]]:
            ran = keenline("doctor", "--station", station.config, "--json")
            assert ran.code == 7
            return findings(ran.record)

        until(lambda: seen()["mqtt"][0]["level"] == "fault", 20)
        found = seen()
        (tmp_path / "gone").rename(tmp_path / "inbox")
    assert found["state"][0]["level"] == "fault"
    assert found["trouble"][0]["says"].startswith("camera inbox")
    assert "KL6200" in found["mqtt"][0]["says"]
    assert found["parts"][0]["level"] == "warning"
    assert "KL5" in found["parts"][0]["says"]
    assert found["packages"][0]["says"] == "those of mqtt are installed"


def test_another_bundle_on_disk_and_another_station_at_the_port(
    keenline, small_bundle: Path, learnt: Path, tmp_path: Path
):
    bundle = tmp_path / "part.keen"
    bundle.write_bytes(small_bundle.read_bytes())
    with station_process(tmp_path / "a", bundle) as station:
        bundle.write_bytes(learnt.read_bytes())
        ran = keenline("doctor", "--station", station.config, "--json")
        assert findings(ran.record)["bundle"][0]["level"] == "warning"
        text = station.config.read_text().replace("press-7", "press-8")
        other = tmp_path / "a" / "other.toml"
        other.write_text(text)
        ran = keenline("doctor", "--station", other, "--json")
    assert ran.code == 7
    assert "press-7 answers there, not press-8" in json.dumps(ran.record)


def test_a_station_without_metrics_is_looked_at_from_outside(
    keenline, small_bundle: Path, tmp_path: Path
):
    config = write_station(tmp_path, small_bundle, 1)
    config.write_text(config.read_text().split("[metrics]")[0])
    ran = keenline("doctor", "--station", config, "--json")
    assert ran.code == 0
    assert findings(ran.record)["answers"][0]["level"] == "unknown"


@pytest.mark.parametrize(
    ("sha256", "is_up", "skipped", "level", "words"),
    [
        ("e" * 64, 1.0, 3.0, Level.OK, "97 parts, 2 not as the station decided; 3 left out"),
        ("e" * 64, 1.0, 30.0, Level.WARNING, "30 left out (30 behind)"),
        ("e" * 64, 0.0, 0.0, Level.WARNING, "down, or loading"),
        ("", 0.0, 0.0, Level.WARNING, "may not run here"),
    ],
)
def test_how_a_bundle_in_shadow_stands(
    sha256: str, is_up: float, skipped: float, level: Level, words: str, tmp_path: Path
):
    config = load_station(write_station(tmp_path, tmp_path / "part.keen", 9469))
    who = {"station": config.station, "bundle_sha256": "a", "station_sha256": config.sha256}
    seen = Scrape(
        (
            ("keenline_station_info", who, 1.0),
            ("keenline_shadow_up", {"bundle_sha256": sha256}, is_up),
            ("keenline_shadow_answers_total", {}, 97.0),
            ("keenline_shadow_differing_total", {}, 2.0),
            ("keenline_shadow_skipped_total", {"why": "behind"}, skipped),
        )
    )
    (found,) = [one for one in examined(seen, config, "a") if one.about == "shadow"]
    assert found.level is level
    assert words in found.says


def test_a_file_that_is_wrong_is_told(keenline, tmp_path: Path):
    ran = keenline("doctor", "--station", tmp_path / "none.toml", "--json")
    assert ran.code == 7
    assert ran.record["code"] == 5300


# Where a station stands


def test_records_that_wait_for_a_sink_are_counted(small_bundle: Path, tmp_path: Path):
    config = load_station(write_station(tmp_path, small_bundle, 1))
    folder = tmp_path / "journal"
    folder.mkdir()
    for number in (7, 8, 9):
        (folder / f"{number:09d}.journal").write_bytes(b"x" * 6_000_000)
    (folder / "store.place").write_text("9 100\n")
    (folder / "mqtt.place").write_text("7 1000000\n")
    told = {one.says: one.level for one in station_place.journal(config, tmp_path)}
    assert told == {"3 segments, 18.0 MB": Level.OK, "17 MB wait for mqtt": Level.WARNING}


def test_a_disk_without_the_room_that_images_need_is_a_fault(small_bundle: Path, tmp_path: Path):
    path = write_station(tmp_path, small_bundle, 1)
    path.write_text(path.read_text().replace("0.01", "1e9").replace("0.02", "2e9"))
    (one,) = station_place.disks(load_station(path), tmp_path)
    assert one.level is Level.FAULT
    path.write_text(path.read_text().replace("1e9", "0.01"))
    (one,) = station_place.disks(load_station(path), tmp_path)
    assert one.level is Level.WARNING


@pytest.mark.parametrize(
    ("governors", "level"),
    [([], Level.UNKNOWN), (["performance"] * 2, Level.OK), (["powersave"], Level.WARNING)],
)
def test_the_governor_of_the_processor(tmp_path: Path, governors: list[str], level: Level):
    for number, name in enumerate(governors):
        (tmp_path / f"cpu{number}").write_text(name + "\n")
    assert station_place.governor(str(tmp_path / "cpu*")).level is level


@pytest.mark.parametrize(
    ("answer", "level"),
    [("echo yes", Level.OK), ("echo no", Level.WARNING), ("exit 1", Level.UNKNOWN)],
)
def test_the_clock_as_timedatectl_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, level: Level
):
    program = tmp_path / "timedatectl"
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert station_place.clock().level is level


def test_without_timedatectl_the_clock_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert station_place.clock().level is Level.UNKNOWN


def test_every_kind_that_needs_a_package_is_known():
    without = {"folder", "simulated", "rest"}
    kinds = set(kinds_of(CameraTable)) | set(kinds_of(PlcTable))
    assert kinds - without <= set(station_place.PACKAGES)


def test_the_worst_finding_counts():
    ok, bad = Finding("a", Level.OK, ""), Finding("b", Level.FAULT, "")
    assert worst([]) is Level.OK
    assert worst([ok, bad, Finding("c", Level.WARNING, "")]) is Level.FAULT
