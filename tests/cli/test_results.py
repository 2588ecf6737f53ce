"""`keenline results` and `keenline audit` on a store that a sink has filled."""

from __future__ import annotations

import csv
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.cli.conftest import Keenline
from tests.store.records import BEGAN, event, result

from keenline.journal.entries import as_json
from keenline.store.database import Database
from keenline.store.queries import COLUMNS
from keenline.store.results import ResultSink
from keenline.types import Result

SENT = [
    *(result(n) for n in range(1, 61)),
    result(61, code=5400, part_id="=HYPERLINK(1)"),
    result(62, code=5403, cameras=("side",)),
    result(63, station="press-5"),
]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    file = tmp_path / "line.sqlite"
    database = Database(f"sqlite:///{file}")
    sink = ResultSink(database)
    sink.deliver([*SENT, event(1), event(2)])
    sink.close()
    return file


def lines(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_a_listing_is_the_newest_first(keenline: Keenline, store: Path):
    ran = keenline("results", store)
    assert ran.code == 0
    shown = ran.out.splitlines()
    assert "press-5" in shown[0]
    assert "50 of 63" in ran.out
    assert "KL5400" in ran.out


def test_json_is_the_whole_record(keenline: Keenline, store: Path):
    found = lines(keenline("results", store, "--json", "-n", 63).out)
    sent = sorted(SENT, key=lambda each: each.trigger.time, reverse=True)
    assert found == [json.loads(as_json(each)) for each in sent]


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ("--verdict REJECT", lambda r: r.decision.verdict == "REJECT"),
        ("--verdict REJECT --verdict INVALID", lambda r: r.decision.verdict != "PASS"),
        ("--part-id P000007", lambda r: r.trigger.part_id == "P000007"),
        ("--station press-5", lambda r: r.station == "press-5"),
        ("--camera side", lambda r: any(view.camera == "side" for view in r.views)),
        ("--class scratch", lambda r: any(view.regions for view in r.views)),
        ("--code 5403", lambda r: r.code == 5403),
        (
            "--since 2026-11-02T06:00:01+00:00 --until 2026-11-02T06:00:02+00:00",
            lambda r: timedelta(seconds=1) <= r.trigger.time - BEGAN < timedelta(seconds=2),
        ),
        ("--part-id absent", lambda _: False),
    ],
)
def test_options_narrow(keenline: Keenline, store: Path, options: str, chosen):
    expected = {each.result_id for each in SENT if chosen(each)}
    ran = keenline("results", store, *options.split(), "--json", "-n", 1000)
    assert {each["result_id"] for each in lines(ran.out)} == expected
    counted = keenline("results", store, *options.split(), "--count", "--json")
    assert counted.record == {"results": len(expected)}


def test_figures(keenline: Keenline, store: Path):
    found = keenline("results", store, "--stats", "--json").record
    assert found["verdicts"] == {"PASS": 46, "REJECT": 15, "REVIEW": 0, "INVALID": 2}
    assert found["codes"] == {"5400": 1, "5403": 1}
    assert found["classes"] == {"scratch": 15}
    assert (found["results"], found["events"], found["refused"]) == (63, 2, 0)
    assert found["ms"]["decided"] == {"p50": 9.3, "p99": 9.3, "max": 9.3}
    assert found["first"] == SENT[0].trigger.time.isoformat()
    shown = keenline("results", store, "--stats").out
    assert "KL5403: 1" in shown
    assert "p99" in shown


