"""A running station turned into a live view for the terminal: parts, verdicts, times, faults."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from keenline.journal.forwarding import Forwarder
from keenline.station.station import Station
from keenline.types import LineEvent, Result, Verdict

_COLOURS = {
    Verdict.PASS: "bold white on green4",
    Verdict.REJECT: "bold white on red3",
    Verdict.REVIEW: "bold black on dark_orange",
    Verdict.INVALID: "bold white on grey37",
}
_STAGES = (("acquired", "image here"), ("decided", "verdict"), ("actuated", "PLC confirmed"))
_SHARES = (50.0, 99.0, 99.9, 100.0)
_EVENTS = 5
_NOT_SHOWN = ("image-lost", "state")
"""The state is always shown, and there may be very many images."""
_RATE_S = 2.0


class LiveView:
    """Shows one station; `render` is called a few times a second."""

    def __init__(self, station: Station, forwarders: Sequence[Forwarder]) -> None:
        self._station = station
        self._forwarders = forwarders
        self._last: Result | None = None
        self._news: deque[tuple[datetime, str, str]] = deque(maxlen=_EVENTS)
        """When, what, and its style."""
        self._settled: deque[tuple[float, int]] = deque(maxlen=64)

    def result(self, result: Result) -> None:
        """A part has its verdict."""
        self._last = result

    def event(self, event: LineEvent) -> None:
        """Something else happened."""
        if event.kind in _NOT_SHOWN:
            return
        facts = ", ".join(f"{value}" for key, value in event.facts.items() if key != "code")
        style = "red" if event.kind == "trouble" else "dim"
        self._news.append((event.time, f"{event.kind}: {facts}", style))

    def fault(self, name: str) -> None:
        """Something was made to fail."""
        self._news.append((datetime.now(UTC), f"fault: {name}", "yellow"))

    def render(self) -> RenderableType:
        return Group(
            Text(), self._verdict(), Text(), self._counts(), Text(), self._times(), self._lines()
        )

    def _verdict(self) -> Text:
        if self._last is None:
            return Text("  waiting for the first part", "dim")
        verdict = self._last.decision.verdict
        return Text.assemble(
            "  ",
            (f"  {verdict.value:^9}  ", _COLOURS[verdict]),
            ("  " + self._last.trigger.part_id, "bold"),
            (f"   {self._last.decision.reasons[0]}", "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )

    def _counts(self) -> Text:
        counts = self._station.tally.counts()
        now = time.monotonic()
        self._settled.append((now, counts.settled))
        then, before = next(one for one in self._settled if one[0] >= now - _RATE_S)
        rate = (counts.settled - before) / (now - then) if now > then else 0.0
        line = Text(f"  {counts.triggers} parts, {rate:.0f}/s")
        for verdict, number in counts.verdicts.items():
            line.append(f"   {verdict.value} ", "dim")
            line.append(f"{number}", "bold" if number else "dim")
        state = self._station.state
        line.append("\n  state ", "dim")
        line.append(str(state), "green" if state.inspects else "bold red")
        return line

    def _times(self) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
        table.add_column("  ms from trigger")
        for title in ("p50", "p99", "p99.9", "longest"):
            table.add_column(title, justify="right", min_width=7)
        for name, title in _STAGES:
            found = self._station.tally.percentiles(name, *_SHARES)
            if not math.isnan(found[0]):
                table.add_row(f"  {title}", *(f"{value:.1f}" for value in found))
        return table

    def _lines(self) -> Text:
        lines = Text("\n", no_wrap=True, overflow="ellipsis")
        for forwarder in self._forwarders:
            state = forwarder.state
            if state.trouble is not None:
                lines.append(f"  {forwarder.sink.name}: {state.trouble.what}\n", "yellow")
        for when, words, style in self._news:
            lines.append(f"  {when.astimezone():%H:%M:%S}  {words}\n", style)
        return lines
