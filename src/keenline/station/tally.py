"""What happened at a line turned into counts and latencies, for people, metrics and accounting."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from keenline.types import Result, Verdict

_KEPT = 20_000

STAGES = ("acquired", "inspected", "decided", "actuated")
"""What the latencies are of, each from the trigger."""

EDGES_MS = (1, 2, 3, 5, 7.5, 10, 15, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000)
"""Upper edges of the histogram's buckets in milliseconds; one more bucket has none."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many latencies were at most each of `EDGES_MS`, cumulative, the last one all of them."""

    counts: tuple[int, ...]
    sum_ms: float


@dataclass(frozen=True, slots=True)
class Counts:
    """A line's accounts at one moment. Every trigger is settled or in work; nothing is between."""

    triggers: int
    verdicts: dict[Verdict, int]
    codes: dict[int, int]
    """INVALID parts by the number of their error."""
    in_work: int
    frames: int
    stray_frames: int
    """Frames that belonged to no part."""
    lost_frames: int
    """Frames that a camera did not deliver, or delivered broken."""
    images_lost: int
    """Images that should have been kept and could not be."""
    unrecorded: int
    """Results that the journal could not take yet."""
    actuated_late: int
    """Verdicts that the PLC confirmed after the deadline, or that missed the gate."""
    last_result_s: float | None = None
    """When the last part got its result, in seconds since 1970."""

    @property
    def settled(self) -> int:
        return sum(self.verdicts.values())

    @property
    def is_balanced(self) -> bool:
        """Every trigger has its one result, or is still in work."""
        return self.triggers == self.settled + self.in_work


class Tally:
    """Counts and the latest latencies of one line. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._verdicts: Counter[Verdict] = Counter()
        self._codes: Counter[int] = Counter()
        self._numbers: Counter[str] = Counter()
        # Written through now, so that a station's memory is the same on its first day and its last.
        self._latencies = {name: np.full(_KEPT, np.nan) for name in STAGES}
        self._noted = dict.fromkeys(STAGES, 0)
        self._buckets = {name: [0] * (len(EDGES_MS) + 1) for name in STAGES}
        self._sums = dict.fromkeys(STAGES, 0.0)
        self._last_result_s: float | None = None

    def count(self, what: str, number: int = 1) -> None:
        """Add to one of the counts of `Counts`: triggers, frames, stray_frames and so on."""
        with self._lock:
            self._numbers[what] += number

    def settle(self, result: Result) -> None:
        """Count a result and its latencies."""
        timings = result.timings
        with self._lock:
            self._verdicts[result.decision.verdict] += 1
            self._last_result_s = time.time()
            if result.code is not None:
                self._codes[result.code] += 1
            if result.decision.verdict is Verdict.INVALID:
                return
            for name in ("acquired", "inspected", "decided"):
                value = getattr(timings, name)
                if value is not None:
                    self._note(name, value)

    def actuated(self, milliseconds: float) -> None:
        """The PLC confirmed a verdict, so long after the trigger."""
        with self._lock:
            self._note("actuated", milliseconds)

    def counts(self) -> Counts:
        with self._lock:
            triggers = self._numbers["triggers"]
            return Counts(
                triggers=triggers,
                verdicts={verdict: self._verdicts[verdict] for verdict in Verdict},
                codes=dict(self._codes),
                in_work=triggers - sum(self._verdicts.values()),
                frames=self._numbers["frames"],
                stray_frames=self._numbers["stray_frames"],
                lost_frames=self._numbers["lost_frames"],
                images_lost=self._numbers["images_lost"],
                unrecorded=self._numbers["unrecorded"],
                actuated_late=self._numbers["actuated_late"],
                last_result_s=self._last_result_s,
            )

    def histogram(self, name: str) -> Histogram:
        """All latencies of a stage since the station started."""
        with self._lock:
            return Histogram(tuple(accumulate(self._buckets[name])), self._sums[name])

    def percentiles(self, name: str, *shares: float) -> tuple[float, ...]:
        """Milliseconds from the trigger that this share of the last parts stayed within.

        `name`: acquired, inspected, decided or actuated; `shares` in percent. Not a number
        (NaN) before there are any. Parts that ended INVALID are not among the first three.
        """
        with self._lock:
            values = self._latencies[name][: self._noted[name]].copy()
        if not values.size:
            return tuple(float("nan") for _ in shares)
        return tuple(float(value) for value in np.percentile(values, shares))

    def _note(self, name: str, milliseconds: float) -> None:
        self._latencies[name][self._noted[name] % _KEPT] = milliseconds
        self._noted[name] += 1
        self._buckets[name][bisect_left(EDGES_MS, milliseconds)] += 1
        self._sums[name] += milliseconds
