"""Results turned into the fields of OPC 40100-1, and the last of them kept for clients."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from keenline.errors import Code
from keenline.journal.entries import as_json
from keenline.types import Result, Verdict

COMPLETED, ABORTED, FAILED = 1, 3, 4
"""ResultStateDataType, OPC 40100-1 section 12.19."""

_REMEMBERED_JOBS = 1000


@dataclass(frozen=True, slots=True)
class VisionResult:
    """One result as clients see it; each text is empty where nothing is known."""

    result_id: str
    state: int
    is_simulated: bool
    job_id: str
    meas_id: str
    part_id: str
    product_id: str
    external_recipe: str
    internal_recipe: str
    """SHA-256 of the recipe."""
    bundle: str
    """SHA-256 of the bundle: the version of the recipe."""
    external_configuration: str
    internal_configuration: str
    """SHA-256 of the station configuration."""
    started: datetime
    """UTC, of the trigger."""
    created: datetime
    """UTC, of the verdict."""
    acquisition_ms: float | None
    processing_ms: float | None
    verdict: str
    actuates: str
    code: int
    """Number of the error for which the part is INVALID, else 0."""
    reasons: tuple[str, ...]
    score: float | None
    """Highest anomaly score of the views; None where none could be inspected."""
    document: str
    """The whole result as JSON."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of results is asked for; an empty text or a zero matches everything."""

    state: int = 0
    meas_id: str = ""
    part_id: str = ""
    external_recipe: str = ""
    internal_recipe: str = ""
    external_configuration: str = ""
    internal_configuration: str = ""
    product_id: str = ""
    job_id: str = ""

    def matches(self, result: VisionResult) -> bool:
        return all(
            not getattr(self, name) or getattr(self, name) == getattr(result, name)
            for name in self.__slots__
        )


class RecentResults:
    """The last results, oldest first; safe for several threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._results: OrderedDict[str, VisionResult] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, result: VisionResult) -> bool:
        """Keep `result`; False when it was here already, so that it is announced only once."""
        with self._lock:
            if result.result_id in self._results:
                return False
            self._results[result.result_id] = result
            if len(self._results) > self._limit:
                self._results.popitem(last=False)
            return True

    def get(self, result_id: str) -> VisionResult | None:
        with self._lock:
            return self._results.get(result_id)

    def select(self, wanted: Wanted, start: int, limit: int) -> tuple[list[VisionResult], bool]:
        """Up to `limit` matching results from the `start`-th on, and whether these were all."""
        with self._lock:
            matching = (each for each in self._results.values() if wanted.matches(each))
            found = list(islice(matching, start, start + limit + 1))
        return found[:limit], len(found) <= limit


@dataclass(frozen=True, slots=True)
class _Continuous:
    job_id: str
    meas_id: str
    started: datetime
    ended: datetime | None = None


class Jobs:
    """Which job, and whose measuring run, a result belongs to."""

    def __init__(self) -> None:
        self._single: OrderedDict[int, str] = OrderedDict()
        self._continuous: deque[_Continuous] = deque(maxlen=16)

    def single(self, number: int, meas_id: str) -> str:
        """Remember a single job by the number of its trigger; returns its JobId."""
        self._single[number] = meas_id
        if len(self._single) > _REMEMBERED_JOBS:
            self._single.popitem(last=False)
        return str(number)

    def continuous(self, job_id: str, meas_id: str, started: datetime) -> None:
        self.end_continuous(started)
        self._continuous.append(_Continuous(job_id, meas_id, started))

    def end_continuous(self, ended: datetime) -> None:
        if self._continuous and self._continuous[-1].ended is None:
            self._continuous[-1] = replace(self._continuous[-1], ended=ended)

    def of(self, number: int, time: datetime) -> tuple[str, str]:
        """JobId and MeasId of the trigger with this number and time."""
        if number in self._single:
            return str(number), self._single[number]
        for job in self._continuous:
            if job.started <= time and (job.ended is None or time <= job.ended):
                return job.job_id, job.meas_id
        return str(number), ""


def as_vision_result(result: Result, jobs: Jobs) -> VisionResult:
    """The fields of `result`; never fails for a result that the journal could hold."""
    trigger, timings = result.trigger, result.timings
    job_id, meas_id = jobs.of(trigger.number, trigger.time)
    reached = (timings.decided, timings.inspected, timings.acquired)
    duration = next((each for each in reached if each is not None), 0.0)
    scores = [view.score for view in result.views if view.score is not None]
    processing = None
    if timings.decided is not None and timings.acquired is not None:
        processing = timings.decided - timings.acquired
    return VisionResult(
        result_id=result.result_id,
        state=_state(result),
        is_simulated=result.is_simulated,
        job_id=job_id,
        meas_id=meas_id,
        part_id=trigger.part_id,
        product_id=result.part,
        external_recipe=result.part,
        internal_recipe=result.recipe_sha256,
        bundle=result.bundle_sha256,
        external_configuration=result.station,
        internal_configuration=result.station_sha256,
        started=trigger.time,
        created=trigger.time + timedelta(milliseconds=duration),
        acquisition_ms=timings.acquired,
        processing_ms=processing,
        verdict=result.decision.verdict.value,
        actuates=result.actuates,
        code=result.code or 0,
        reasons=result.decision.reasons,
        score=max(scores, default=None),
        document=as_json(result).decode(),
    )


def _state(result: Result) -> int:
    if result.decision.verdict is not Verdict.INVALID:
        return COMPLETED
    return ABORTED if result.code == Code.PART_INTERRUPTED else FAILED
