"""Results and events to store: ordinary ones, and ones with every field at its edge."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

from keenline.types import (
    Box,
    Decision,
    LineEvent,
    Region,
    Result,
    Timings,
    Trigger,
    TriggerSource,
    Verdict,
    View,
)

BEGAN = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)


def result(
    number: int,
    *,
    station: str = "press-4",
    verdict: Verdict | None = None,
    time: datetime | None = None,
    part_id: str | None = None,
    code: int | None = None,
    cameras: tuple[str, ...] = ("top",),
    regions: int = 1,
    sha256: str | None = None,
    kept: bool = True,
) -> Result:
    """An ordinary result; every fourth part is not a PASS."""
    verdict = verdict or (Verdict.REJECT if number % 4 == 0 else Verdict.PASS)
    if code is not None:
        verdict = Verdict.INVALID
    shows = regions if verdict in (Verdict.REJECT, Verdict.REVIEW) else 0
    views = tuple(
        View(
            camera=camera,
            serial=f"2{place}",
            frame_number=number,
            size=(256, 192),
            image_sha256=sha256 or f"{number:032x}{place:032x}",
            image_kept=kept,
            device_time_ns=number * 50_000_000,
            exposure_us=120.5,
            gain_db=0.0,
            lights=("coaxial", "dark-field"),
            score=0.4 + 0.1 * number,
            threshold=1.5,
            class_scores={"scratch": 0.125, "dent": 1 / 3},
            regions=tuple(
                Region("scratch", Box(3, 4, 5 + i, 6), 21.5, 1.9, 0.21) for i in range(shows)
            ),
        )
        for place, camera in enumerate(cameras)
    )
    moment = time or BEGAN + timedelta(milliseconds=50 * number, microseconds=number % 7)
    return Result(
        result_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"{station} {number}")),
        station=station,
        trigger=Trigger(
            number=number,
            part_id=part_id or f"P{number:06}",
            time=moment,
            monotonic_ns=10**15 + number,
            source=TriggerSource.PLC,
            encoder=-number,
        ),
        decision=Decision(verdict, () if verdict is Verdict.PASS else ("score 1.9 > 1.5",)),
        views=views,
        timings=Timings(4.25, 9.1 + number / 100, 9.3),
        actuates="pass" if verdict is Verdict.PASS else "reject",
        recipe_sha256="a" * 64,
        bundle_sha256="b" * 64,
        station_sha256="c" * 64,
        software="keenline 0.1.0",
        part="bracket",
        code=code,
    )


def bare(number: int) -> Result:
    """A result in which everything that may be absent is."""
    return Result(
        result_id=str(uuid.uuid4()),
        station="s",
        trigger=Trigger(number, "", BEGAN, 0),
        decision=Decision(Verdict.INVALID, ()),
        views=(View("c", "", 0, (0, 0), "", False),),
        timings=Timings(),
        actuates="reject",
        recipe_sha256="",
        bundle_sha256="",
        station_sha256="",
        software="",
    )


def event(number: int, *, station: str = "press-4", kind: str = "state", **facts: str) -> LineEvent:
    identity = str(uuid.uuid5(uuid.NAMESPACE_OID, f"event {station} {number}"))
    facts = facts or {"from": "Halted", "to": "Ready", "who": "Müller, 'x' \"y\" \\ \n"}
    return LineEvent(identity, station, kind, BEGAN + timedelta(seconds=number), facts)
