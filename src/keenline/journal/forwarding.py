"""The journal carried to whoever keeps or publishes it: nothing lost, each entry once in effect.

A `Forwarder` reads on from where it stopped, hands a batch to its sink, and notes its place once
the sink has confirmed. A sink that is down is tried again for ever, later and later; the line
does not notice. After a sudden end a batch may be handed over twice, so a sink takes the same
entry twice as once, by its identifier.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from keenline.errors import EnvironmentMissing, OutputError, RecordError
from keenline.journal.entries import Entry
from keenline.journal.log import Journal, Place

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 30.0
_IDLE_S = 0.5


class Sink(Protocol):
    """Where entries go: a database, a broker."""

    name: str
    """A word for files, metrics and messages; unlike that of every other sink."""

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Take all of `entries`, in their order, or none; returns when they are safe there.

        The same entries may come again: they must then have no second effect. Raises RecordError
        when the other side is down or refuses for now; they come again later. An entry that can
        never be taken must be reported and counted by the sink, not raised, or it stops the rest.
        """

    def close(self) -> None:
        """Let the other side go; never raises for one that is already gone."""


@dataclass(frozen=True, slots=True)
class Forwarded:
    """How a forwarder stands."""

    delivered: int
    failures: int
    trouble: RecordError | OutputError | EnvironmentMissing | None
    """What stopped it last; None when the last batch went through."""
    is_behind: bool
    """There are entries that its sink has not confirmed."""


class Forwarder:
    """Carries the journal to one sink, on a thread of its own."""

    def __init__(
        self, journal: Journal, sink: Sink, *, batch: int = 256, linger_s: float = 0.0
    ) -> None:
        """Made before anything is appended to a journal that was just opened.

        `linger_s`: after a batch, let so much gather for the next: where each batch costs a
        transaction.
        """
        self.sink = sink
        self._journal = journal
        self._batch = batch
        self._linger_s = linger_s
        self._file = journal.folder / f"{sink.name}.place"
        kept = _kept(self._file)
        # After a loss of power the log may end before what was already confirmed.
        self.place = min(max(kept, journal.first()), journal.end)
        """Everything before it is confirmed."""
        if self.place < kept:
            # At once: the log grows past the old place, where the next start would then begin.
            with contextlib.suppress(OutputError):
                self._keep(self.place)
        self._delivered = self._failures = 0
        self._trouble: RecordError | OutputError | EnvironmentMissing | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"forward-{sink.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """End once the current batch is through, or after `timeout_s`; the rest comes later."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self.sink.close()

    def drain(self, timeout_s: float) -> bool:
        """Whether everything that is in the journal now is confirmed in time; one that was never
        started is not waited for."""
        goal, end = self._journal.end, time.monotonic() + timeout_s
        while self.place < goal and self._thread.is_alive() and time.monotonic() < end:
            time.sleep(0.01)
        return self.place >= goal

    @property
    def state(self) -> Forwarded:
        behind = self.place < self._journal.end
        return Forwarded(self._delivered, self._failures, self._trouble, behind)

    def _run(self) -> None:
        pause = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            if not self._journal.wait(self.place, _IDLE_S):
                continue
            try:
                self._carry_one_batch()
                pause, self._trouble = _FIRST_PAUSE_S, None
                self._stopping.wait(self._linger_s)
            except (RecordError, OutputError, EnvironmentMissing) as trouble:
                self._failures += 1
                self._trouble = trouble
                self._stopping.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)

    def _carry_one_batch(self) -> None:
        entries, behind = self._journal.read(self.place, self._batch)
        if entries:
            self.sink.deliver(entries)
        self._delivered += len(entries)
        self.place = behind
        self._keep(behind)

    def _keep(self, place: Place) -> None:
        # Not synced: after a loss of power the batch comes twice, which a sink takes as once.
        new = self._file.with_suffix(".new")
        try:
            new.write_text(f"{place.segment} {place.offset}\n", "ascii")
            os.replace(new, self._file)
        except OSError as error:  # a full disk: the sink has the batch, the next one is not held up
            raise OutputError.of(error, self._file) from error


def _kept(file: Path) -> Place:
    try:
        segment, offset = file.read_text("ascii").split()
        return Place(int(segment), int(offset))
    except (OSError, ValueError):
        return Place(0, 0)
