"""A station is killed at random instants: what it had told the line is recorded, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.station.lines import assert_one_result_each, entries
from tests.station.test_handshake import ruling

from keenline.errors import Code
from keenline.journal.entries import Accepted
from keenline.journal.log import Journal
from keenline.station.ports import StationFacts
from keenline.station.recovery import recover
from keenline.types import Result, Verdict

_STATION = """\
import sys, time
from pathlib import Path
from tests.station.lines import Keeper, camera, plan
from keenline.journal.log import Journal
from keenline.station.station import Station
from keenline.types import TriggerSource

class Told:
    # What the line was told, as a PLC's memory would hold it: written by one system call.
    def __init__(self): self.file = open(sys.argv[3], "ab", buffering=0)
    def tell(self, ruling):
        self.file.write(f"{ruling.trigger.number} {ruling.actuates}\\n".encode())
    def trouble(self): return None

made = plan(Path(sys.argv[1]), camera(latency_ms=1.0))
station = Station(made, Journal(Path(sys.argv[2])), Keeper())
station.start()
station.line._actuator = Told()
while not station.state.inspects or not station.opened.acquisitions["top"].is_running:
    time.sleep(0.001)
print("running", flush=True)
while True:
    station.line.trigger(TriggerSource.SOFTWARE)
    time.sleep(0.002)
"""
_KILLS = 100


@pytest.mark.slow
def test_killed_at_random_instants_it_loses_nothing_and_passes_nothing_wrongly(
    bundle: Path, tmp_path: Path
) -> None:
    chance = random.Random(20261121)
    told = tmp_path / "told.txt"
    for _ in range(_KILLS):
        _run_and_kill(bundle, tmp_path, told, chance.uniform(0.0, 0.3))
    journal = Journal(tmp_path / "journal")
    recover(journal, StationFacts("test-1", "0" * 64, "test"), "reject")
    found = entries(journal)
    journal.close()
    assert_one_result_each(found)
    results = {one.trigger.number: one for one in found if isinstance(one, Result)}
    # The last line may be torn: the kill came within the write.
    lines = [line.split() for line in told.read_text().splitlines() if len(line.split()) == 2]
    assert len(lines) > 5 * _KILLS
    assert len({number for number, _ in lines}) == len(lines)
    for number, actuates in lines:
        assert results[int(number)].actuates == actuates
    interrupted = [one for one in results.values() if one.code == Code.PART_INTERRUPTED]
    assert all(one.decision.verdict is Verdict.INVALID for one in interrupted)


def _run_and_kill(bundle: Path, folder: Path, told: Path, seconds: float) -> None:
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", _STATION, bundle, folder / "journal", told],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'src'}"},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"running\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def test_what_was_accepted_and_never_settled_becomes_invalid(tmp_path: Path) -> None:
    facts = StationFacts("test-1", "0" * 64, "test")
    journal = Journal(tmp_path)
    for number in (1, 2, 3):
        journal.append(Accepted(ruling(number).trigger))
    recovered = recover(journal, facts, "divert")
    assert recovered.next_number == 4
    assert [one.trigger.number for one in recovered.interrupted] == [1, 2, 3]
    assert {one.actuates for one in recovered.interrupted} == {"divert"}
    again = recover(journal, facts, "divert")
    assert again.interrupted == ()
    assert again.next_number == 4
    journal.close()
