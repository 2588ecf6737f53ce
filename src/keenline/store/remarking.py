"""Remarks kept in a database and found again; and the images that a review still needs held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Column, Connection, Select, delete, insert, select

from keenline.errors import Code, JournalError
from keenline.journal.entries import result_from_json
from keenline.store.database import Database
from keenline.store.faults import store_error
from keenline.store.queries import Query, narrowed
from keenline.store.remarks import Remark, Review, remark_of
from keenline.store.rows import KEPT
from keenline.store.schema import events, holds, images, results, reviews, shadows
from keenline.store.writing import write, write_remarks
from keenline.types import LineEvent, Result, ShadowAnswer

HOLDER = "review"
"""Who holds images that were judged and are in no dataset yet."""

_AT_ONCE = 500


def keep(database: Database, remarks: Sequence[Remark]) -> int:
    """Append remarks, all of one kind, to the store and its audit chains; how many were new.

    The same review, or answer of a bundle on a result, kept twice is there once. Raises StoreError.
    """
    with _chains_of(database, {remark.station for remark in remarks}) as connection:
        return write_remarks(connection, remarks)


def keep_event(database: Database, event: LineEvent) -> None:
    """Append an event that no station wrote, such as a promotion. Raises StoreError."""
    with _chains_of(database, {event.station}) as connection:
        write(connection, [event])


def reviews_of(database: Database, result_ids: Iterable[str] | None = None) -> list[Review]:
    """Reviews, oldest first; of all results when None. Raises StoreError."""
    query = select(reviews.c.content).order_by(reviews.c.time, reviews.c.review_id)
    found: list[Review] = []
    with database.reading() as connection:
        for chosen in _narrowed_to(query, reviews.c.result_id, result_ids):
            for content in connection.scalars(chosen):
                review = _read("review", content, database)
                assert isinstance(review, Review)
                found.append(review)
    return sorted(found, key=lambda review: (review.time, review.review_id))


def answers_of(
    database: Database, bundle: str | None = None, query: Query | None = None
) -> list[ShadowAnswer]:
    """Answers of shadow bundles, by the time of the part, oldest first.

    `bundle`: only of the one with this sha256; `query` narrows the results. Raises StoreError.
    """
    order = (results.c.time, results.c.trigger_number, shadows.c.time)
    chosen = select(shadows.c.content).join(results, results.c.result_id == shadows.c.result_id)
    chosen = narrowed(chosen, query or Query()).order_by(*order)
    if bundle is not None:
        chosen = chosen.where(shadows.c.bundle_sha256 == bundle)
    found: list[ShadowAnswer] = []
    with database.reading() as connection:
        for content in connection.scalars(chosen):
            answer = _read("shadow", content, database)
            assert isinstance(answer, ShadowAnswer)
            found.append(answer)
    return found


def results_by_id(database: Database, result_ids: Iterable[str]) -> dict[str, Result]:
    """The results of these ids; those that are not there are left out. Raises StoreError."""
    found: dict[str, Result] = {}
    query = select(results.c.content)
    with database.reading() as connection:
        for chosen in _narrowed_to(query, results.c.result_id, result_ids):
            for content in connection.scalars(chosen):
                try:
                    result = result_from_json(content)
                except JournalError as error:
                    raise _unreadable(error, database) from error
                found[result.result_id] = result
    return found


def images_kept(database: Database, given: Iterable[Result]) -> frozenset[str]:
    """SHA-256 of those images of results that were handed over to be kept, when their part was
    decided or later, because a bundle in shadow said otherwise. Raises StoreError."""
    views = [view for result in given for view in result.views if view.image_sha256]
    kept = {view.image_sha256 for view in views if view.image_kept}
    asked = {view.image_sha256 for view in views} - kept
    with database.reading() as connection:
        for some in _batches(sorted(asked)):
            there = select(images.c.sha256).where(images.c.sha256.in_(some))
            there = there.where(images.c.state == KEPT)
            kept |= set(connection.scalars(there))
    return frozenset(kept)


def events_of(database: Database, kinds: Sequence[str]) -> list[LineEvent]:
    """Events of these kinds, oldest first. Raises StoreError."""
    chosen = select(events).where(events.c.kind.in_(kinds)).order_by(events.c.time)
    with database.reading() as connection:
        return [
            LineEvent(row["event_id"], row["station"], row["kind"], row["time"], row["facts"])
            for row in connection.execute(chosen).mappings()
        ]


def hold(database: Database, names: Iterable[str], holder: str = HOLDER) -> None:
    """See to it that a retention keeps these images until `release`. Raises StoreError."""
    wanted = set(names)
    if not wanted:
        return
    with database.writing() as connection:
        held = set(connection.scalars(select(holds.c.sha256).filter_by(holder=holder)))
        now = datetime.now(UTC)
        rows = [
            {"sha256": sha256, "holder": holder, "since": now} for sha256 in sorted(wanted - held)
        ]
        if rows:
            connection.execute(insert(holds), rows)


def release(database: Database, names: Iterable[str], holder: str = HOLDER) -> None:
    """Let a retention do with these images as with others. Raises StoreError."""
    with database.writing() as connection:
        for chosen in _batches(names):
            named = (holds.c.holder == holder, holds.c.sha256.in_(chosen))
            connection.execute(delete(holds).where(*named))


@contextmanager
def _chains_of(database: Database, stations: set[str]) -> Iterator[Connection]:
    """A transaction in which nobody else lengthens the chains of these stations."""
    with database.writing() as connection:
        for station in sorted(stations):
            database.lock(connection, f"chain {station!a}")
        yield connection


def _narrowed_to(
    query: Select[Any], column: Column[Any], wanted: Iterable[str] | None
) -> Iterator[Select[Any]]:
    if wanted is None:
        yield query
        return
    for some in _batches(wanted):
        yield query.where(column.in_(some))


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    listed = list(dict.fromkeys(names))
    for start in range(0, len(listed), _AT_ONCE):
        yield listed[start : start + _AT_ONCE]


def _read(kind: str, content: str, database: Database) -> Remark:
    try:
        return remark_of(kind, content)
    except JournalError as error:
        raise _unreadable(error, database) from error


def _unreadable(error: JournalError, database: Database) -> Exception:
    next_step = "keenline audit verify says whether it was changed"
    return store_error(Code.STORE_QUERY, str(error.got), database.name, next_step)
