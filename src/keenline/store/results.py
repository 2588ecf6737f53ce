"""Entries of the journal turned into rows of a database, each once, a batch in one transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy import Connection, func, select

from keenline.journal.entries import Entry
from keenline.store.database import Database
from keenline.store.faults import EntryRefused, translated
from keenline.store.migrating import upgrade
from keenline.store.schema import results
from keenline.store.writing import Kept, write, write_refused


@dataclass(frozen=True, slots=True)
class Stored:
    """What a sink has done since it was made."""

    stored: int = 0
    again: int = 0
    """Came once more after a sudden end, and had no second effect."""
    refused: int = 0
    """Can never be stored; kept in the table `refused`, with the reason."""


class ResultSink:
    """The `Sink` that keeps results and events in a database."""

    name = "store"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._is_ready = False
        self._counts = Stored()
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Make or bring up the tables; the first `deliver` does so where this was not called.

        Raises StoreError: STORE_SCHEMA is a reason not to start, STORE_UNREACHABLE and
        STORE_REFUSED are none: what is delivered meanwhile comes later.
        """
        with self._lock:
            if not self._is_ready:
                upgrade(self._database)
                self._is_ready = True

    def deliver(self, entries: Sequence[Entry]) -> None:
        """Store results, events and answers in shadow, all or none; on disk when this returns.

        What is there already is left as it is. What can never be stored goes to the table
        `refused` and is counted. Raises StoreError.
        """
        kept = [entry for entry in entries if isinstance(entry, Kept)]
        self.prepare()
        if not kept:
            return
        try:
            with self._locked(kept) as connection:
                counts = Stored(stored=write(connection, kept))
        except EntryRefused:
            with self._locked(kept) as connection:
                counts = self._one_by_one(connection, kept)
        again = len(kept) - counts.stored - counts.refused
        with self._lock:
            past = self._counts
            self._counts = Stored(
                past.stored + counts.stored, past.again + again, past.refused + counts.refused
            )

    def last_trigger(self, station: str) -> int:
        """The highest trigger number that is stored for `station`, 0 without any: where a station
        whose journal was lost must go on counting. Raises StoreError."""
        self.prepare()
        highest = select(func.max(results.c.trigger_number)).filter_by(station=station)
        with self._database.reading() as connection:
            return connection.scalar(highest) or 0

    @property
    def counts(self) -> Stored:
        with self._lock:
            return self._counts

    def close(self) -> None:
        """Let the database go."""
        self._database.close()

    @contextmanager
    def _locked(self, kept: Sequence[Kept]) -> Iterator[Connection]:
        """A transaction in which nobody else lengthens the chains of these stations."""
        with self._database.writing() as connection:
            for station in sorted({entry.station for entry in kept}):
                self._database.lock(connection, f"chain {station!a}")
            yield connection

    def _one_by_one(self, connection: Connection, kept: Sequence[Kept]) -> Stored:
        counts = Stored()
        for entry in kept:
            try:
                with translated(self._database.name), connection.begin_nested():
                    counts = replace(counts, stored=counts.stored + write(connection, [entry]))
            except EntryRefused as error:
                if write_refused(connection, entry, error.got or error.what):
                    counts = replace(counts, refused=counts.refused + 1)
        return counts
