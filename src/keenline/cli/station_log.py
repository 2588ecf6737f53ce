"""What happens at a station turned into log lines that a machine can read, one JSON object each."""

from __future__ import annotations

import json
import sys
import threading
from datetime import UTC, datetime
from queue import Empty, Full, Queue
from typing import TextIO

import structlog

from keenline.types import LineEvent, Result, Verdict

_ALARMING = (
    "trouble", "image-lost", "interrupted-parts", "journal-on-reserve",
    "shadow-refused", "shadow-down", "shadow-behind", "shadow-unanswered",
    "authority-withdrawn",
)  # fmt: skip
_MOST_WAITING = 10_000
_LOOK_S = 0.1


class StationLog:
    """Writes JSON lines to a stream; every line about a part names it.

    The line never waits for a terminal that was paused or a disk that is full: a thread writes.
    Lines that nobody takes are counted, and the number is said as soon as somebody does.
    """

    def __init__(self, station: str, stream: TextIO | None = None, *, passes: bool = False) -> None:
        """`passes`: also write a line for each PASS."""
        self._passes = passes
        self._outlet = _Outlet(stream or sys.stderr, station)
        self._log = structlog.wrap_logger(
            self._outlet,
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

    def close(self, timeout_s: float = 2.0) -> None:
        """Write what waits, and end."""
        self._outlet.close(timeout_s)


class _Outlet:
    """What structlog writes to: takes a line at once, and writes it when it can be written."""

    def __init__(self, stream: TextIO, station: str) -> None:
        self._stream, self._station = stream, station
        self._lines: Queue[str] = Queue(_MOST_WAITING)
        self._unwritten = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def msg(self, line: str) -> None:
        try:
            self._lines.put_nowait(line)
        except Full:
            self._unwritten += 1

    info = warning = msg

    def close(self, timeout_s: float) -> None:
        self._closing.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not (self._closing.is_set() and self._lines.empty()):
            try:
                line = self._lines.get(timeout=_LOOK_S)
            except Empty:
                continue
            missing = self._unwritten
            if missing and self._write(self._confession(missing)):
                self._unwritten -= missing
            if not self._write(line):
                self._unwritten += 1

    def _write(self, line: str) -> bool:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # full, gone, or closed
            return False
        return True

    def _confession(self, missing: int) -> str:
        facts = {"station": self._station, "number": missing, "event": "log-lines-lost"}
        time = datetime.now(UTC).isoformat()
        return json.dumps(facts | {"level": "warning", "timestamp": time})
