"""Images that nobody needs any more turned into free space, and each deletion into a record."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import exists, select, update
from sqlalchemy.sql.elements import ColumnElement

from keenline.errors import RecordError
from keenline.store.database import Database
from keenline.store.images import ImagePlace
from keenline.store.migrating import upgrade
from keenline.store.rows import DELETED, DELETING, IMAGE_LOST, IMAGES_DELETED, KEPT
from keenline.store.schema import holds, images
from keenline.store.settings import RetentionSettings
from keenline.store.writing import write
from keenline.types import LineEvent

_BATCH = 200
_FOR_AGE, _FOR_SPACE = "age", "space"


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did."""

    for_age: int = 0
    """Images deleted."""
    for_space: int = 0
    missing: int = 0
    """Images of the last day found missing, and recorded as lost."""
    is_short: bool = False
    """Less is free than `free_gb` still, and what is left is needed: an alarm."""


class Retention:
    """Deletes images by age and for space; never one that a review or an audit still needs.

    Needed are images that a row of `holds` names, and those of REJECT, REVIEW and INVALID parts
    younger than `needed_days`. The deletion is recorded, and in the audit chain, before the file
    goes; records of results are never deleted.
    """

    def __init__(
        self, database: Database, place: ImagePlace, settings: RetentionSettings, station: str
    ) -> None:
        self._database, self._place, self._settings = database, place, settings
        self._station = station
        self._ours = images.c.station == station
        self._is_ready = False
        self._last = Swept()
        self._trouble: RecordError | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Sweep now and then, on a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    @property
    def last(self) -> Swept:
        """What the last sweep did."""
        return self._last

    @property
    def trouble(self) -> RecordError | None:
        """Why the last sweep failed; it is tried again."""
        return self._trouble

    def sweep(self, now: datetime | None = None) -> Swept:
        """Delete what may go; raises StoreError when the database or the place is away."""
        now = now or datetime.now(UTC)
        if not self._is_ready:
            upgrade(self._database)
            self._is_ready = True
        self._finish()
        swept = Swept(missing=self._miss(now))
        settings = self._settings
        for is_pass, days in ((True, settings.pass_days), (False, settings.other_days)):
            old = _of(is_pass, now - timedelta(days=days))
            while batch := self._oldest(old):
                self._delete(batch, _FOR_AGE)
                swept = replace(swept, for_age=swept.for_age + len(batch))
        may_go = [_of(True, now), _of(False, now - timedelta(days=settings.needed_days))]
        while self._is_short() and may_go and not self._stopping.is_set():
            batch = self._oldest(may_go[0])
            if not batch:
                may_go.pop(0)
                continue
            deleted = self._delete_until_free(batch)
            swept = replace(swept, for_space=swept.for_space + deleted)
        return replace(swept, is_short=self._is_short())

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._last = self.sweep()
                self._trouble = None
            except RecordError as trouble:
                self._trouble = trouble
            self._stopping.wait(60 * self._settings.every_minutes)

    def _finish(self) -> None:
        """Files whose deletion was recorded before a sudden end, or while the place was away."""
        with self._database.reading() as connection:
            begun = select(images.c.sha256).where(self._ours, images.c.state == DELETING)
            left = list(connection.scalars(begun))
        self._remove(left)

    def _miss(self, now: datetime) -> int:
        """Images of the last run that were handed over and not written before a sudden end."""
        written_late = now - timedelta(minutes=1)
        query = select(images.c.sha256).where(
            self._ours,
            images.c.state == KEPT,
            images.c.since > now - timedelta(days=1),
            images.c.since < written_late,
        )
        with self._database.reading() as connection:
            recent = list(connection.scalars(query))
        missing = [sha256 for sha256 in recent if not self._place.has(sha256)]
        why = "it was not written before the station ended"
        lost = [
            LineEvent(
                str(uuid.uuid4()), self._station, IMAGE_LOST, now, {"sha256": each, "why": why}
            )
            for each in missing
        ]
        self._record(lost)
        return len(lost)

    def _record(self, news: Sequence[LineEvent]) -> None:
        if news:
            with self._database.writing() as connection:
                self._database.lock(connection, f"chain {self._station!a}")
                write(connection, news)

    def _oldest(self, which: ColumnElement[bool]) -> list[str]:
        is_held = exists().where(holds.c.sha256 == images.c.sha256)
        query = select(images.c.sha256).where(self._ours, images.c.state == KEPT, which, ~is_held)
        with self._database.reading() as connection:
            return list(connection.scalars(query.order_by(images.c.time).limit(_BATCH)))

    def _is_short(self) -> bool:
        free = self._place.free_bytes()
        return free is not None and free < self._settings.free_gb * 1e9

    def _delete_until_free(self, batch: Sequence[str]) -> int:
        """A few at a time, so that no more goes than must."""
        few = 10
        for start in range(0, len(batch), few):
            if not self._is_short():
                return start
            self._delete(batch[start : start + few], _FOR_SPACE)
        return len(batch)

    def _delete(self, batch: Sequence[str], why: str) -> None:
        now = datetime.now(UTC)
        facts = {"count": str(len(batch)), "why": why, "sha256": " ".join(batch)}
        event = LineEvent(str(uuid.uuid4()), self._station, IMAGES_DELETED, now, facts)
        begun = update(images).where(self._ours, images.c.sha256.in_(batch))
        with self._database.writing() as connection:
            self._database.lock(connection, f"chain {self._station!a}")
            connection.execute(begun.values(state=DELETING, since=now, why=why))
            write(connection, [event])
        self._remove(batch)

    def _remove(self, batch: Sequence[str]) -> None:
        for sha256 in batch:
            self._place.delete(sha256)
        ours = (self._ours, images.c.sha256.in_(batch))
        done = update(images).where(*ours, images.c.state == DELETING)
        if batch:
            with self._database.writing() as connection:
                connection.execute(done.values(state=DELETED))


def _of(is_pass: bool, until: datetime) -> ColumnElement[bool]:
    return images.c.is_pass.is_(is_pass) & (images.c.time < until)
