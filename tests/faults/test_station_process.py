"""The whole `keenline station` is killed, stopped under load, given other bundles as it runs."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.line import BUSY
from tests.faults.plc_program import PlcProgram
from tests.faults.station_process import Belt, StationProcess, is_alive
from tests.peers.plc_process import PlcProcess
from tests.station.lines import until

from keenline.errors import Code
from keenline.journal.entries import Accepted
from keenline.types import LineEvent, Result

_KILLS = 5


@pytest.fixture
def program(plc_peer: PlcProcess) -> Iterator[PlcProgram]:
    made = PlcProgram(plc_peer)
    yield made
    made.close()


@pytest.fixture
def station(program: PlcProgram, bundle: Path, tmp_path: Path) -> Iterator[StationProcess]:
    made = StationProcess(tmp_path, bundle, program.peer.port)
    yield made
    if made.is_running:
        made.kill()


@pytest.mark.slow
def test_kill_9_again_and_again_leaves_every_result_in_the_store_once(
    station: StationProcess, program: PlcProgram
) -> None:
    chance = random.Random(20261121)
    engines: list[int] = []
    belt = Belt(program, 0.05)
    try:
        for _ in range(_KILLS):
            station.start()
            engines += station.children()
            time.sleep(chance.uniform(0.2, 1.2))
            station.kill()
        station.start()
        station.until_passes(5)
    finally:
        belt.stop()
    assert station.stop() == 0
    assert len(engines) == _KILLS
    until(lambda: not any(is_alive(pid) for pid in engines), 5)
    found, gated = station.settle(program)
    results = [entry for entry in found if isinstance(entry, Result)]
    starts = [one for one in found if isinstance(one, LineEvent) and one.kind == "started"]
    assert len(starts) == _KILLS + 1
    # Every part left by the gate once; one without a valid PASS was rejected.
    assert sorted(part.part_id for part in gated) == sorted(belt.presented)
    assert sum(part.gate == "pass" for part in gated) > 5 * _KILLS
    interrupted = [one for one in results if one.code == Code.PART_INTERRUPTED]
    by_part = {part.part_id: part.gate for part in gated}
    assert {by_part[one.trigger.part_id] for one in interrupted} <= {"reject", "none"}


def test_sigterm_under_load_lets_parts_come_to_their_verdicts(
    station: StationProcess, program: PlcProgram
) -> None:
    station.start()
    (engine,) = station.children()
    belt = Belt(program, 0.05)
    try:
        station.until_passes(10)
        assert station.stop() == 0
    finally:
        belt.stop()
    assert not is_alive(engine)
    found, _ = station.settle(program)
    results = [entry for entry in found if isinstance(entry, Result)]
    assert len(results) == sum(isinstance(entry, Accepted) for entry in found)
    codes = {one.code for one in results}
    assert codes <= {None, Code.PART_NOT_READY, *BUSY}
    events = [one.kind for one in found if isinstance(one, LineEvent)]
    assert events[-1] == "stopped"


def test_a_broken_bundle_is_refused_and_a_good_one_is_taken_between_two_parts(
    station: StationProcess, program: PlcProgram, other_bundle: Path
) -> None:
    good = station.bundle.read_bytes()
    station.start()
    belt = Belt(program)
    try:
        station.until_passes(3)
        for number, broken in enumerate((good[: len(good) // 2], b"", good[:-200] + b"x" * 200), 1):
            station.bundle.write_bytes(broken)
            station.reload()
            until(lambda number=number: station.kinds().count("change-refused") == number)
            station.until_passes(2)
        station.bundle.write_bytes(other_bundle.read_bytes())
        text = station.file.read_text()
        station.file.write_text(text.replace("deadline_ms = 2000.0", "deadline_ms = 1.0"))
        station.reload()
        until(lambda: station.kinds().count("change-refused") == 4)
        station.until_passes(2)
        station.file.write_text(text)
        station.reload()
        until(lambda: "bundle-changed" in station.kinds())
        station.until_passes(3)
    finally:
        belt.stop()
    assert station.stop() == 0
    found, _ = station.settle(program)
    refusals = [one for one in found if isinstance(one, LineEvent) and one.kind == "change-refused"]
    assert {one.facts["code"][:2] for one in refusals} == {"21", "53"}
    results = [one for one in found if isinstance(one, Result)]
    hashes = [one.bundle_sha256 for one in sorted(results, key=lambda one: one.trigger.number)]
    assert len(set(hashes)) == 2
    change = hashes.index(hashes[-1])
    assert hashes == [hashes[0]] * change + [hashes[-1]] * (len(hashes) - change)
    assert {one.code for one in results} <= {None, *BUSY}
