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
        self._was_on_reserve = False
        self._trouble: OutputError | None = None
        self._lock = threading.Lock()

    def enter(self, entry: Entry) -> None:
        """Record now. Raises OutputError; the entry is then not held."""
        with self._lock:
            self._enter_in_order(entry)

    def enter_or_hold(self, entry: Entry) -> None:
        """Record now, or as soon as the disk takes it."""
        with self._lock:
            try:
                self._enter_in_order(entry)
            except OutputError:
                self._hold(entry)

    def enter_if_there_is_room(self, entry: Entry) -> bool:
        """Record now what can be done without; False where the disk is full or was."""
        with self._lock:
            if self._waiting or self._recorder.is_on_reserve:
                return False
            try:
                self._recorder.append(entry)
            except OutputError:
                return False
            return True

    def hold(self, entry: Entry) -> None:
        """Record as soon as the disk takes it."""
        with self._lock:
            self._hold(entry)

    def event(self, kind: str, **facts: str) -> None:
        """Record something that is no result."""
        entry = LineEvent(str(uuid.uuid4()), self._station, kind, datetime.now(UTC), facts)
        self.enter_or_hold(entry)
        self._on_event(entry)

    def enter_what_waits(self) -> None:
        """Try again what the disk would not take, and say when it begins or ends to be full."""
        with self._lock:
            try:
                self._enter_waiting()
            except OutputError as error:
                self._trouble = error
            is_used, left = self._recorder.is_on_reserve, self._recorder.reserve_left
            was_used, self._was_on_reserve = self._was_on_reserve, is_used
        if is_used != was_used:
            kind = "journal-on-reserve" if is_used else "journal-reserve-whole"
            self.event(kind, left_kb=str(left // 1024))

    @property
    def trouble(self) -> OutputError | None:
        """Why nothing can be recorded at present; None when it can."""
        return self._trouble

    @property
    def recorder(self) -> Recorder:
        return self._recorder

    def _enter_in_order(self, entry: Entry) -> None:
        # A result must never come before the trigger that it is of.
        self._enter_waiting()
        self._recorder.append(entry)

    def _enter_waiting(self) -> None:
        while self._waiting:
            self._recorder.append(self._waiting[0])
            self._waiting.popleft()
            self._tally.count("unrecorded", -1)
        self._trouble = None

    def _hold(self, entry: Entry) -> None:
        self._waiting.append(entry)
        self._tally.count("unrecorded")
