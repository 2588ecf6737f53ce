"""A TOML text turned into a whole plant with parts that come by, and its accounts in the end.

The plant is the one of `keenline station`: journal, store, publishers, metrics. Only the camera
may be one of ours, which knows what it shows to whom, so that a conveyor can settle the accounts.
"""

from __future__ import annotations

import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.station.lines import assert_one_result_each, entries, shots, until

from keenline.cli.station_assembly import Plant
from keenline.cli.station_config import load_station
from keenline.devices.plc_simulated import SimulatedPlcSettings
from keenline.devices.simulated import SimulatedCamera
from keenline.devices.simulated_images import Shot
from keenline.errors import Code
from keenline.journal.entries import Entry
from keenline.journal.log import Journal
from keenline.station.conveyor import Accounts, Belt, Conveyor
from keenline.station.opening import StationPlan
from keenline.station.states import State
from keenline.station.station import Station
from keenline.store.audit import verify
from keenline.store.opening import open_database
from keenline.store.queries import Query, find
from keenline.types import LineEvent, Result, Verdict

HEAD = """
station = "{station}"
bundle = "{bundle}"
journal = "{station}-journal"
[trigger]
source = "{source}"
deadline_ms = 2000.0
frame_ms = 80.0
[engine]
threads = 1
hang_ms = 1000.0
[handshake]
kind = "count"
stale_ms = 500.0
[metrics]
port = 0
[[cameras]]
kind = "simulated"
name = "top"
"""
STORE = """
[store]
database = "sqlite:///keenline.sqlite"
timeout_ms = 1000.0
[store.images]
reserve_gb = 0.01
[store.retention]
free_gb = 0.0
"""
SIMULATED_PLC = '[plc]\nkind = "simulated"\nhandshake = "count"\n'

BUSY = {Code.PART_UNCERTAIN_MATCH, Code.PART_PLC, Code.PART_NO_IMAGE, Code.PART_LATE}
"""What a part may end with because this machine has other work, and nothing else is wrong."""
PICTURES = shots()
RATE = 10.0
"""Parts a second: slow enough that a busy machine keeps up."""


@dataclass
class FaultLine:
    """A running plant between a conveyor and a gate, and everything that it said."""

    plant: Plant
    camera: SimulatedCamera
    plc: Any
    conveyor: Conveyor
    results: list[Result] = field(default_factory=list)
    events: list[LineEvent] = field(default_factory=list)
    left: list[Entry] = field(default_factory=list)
    """What its journal held in the end."""

    @property
    def station(self) -> Station:
        return self.plant.station

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def trouble_of(self, where: str) -> bool:
        return where in self.station.health.troubles

    def notices_nothing(self, since: int = 0) -> bool:
        """Every part had its verdict, but for those that a busy machine let wait."""
        return {one.code for one in self.results[since:]} <= {None, *BUSY}

    def passes(self) -> int:
        return sum(result.decision.verdict is Verdict.PASS for result in list(self.results))

    def until_passes(self, more: int, seconds: float = 20.0) -> None:
        """So many more parts got a PASS."""
        wanted = self.passes() + more
        until(lambda: self.passes() >= wanted, seconds)

    def until_works(self, seconds: float = 20.0) -> None:
        until(lambda: self.station.state is State.CONTINUOUS_EXECUTION, seconds)

    def metric(self, name: str) -> float:
        """One value of what a scrape answers; `name` with its labels."""
        assert self.plant.metrics is not None
        address = f"http://127.0.0.1:{self.plant.metrics.port}/metrics"
        with urllib.request.urlopen(address, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        (found,) = [line.split()[-1] for line in lines if line.startswith(f"{name} ")]
        return float(found)

    def settle(self, drain_s: float = 20.0, *, sees_dents: bool = True) -> Accounts:
        """Stop everything; nothing is lost, nothing passed wrongly, all is recorded once."""
        self.conveyor.stop()
        until(lambda: self.station.tally.counts().in_work == 0)
        assert self.station.tally.counts().is_balanced
        assert self.plant.forwarders[0].drain(drain_s), self.plant.forwarders[0].state
        self.plant.stop()
        accounts = self.conveyor.accounts()
        assert accounts.presented > 0
        assert accounts.unanswered == 0, accounts
        assert accounts.wrong_passes == 0, accounts
        assert accounts.is_settled, accounts
        assert accounts.defects_passed == 0 or not sees_dents, accounts
        self.check_records()
        return accounts

    def check_records(self) -> None:
        """After the stop: the journal has one result for each trigger, and the store has those."""
        self.left = of_journal(self.plant.journal.folder)
        told = [result.result_id for result in self.results]
        assert_recorded_once(self.left, told)
        assert_stored_once(self.plant, self.left)


@contextmanager
def fault_line(
    folder: Path,
    bundle: Path,
    *,
    station: str = "line-1",
    plc_toml: str = SIMULATED_PLC,
    more: str = STORE,
    program: Any = None,
    rate: float = RATE,
    pictures: Callable[[], Sequence[Shot]] = PICTURES,
    plan: Callable[[StationPlan], StationPlan] = lambda plan: plan,
) -> Iterator[FaultLine]:
    """A plant that runs and inspects. `program` drives a real PLC peer, whose table is `plc_toml`;
    without it there is a simulated one."""
    text = HEAD.format(station=station, bundle=bundle.resolve(), source="plc") + plc_toml + more
    file = folder / f"{station}.toml"
    file.write_text(text)
    camera = SimulatedCamera("top", pictures, latency_ms=2.0)
    plc = program or SimulatedPlcSettings(handshake="count", answer_ms=2500).build()

    def planned(made: StationPlan) -> StationPlan:
        facts = replace(made.facts, is_simulated=True)
        simulated = made.plc if program is not None else plc
        return plan(replace(made, facts=facts, cameras=[(camera, "software")], plc=simulated))

    names = [shot.part_id for shot in pictures()]
    conveyor = Conveyor(camera, plc, names, Belt(rate, 0.0))
    results: list[Result] = []
    events: list[LineEvent] = []

    def settled(result: Result) -> None:
        conveyor.note(result)
        results.append(result)

    plant = Plant(
        load_station(file), folder, on_result=settled, on_event=events.append, plan=planned
    )
    line = FaultLine(plant, camera, plc, conveyor, results, events)
    is_started = False
    try:
        plant.start()
        line.until_works()
        until(lambda: plant.station.line_is_in_step)
        time.sleep(0.1)  # the PLC has shown its count, so that the first part is seen as new
        conveyor.start()
        is_started = True
        yield line
    finally:
        if not line.left:  # it was not settled, because something went wrong
            if is_started:
                conveyor.stop(0.0)
            plant.stop(0.0)


def of_journal(folder: Path) -> list[Entry]:
    """Everything that a journal holds that nobody has open."""
    journal = Journal(folder)
    found = entries(journal)
    journal.close()
    return found


def assert_recorded_once(found: list[Entry], told: list[str]) -> None:
    """One result for each trigger, and those that were told."""
    assert_one_result_each(found)
    kept = {entry.result_id for entry in found if isinstance(entry, Result)}
    assert set(told) <= kept
    assert len(set(told)) == len(told)


def assert_stored_once(plant: Plant, found: list[Entry]) -> None:
    """Every result of the journal is in the database, once, and the trail is whole."""
    database = open_database(plant.config.store, plant.folder, must_exist=True)
    query = Query(station=plant.config.station)
    stored = Counter(result.result_id for result in find(database, query))
    whole = verify(database)
    database.close()
    assert stored == Counter(entry.result_id for entry in found if isinstance(entry, Result))
    assert whole.is_whole
