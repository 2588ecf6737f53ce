"""A small bundle, a simulated camera and a list of what happens turned into a running station."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.small_parts import dented, good_part

from keenline.devices.simulated import SimulatedCamera
from keenline.devices.simulated_images import Shot
from keenline.journal.entries import Accepted, Entry
from keenline.journal.log import Journal
from keenline.station.opening import StationPlan
from keenline.station.ports import StationFacts
from keenline.station.settings import EngineTable, TriggerSettings
from keenline.station.station import Station
from keenline.types import Image, LineEvent, Result, TriggerSource, Verdict

GOOD, BAD = "good", "dented"


@dataclass
class Keeper:
    """Keeps images in memory."""

    images: dict[str, Image] = field(default_factory=dict)
    takes: bool = True

    def wants(self, verdict: Verdict, _result_id: str) -> bool:
        return verdict is not Verdict.PASS

    def put(self, sha256: str, image: Image) -> bool:
        if self.takes:
            self.images[sha256] = image
        return self.takes


def shots(count: int = 6, every_bad: int = 3) -> Callable[[], Sequence[Shot]]:
    """Small parts, each named by its number and what it is."""

    def made() -> Sequence[Shot]:
        return [
            Shot(dented(n % 6), f"{n}-{BAD}")
            if n % every_bad == 0
            else Shot(good_part(n % 6), f"{n}-{GOOD}")
            for n in range(1, count + 1)
        ]

    return made


def camera(name: str = "top", **more: object) -> SimulatedCamera:
    return SimulatedCamera(name, shots(), **({"latency_ms": 2.0} | more))  # type: ignore[arg-type]


def plan(bundle: Path, *cameras: SimulatedCamera, **more: object) -> StationPlan:
    """A station that triggers on command, with a deadline that a busy machine keeps."""
    made = StationPlan(
        StationFacts("test-1", "0" * 64, "keenline test", is_simulated=True),
        bundle,
        [(one, "software") for one in cameras],
        trigger=TriggerSettings(source="software", deadline_ms=2000, frame_ms=500),
        engine=EngineTable(threads=1, hang_ms=1000),
    )
    return replace(made, **more)  # type: ignore[arg-type]


@dataclass
class Watched:
    """A running station and everything that it said."""

    station: Station
    journal: Journal
    keeper: Keeper
    results: list[Result] = field(default_factory=list)
    events: list[LineEvent] = field(default_factory=list)

    def trigger(self, part_id: str = "") -> int:
        return self.station.trigger(TriggerSource.SOFTWARE, part_id=part_id).number

    def inspect(self, number: int = 1) -> list[Result]:
        """Trigger so many parts, one after the other; their results."""
        found = []
        for _ in range(number):
            wanted = self.trigger()
            until(lambda wanted=wanted: self.result(wanted) is not None)
            result = self.result(wanted)
            assert result is not None
            found.append(result)
        return found

    def result(self, number: int) -> Result | None:
        return next((one for one in self.results if one.trigger.number == number), None)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events]

    def entries(self) -> list[Entry]:
        return entries(self.journal)

    def assert_accounts_balance(self) -> None:
        """Every trigger has its one result, in the journal too."""
        until(lambda: self.station.tally.counts().in_work == 0)
        counts = self.station.tally.counts()
        assert counts.is_balanced
        assert_one_result_each(self.entries())
        assert counts.triggers == sum(isinstance(one, Accepted) for one in self.entries())


def entries(journal: Journal) -> list[Entry]:
    found, place = [], journal.first()
    while True:
        more, behind = journal.read(place, 10_000)
        found += more
        if behind == place:
            return found
        place = behind


def assert_one_result_each(found: Sequence[Entry]) -> None:
    asked = [one.trigger.number for one in found if isinstance(one, Accepted)]
    answered = [one.trigger.number for one in found if isinstance(one, Result)]
    assert len(set(asked)) == len(asked)
    assert sorted(asked) == sorted(answered)


@contextmanager
def running(plan: StationPlan, folder: Path, *, waits: bool = True) -> Iterator[Watched]:
    journal, keeper = Journal(folder), Keeper()
    results: list[Result] = []
    events: list[LineEvent] = []
    station = Station(plan, journal, keeper, on_result=results.append, on_event=events.append)
    try:
        station.start()
        if waits:
            until(lambda: station.state.inspects and cameras_run(station))
            until(lambda: station.line_is_in_step)
        yield Watched(station, journal, keeper, results, events)
    finally:
        station.stop()
        journal.close()
    assert not [one for one in threading.enumerate() if one.name.startswith(("camera-", "engine"))]


def cameras_run(station: Station) -> bool:
    return all(one.is_running for one in station.opened.acquisitions.values())


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.005)
