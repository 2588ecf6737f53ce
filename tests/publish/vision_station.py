"""A station without a line: it takes commands, changes its state and makes results."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from keenline.errors import Code, StationError
from keenline.journal.entries import Entry
from keenline.publish.opc40100_control import JobRequest, KnownConfiguration, KnownRecipe
from keenline.types import Decision, Result, Timings, Trigger, Verdict, View

RECIPE, BUNDLE, STATION = "ab" * 32, "cd" * 32, "ef" * 32


def result_of(
    number: int,
    *,
    part_id: str = "",
    verdict: Verdict = Verdict.PASS,
    code: int | None = None,
    time_: datetime | None = None,
) -> Result:
    """A result as a station would make it."""
    when = time_ or datetime.now(UTC)
    return Result(
        result_id=str(uuid.UUID(int=number)),
        station="station-1",
        trigger=Trigger(number, part_id or f"part-{number}", when, time.monotonic_ns()),
        decision=Decision(verdict, ("score 0.25 is below 0.5",)),
        views=(View("top", "S1", number, (64, 48), "0" * 64, False, score=0.25, threshold=0.5),),
        timings=Timings(acquired=4.0, inspected=9.0, decided=9.5),
        actuates="pass" if verdict is Verdict.PASS else "reject",
        recipe_sha256=RECIPE,
        bundle_sha256=BUNDLE,
        station_sha256=STATION,
        software="keenline 0.1.0",
        part="bracket",
        code=code,
    )


class BenchStation:
    """Implements `VisionControl`; single jobs are done in a thread and handed to `deliver`."""

    def __init__(self) -> None:
        self.deliver: Callable[[Sequence[Entry]], None] | None = None
        self.calls: list[str] = []
        self.jobs: list[JobRequest] = []
        self.refuses = False
        self._state = "Preoperational"
        self._number = 100
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def state(self) -> str:
        return self._state

    def be(self, state: str) -> None:
        self._state = state

    def recipes(self) -> Sequence[KnownRecipe]:
        return [
            KnownRecipe("bracket", RECIPE, BUNDLE, is_prepared=True),
            KnownRecipe("washer", "12" * 32, "34" * 32, is_prepared=False),
        ]

    def configuration(self) -> KnownConfiguration:
        return KnownConfiguration("station-1", STATION, datetime(2026, 1, 2, tzinfo=UTC))

    def prepare_recipe(self, internal_id: str) -> None:
        self._called(f"prepare {internal_id}", "Ready")

    def start_single_job(self, job: JobRequest) -> int:
        self._called("single", "SingleExecution")
        with self._lock:
            self._number += 1
            number = self._number
        self.jobs.append(job)
        thread = threading.Thread(target=self._do, args=(number, job), name=f"job-{number}")
        self._threads.append(thread)
        thread.start()
        return number

    def start_continuous(self, job: JobRequest) -> None:
        self._called("continuous", "ContinuousExecution")
        self.jobs.append(job)

    def stop(self) -> None:
        self._called("stop", "Ready")

    def abort(self) -> None:
        self._called("abort", "Ready")

    def halt(self) -> None:
        self._called("halt", "Halted")

    def reset(self) -> None:
        self._called("reset", "Preoperational")

    def select_mode_automatic(self) -> None:
        self._called("automatic", "Initialized")

    def end(self) -> None:
        """Every job that was started is done."""
        for thread in self._threads:
            thread.join(10)

    def _do(self, number: int, job: JobRequest) -> None:
        assert self.deliver is not None
        result = result_of(number, part_id=job.part_id)
        self._state = "Ready"
        self.deliver([result])

    def _called(self, what: str, then: str) -> None:
        if self.refuses:
            raise StationError(Code.STATION_TRANSITION, "The station is busy with a change")
        self.calls.append(what)
        self._state = then
