"""The log of a station: JSON lines, and never a reason for the line to wait or to end."""

from __future__ import annotations

import io
import json
import os
import time
from datetime import UTC, datetime

from keenline.cli.station_log import StationLog
from keenline.types import LineEvent

LINES = 3000


def event(number: int = 0) -> LineEvent:
    facts = {"where": "plc", "number": str(number), "padding": "x" * 100}
    return LineEvent("id", "press-7", "trouble", datetime.now(UTC), facts)


def test_a_line_is_json_with_station_kind_level_and_time():
    stream = io.StringIO()
    log = StationLog("press-7", stream)
    log.event(event())
    log.close()
    line = json.loads(stream.getvalue())
    assert (line["station"], line["event"], line["level"]) == ("press-7", "trouble", "warning")
    assert datetime.fromisoformat(line["timestamp"]).tzinfo is not None


def test_a_reader_that_stands_still_holds_up_nobody():
    """As a terminal does that somebody has paused."""
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w", encoding="utf-8")
    log = StationLog("press-7", stream)
    begun = time.monotonic()
    for number in range(LINES):
        log.event(event(number))
    assert time.monotonic() - begun < 2
    with os.fdopen(reading, encoding="utf-8") as file:
        found = [json.loads(file.readline())["number"] for _ in range(LINES)]
        log.close()
        stream.close()
    assert found == [str(number) for number in range(LINES)]


class Failing(io.StringIO):
    """A disk that is full for the first so many lines."""

    def __init__(self, first: int) -> None:
        super().__init__()
        self.left = first

    def write(self, text: str) -> int:
        if self.left:
            self.left -= 1
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_lines_that_a_full_disk_did_not_take_are_counted_and_said():
    stream = Failing(3)
    log = StationLog("press-7", stream)
    for number in range(5):
        log.event(event(number))
    log.close()
    told = [json.loads(line) for line in stream.getvalue().splitlines()]
    lost = sum(line["number"] for line in told if line["event"] == "log-lines-lost")
    assert lost + sum(line["event"] == "trouble" for line in told) == 5
    assert lost > 0


def test_a_stream_that_is_closed_ends_nothing():
    stream = io.StringIO()
    log = StationLog("press-7", stream)
    stream.close()
    log.event(event())
    log.close()