def test_exports(keenline: Keenline, store: Path, tmp_path: Path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table, columns = tmp_path / "all.csv", tmp_path / "all.parquet"
    ran = keenline("results", store, "--csv", table, "--parquet", columns, "--json")
    assert ran.record == {"results": 63, "csv": str(table), "parquet": str(columns)}
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    by_id = {row["result_id"]: row for row in rows}
    assert by_id[SENT[60].result_id]["part_id"] == "'=HYPERLINK(1)"
    back = {row["result_id"]: row for row in parquet.read_table(columns).to_pylist()}
    assert set(back) == set(by_id) == {each.result_id for each in SENT}
    for sent in SENT:
        _same(back[sent.result_id], sent)
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def _same(row: dict[str, object], sent: Result) -> None:
    assert row["time"] == sent.trigger.time
    assert row["part_id"] == sent.trigger.part_id
    assert row["encoder"] == sent.trigger.encoder
    assert row["decided_ms"] == sent.timings.decided
    assert row["code"] == sent.code
    assert row["is_simulated"] is False


def test_the_store_of_a_station(keenline: Keenline, store: Path):
    station = store.parent / "station.toml"
    station.write_text(
        'name = "press-4"\n[[cameras]]\nkind = "new"\n[store]\ndatabase = "sqlite:///line.sqlite"\n'
    )
    assert keenline("results", station, "--count").out.strip() == "63"
    station.write_text('[store]\ndatabse = "sqlite:///line.sqlite"\n')
    ran = keenline("results", station, "--count", "--json")
    assert (ran.code, ran.record["code"]) == (7, 5302)
    assert "line 2" in ran.record["problems"][0]
    ran = keenline("results", store.parent / "no.toml", "--json")
    assert (ran.code, ran.record["code"]) == (7, 5300)


def test_nothing_is_made_by_asking(keenline: Keenline, tmp_path: Path):
    ran = keenline("results", tmp_path / "absent.sqlite", "--json")
    assert (ran.code, ran.record["code"]) == (8, 6100)
    empty = tmp_path / "empty.sqlite"
    empty.touch()
    ran = keenline("audit", "verify", empty, "--json")
    assert (ran.code, ran.record["code"]) == (8, 6101)
    text_file = tmp_path / "text.sqlite"
    text_file.write_text("no database " * 100)
    ran = keenline("results", text_file, "--json")
    assert (ran.code, ran.record["code"]) == (8, 6100)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.sqlite", "text.sqlite"]


@pytest.mark.parametrize(
    "words",
    [
        ("results", "x.sqlite", "--since", "yesterday"),
        ("results", "mysql://x/y"),
        ("results", "postgresql+psycopg://u:secret@h/d"),
        ("audit", "verify", "x.sqlite", "--head", "press-4:12"),
        ("audit", "verify", "x.sqlite", "--since", "1d"),
        ("audit", "show", "x.sqlite", "--head", f"press-4:12:{'0' * 64}"),
        ("audit", "forget", "x.sqlite"),
    ],
)
def test_words_that_mean_nothing_are_refused(keenline: Keenline, words: tuple[str, ...]):
    ran = keenline(*words)
    assert ran.code == 2
    assert "secret" not in ran.err


def test_a_whole_trail(keenline: Keenline, store: Path):
    ran = keenline("audit", "verify", store)
    assert ran.code == 0
    assert "whole" in ran.out
    found = keenline("audit", "verify", store, "--json").record
    (first, second) = found["chains"]
    assert (first["station"], first["entries"]) == ("press-4", 64)
    assert (second["station"], second["entries"]) == ("press-5", 1)
    head = first["head"]
    noted = f"{head['station']}:{head['number']}:{head['hash']}"
    assert noted in ran.out
    assert keenline("audit", "verify", store, "--head", noted).code == 0
    _change(store, "DELETE FROM audit WHERE number = 64")
    _change(store, "DELETE FROM events WHERE event_id NOT IN (SELECT subject FROM audit)")
    assert keenline("audit", "verify", store).code == 0  # nothing in the database can tell
    ran = keenline("audit", "verify", store, "--head", noted, "--json")
    assert (ran.code, ran.record["code"]) == (8, 6105)
    assert "press-4, entry 64: missing" in ran.record["got"]


def test_a_broken_trail(keenline: Keenline, store: Path):
    _change(store, "UPDATE results SET verdict = 'PASS' WHERE trigger_number = 8")
    ran = keenline("audit", "verify", store)
    assert ran.code == 8
    assert "press-4, entry 8: columns of its result" in ran.err
    assert "whole" not in ran.out


def test_the_trail_shown(keenline: Keenline, store: Path):
    shown = keenline("audit", "show", store, "--station", "press-4").out.splitlines()
    assert len(shown) == 64
    assert "PASS P000001" in shown[0]
    assert "who=Müller" in shown[-1]
    found = lines(keenline("audit", "show", store, "--since", "5m", "-n", 2, "--json").out)
    assert [each["number"] for each in found] == [1, 2]
    assert found[0]["record"] == json.loads(as_json(SENT[0]))
    assert lines(keenline("audit", "show", store, "--until", "2026-01-01", "--json").out) == []


def _change(store: Path, statement: str) -> None:
    database = Database(f"sqlite:///{store}")
    with database.writing() as connection:
        connection.execute(text(statement))
    database.close()
