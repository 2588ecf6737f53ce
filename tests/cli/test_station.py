"""`keenline station`: what --check finds; a station that runs, reloads and ends as a process."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
from pathlib import Path

from tests.peers.plc_process import free_port
from tests.station.lines import until
from tests.station.process import NAME, station_process, write_station


def test_a_check_that_passes_says_so_and_begins_nothing(
    keenline_process, small_bundle: Path, tmp_path: Path
):
    config = write_station(tmp_path, small_bundle, free_port())
    ran = keenline_process("station", config, "--check", "--json")
    assert ran.code == 0, ran.err
    assert ran.record == {"station": NAME, "check": "passed"}
    ran = keenline_process("station", config, "--check")
    assert ran.code == 0
    assert "Everything is there and can be opened." in ran.out
    with sqlite3.connect(tmp_path / "keenline.sqlite") as database:
        assert database.execute("select count(*) from results").fetchone() == (0,)
    database.close()


def test_a_check_tells_all_that_is_wrong_at_once(
    keenline_process, small_bundle: Path, tmp_path: Path
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = write_station(tmp_path, small_bundle, taken.getsockname()[1])
        more = (
            'recipe = "none.toml"\n[[cameras]]\nname = "inbox"\nkind = "folder"\nfolder = "none"\n'
            'trigger = "free"\n[mqtt]\nusername = "line"\npassword = { env = "NOT_SET_ANYWHERE" }\n'
        )
        recipe, rest = more.split("\n", 1)
        text = config.read_text().replace(f'"{small_bundle}"', f'"none.keen"\n{recipe}', 1)
        config.write_text(text + rest)
        ran = keenline_process("station", config, "--check", "--json")
    assert ran.code == 7, ran.err
    codes = {line.split("[KL")[1][:4] for line in ran.record["problems"]}
    assert codes == {"1300", "2100", "5100", "5303", "6300"}
    assert ran.record["code"] == 5303
    ran = keenline_process("station", config)
    assert ran.code == 7
    assert "Traceback" not in ran.err
    assert ran.err.count("KL2100") == 1


def test_a_file_that_is_wrong_is_told_with_its_lines(keenline, tmp_path: Path):
    config = tmp_path / "station.toml"
    config.write_text('station = "press-7"\n[[cameras]]\nname = "top"\nkind = "simulated"\n')
    ran = keenline("station", config, "--check", "--json")
    assert ran.code == 7
    assert ran.record["code"] == 5302
    assert all(problem.startswith("station.toml:") for problem in ran.record["problems"])
    assert keenline("station", tmp_path / "none.toml").code == 7


def test_a_station_runs_and_ends_cleanly_with_all_its_records(small_bundle: Path, tmp_path: Path):
    with station_process(tmp_path, small_bundle) as station:
        station.until_parts(20)
        code, out = station.end()
    assert code == 0
    told = json.loads(out)
    parts = station.events("part")
    assert told.pop("station") == NAME
    assert told.pop("triggers") == len(parts) == sum(told.values())
    assert told["PASS"] > 0
    assert told["REVIEW"] > 0
    for line in map(json.loads, station.lines):
        assert {"station", "event", "level", "timestamp"} <= set(line)
    for part in parts:
        assert {"part_id", "number", "verdict", "code", "reasons", "result_id"} <= set(part)
    assert station.events("stopped")
    with sqlite3.connect(tmp_path / "keenline.sqlite") as database:
        stored = {row[0] for row in database.execute("select result_id from results")}
    database.close()
    assert stored == {part["result_id"] for part in parts}


def test_ctrl_c_ends_it_as_cleanly(small_bundle: Path, tmp_path: Path):
    with station_process(tmp_path, small_bundle) as station:
        code, out = station.end(signal.SIGINT)
    assert code == 0
    assert json.loads(out)["station"] == NAME


def test_a_second_one_in_the_same_folder_is_refused(
    keenline_process, small_bundle: Path, tmp_path: Path
):
    with station_process(tmp_path, small_bundle) as station:
        ran = keenline_process("station", station.config, "--json")
        assert ran.code == 8
        assert ran.record["code"] == 6001
        station.until_parts(5)


def test_hang_up_loads_the_bundle_that_the_file_names_now(small_bundle: Path, tmp_path: Path):
    bundle = tmp_path / "part.keen"
    bundle.write_bytes(small_bundle.read_bytes())
    with station_process(tmp_path, bundle) as station:
        for times in (1, 2):
            station.send(signal.SIGHUP)
            until(lambda times=times: len(station.events("bundle-changed")) == times, 30)
        config = station.config.read_text()
        station.config.write_text(config.replace("every_ms = 50.0", "every_ms = 60.0"))
        station.send(signal.SIGHUP)
        until(lambda: bool(station.events("change-refused")), 30)
        assert "start the station anew" in station.events("change-refused")[0]["what"]
        before = len(station.events("part"))
        station.until_parts(before + 5)
        assert station.end()[0] == 0
    assert {part["verdict"] for part in station.events("part")} <= {"PASS", "REVIEW"}
