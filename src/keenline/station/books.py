"""Results and events turned into entries of the journal, held in memory while its disk is full."""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from keenline.errors import OutputError
from keenline.journal.entries import Entry
from keenline.station.ports import Recorder
from keenline.station.tally import Tally
from keenline.types import LineEvent


class Books:
    """Keeps the books of one station; any thread."""

    def __init__(
        self,
        station: str,
        recorder: Recorder,
        tally: Tally,
        on_event: Callable[[LineEvent], None] = lambda _: None,
    ) -> None:
        """`on_event` hears of each event as well; it must not wait."""
        self._station = station
        self._recorder = recorder
        self._tally = tally
        self._on_event = on_event
        self._waiting: deque[Entry] = deque()
        self._lock = threading.Lock()

    def enter(self, entry: Entry) -> None:
        """Record now. Raises OutputError; the entry is then not held."""
        self._recorder.append(entry)

    def enter_or_hold(self, entry: Entry) -> None:
        """Record now, or as soon as the disk takes it."""
        try:
            self._recorder.append(entry)
        except OutputError:
            self.hold(entry)

    def hold(self, entry: Entry) -> None:
        """Record as soon as the disk takes it."""
        self._waiting.append(entry)
        self._tally.count("unrecorded")

    def event(self, kind: str, **facts: str) -> None:
        """Record something that is no result."""
        entry = LineEvent(str(uuid.uuid4()), self._station, kind, datetime.now(UTC), facts)
        self.enter_or_hold(entry)
        self._on_event(entry)

    def enter_what_waits(self) -> None:
        """Try again what the disk would not take."""
        with self._lock:
            while self._waiting:
                try:
                    self._recorder.append(self._waiting[0])
                except OutputError:
                    return
                self._waiting.popleft()
                self._tally.count("unrecorded", -1)
