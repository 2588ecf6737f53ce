"""The clock of the machine jumps a day on and back: no part is late, no deadline moves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.faults.line import BUSY
from tests.faults.plc_program import PlcProgram
from tests.faults.station_process import ROOT, Belt, StationProcess
from tests.peers import require_peer
from tests.peers.plc_process import PlcProcess
from tests.station.lines import until

from keenline.types import Result

_ROOMS = ("station", "devices", "journal", "publish")
# Not in the engine's process, which asks for no time of day and whose libraries libfaketime lets
# hang; and its clock_nanosleep, which time.sleep uses, fails after a jump. The waits of the line
# are those of conditions, which it leaves alone.
_GET_ON_WITH_LIBFAKETIME = """\
import os, threading, time
del os.environ["LD_PRELOAD"]
time.sleep = threading.Event().wait
"""
# What they ask for is a date, and not to measure with it.
_MAY_ASK = {
    "devices/folder_files.py": "part of a name",
    "publish/opc40100_certificates.py": "of a certificate",
    "publish/sparkplug_payload.py": "of a message",
    "station/tally.py": "of the last result, for a metric",
}


@pytest.fixture
def program(plc_peer: PlcProcess) -> Iterator[PlcProgram]:
    made = PlcProgram(plc_peer)
    yield made
    made.close()


def test_a_jump_of_the_clock_costs_no_part(
    program: PlcProgram, bundle: Path, tmp_path: Path
) -> None:
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        require_peer("needs libfaketime (Debian: apt install faketime)")
    clock = tmp_path / "clock"
    clock.write_text("+0\n")
    station = StationProcess(tmp_path, bundle, program.peer.port)
    # As a jump is: the wall clock only, never the monotonic one.
    station.start(
        _GET_ON_WITH_LIBFAKETIME,
        LD_PRELOAD=str(libraries[0]),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        DONT_FAKE_MONOTONIC="1",
    )
    until(program.is_ready)
    belt = Belt(program)
    try:
        station.until_passes(3)
        for jump in ("+1d", "-1d", "-3600d", "+0"):
            clock.write_text(f"{jump}\n")
            station.until_passes(4)
    finally:
        belt.stop()
        status = station.stop()
    assert status == 0
    found, gated = station.settle(program)
    results = sorted(
        (one for one in found if isinstance(one, Result)), key=lambda one: one.trigger.number
    )
    assert {one.code for one in results} <= {None, *BUSY}
    assert sum(part.gate == "pass" for part in gated) >= 15
    times = [one.trigger.time.timestamp() for one in results]
    steps = [after - before for before, after in pairwise(times)]
    assert max(steps) > 80_000, "the clock was not seen to jump on"
    assert min(steps) < -80_000, "the clock was not seen to jump back"
    assert all(0 < (one.timings.decided or 0) < 2000 for one in results)


@pytest.mark.parametrize("room", _ROOMS)
def test_no_duration_is_measured_by_the_clock_of_the_wall(room: str) -> None:
    """Nothing at the line asks `time.time`, nor subtracts one date from another."""
    source = ROOT / "src" / "keenline"
    wrong: list[str] = []
    for path in sorted((source / room).rglob("*.py")):
        name = path.relative_to(source).as_posix()
        if name not in _MAY_ASK:
            tree = ast.parse(path.read_text(encoding="utf-8"))
            wrong += [f"{name}:{line}" for line in _wall_clock_lines(tree)]
    assert wrong == []


def test_the_rule_bites() -> None:
    for line in (
        "import time\nbegin = time.time()",
        "from time import time",
        "import time\nbegin = time.time_ns()",
        "took = datetime.now(UTC) - begin",
        "late = begin + pause < datetime.now(UTC)",
        "took = begin - datetime.utcnow()",
    ):
        assert _wall_clock_lines(ast.parse(line)), line
    for line in ("import time\nbegin = time.monotonic()", "told = datetime.now(UTC)"):
        assert not _wall_clock_lines(ast.parse(line)), line


def _wall_clock_lines(tree: ast.Module) -> list[int]:
    found: list[int] = []
    for node in ast.walk(tree):
        words = ast.unparse(node) if isinstance(node, ast.Call) else ""
        if words.startswith(("time.time(", "time.time_ns(")):
            found.append(node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [node.lineno for alias in node.names if alias.name.startswith("time")]
        elif isinstance(node, ast.BinOp | ast.Compare):
            sides = [
                node.left,
                *([node.right] if isinstance(node, ast.BinOp) else node.comparators),
            ]
            if any(
                ast.unparse(side).startswith(("datetime.now(", "datetime.utcnow("))
                for side in sides
            ):
                found.append(node.lineno)
    return found
