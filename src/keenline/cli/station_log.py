"""What happens at a station turned into log lines that a machine can read, one JSON object each."""

from __future__ import annotations

import sys
from typing import TextIO

import structlog

from keenline.types import LineEvent, Result, Verdict

_ALARMING = ("trouble", "image-lost", "interrupted-parts", "journal-on-reserve")


class StationLog:
    """Writes JSON lines to a stream; every line about a part names it."""

    def __init__(self, station: str, stream: TextIO | None = None, *, passes: bool = False) -> None:
        """`passes`: also write a line for each PASS."""
        self._passes = passes
        self._log = structlog.wrap_logger(
            structlog.WriteLogger(stream or sys.stderr),
            processors=[
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
                structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
            ],
        ).bind(station=station)

    def result(self, result: Result) -> None:
        """A part has its verdict."""
        verdict = result.decision.verdict
        if verdict is Verdict.PASS and not self._passes:
            return
        write = self._log.warning if verdict is Verdict.INVALID else self._log.info
        write(
            "part",
            part_id=result.trigger.part_id,
            number=result.trigger.number,
            verdict=verdict.value,
            code=result.code,
            reasons=list(result.decision.reasons),
            decided_ms=result.timings.decided,
            result_id=result.result_id,
        )

    def event(self, event: LineEvent) -> None:
        """Something that is no result."""
        write = self._log.warning if event.kind in _ALARMING else self._log.info
        write(event.kind, **{key: str(value) for key, value in event.facts.items()})
