"""New entries turned into rows and links of the chain, all within one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import TypeAlias

from sqlalchemy import Connection, Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from keenline.journal.entries import result_from_json
from keenline.store.chain import Head, Kind, Link, content_digest, head_of, link_after
from keenline.store.remarks import Remark, content_of_remark, kind_of, remark_id, remark_row
from keenline.store.rows import (
    DELETED,
    DELETING,
    IMAGE_LOST,
    KEPT,
    LOST,
    Row,
    content_of,
    event_row,
    identity_of,
    image_rows,
    result_rows,
)
from keenline.store.schema import (
    audit,
    events,
    images,
    refused,
    regions,
    results,
    reviews,
    shadows,
    views,
)
from keenline.types import LineEvent, Result, ShadowAnswer

Record: TypeAlias = Result | LineEvent
"""What happened at a station."""

Kept: TypeAlias = Record | ShadowAnswer
"""What is stored of a journal; a trigger is in its result."""

_ID_LENGTH = 64
_AT_ONCE = 500
_LINK = tuple(field.name for field in fields(Link))


def write(connection: Connection, entries: Sequence[Kept]) -> int:
    """Write those of `entries` that are not there yet, in their order; how many that were.

    Answers of a bundle in shadow come last: by then the results that they are on are there.
    """
    answers = [entry for entry in entries if isinstance(entry, ShadowAnswer)]
    records = [entry for entry in entries if not isinstance(entry, ShadowAnswer)]
    return _write_records(connection, records) + write_remarks(connection, answers)


def _write_records(connection: Connection, entries: Sequence[Record]) -> int:
    new = _new(connection, entries)
    if new:
        contents = {identity_of(entry): content_of(entry) for entry in new}
        _insert_records(connection, new, contents)
        _note_images(connection, new)
        records = [(entry, identity_of(entry)) for entry in new]
        _chain(
            connection, [(each.station, _kind(each), key, contents[key]) for each, key in records]
        )
    return len(new)


def write_refused(connection: Connection, entry: Kept, why: str) -> bool:
    """Keep what cannot be stored, with the reason; False when it is kept already."""
    content = _any_content(entry)
    # Whatever made the entry impossible must not make this row impossible too.
    key = _harmless(identity_of(entry))
    key = key if len(key) <= _ID_LENGTH else content_digest(content)
    if connection.execute(select(refused.c.entry_id).filter_by(entry_id=key)).first():
        return False
    station = _harmless(entry.station)
    row = {"entry_id": key, "station": station, "kind": _kind(entry), "time": datetime.now(UTC)}
    connection.execute(insert(refused), row | {"why": _harmless(why), "content": content})
    _chain(connection, [(station, "refused", key, content)])
    return True


def write_remarks(connection: Connection, remarks: Sequence[Remark]) -> int:
    """Write those of `remarks`, all of one kind, that are not there yet; how many that were."""
    if not remarks:
        return 0
    by_id = {remark_id(remark): remark for remark in remarks}
    kind = kind_of(remarks[0])
    table = reviews if kind == "review" else shadows
    key = table.primary_key.columns[0]
    there: set[str] = set()
    for start in range(0, len(by_id), _AT_ONCE):
        some = list(by_id)[start : start + _AT_ONCE]
        there |= set(connection.scalars(select(key).where(key.in_(some))))
    new = {name: remark for name, remark in by_id.items() if name not in there}
    if new:
        contents = {name: content_of_remark(remark) for name, remark in new.items()}
        rows = [remark_row(remark, contents[name]) for name, remark in new.items()]
        connection.execute(insert(table), rows)
        _note_shown(connection, [each for each in new.values() if isinstance(each, ShadowAnswer)])
        _chain(
            connection,
            [(remark.station, kind, name, contents[name]) for name, remark in new.items()],
        )
    return len(new)


def head(connection: Connection, station: str) -> Head | None:
    """The end of a station's chain; None before its first entry."""
    newest = select(audit.c.number, audit.c.hash).filter_by(station=station)
    row = connection.execute(newest.order_by(audit.c.number.desc()).limit(1)).first()
    return Head(station, row.number, row.hash) if row else None


def _new(connection: Connection, entries: Sequence[Record]) -> list[Record]:
    by_id = {identity_of(entry): entry for entry in entries}
    of_results = [key for key, entry in by_id.items() if isinstance(entry, Result)]
    of_events = [key for key, entry in by_id.items() if isinstance(entry, LineEvent)]
    there: set[str] = set()
    for table, keys in ((results, of_results), (events, of_events)):
        column = table.primary_key.columns[0]
        if keys:
            there |= set(connection.scalars(select(column).where(column.in_(keys))))
    return [entry for key, entry in by_id.items() if key not in there]


def _insert_records(
    connection: Connection, new: Iterable[Record], contents: dict[str, str]
) -> None:
    made: dict[Table, list[Row]] = {results: [], views: [], regions: [], events: []}
    for entry in new:
        content = contents[identity_of(entry)]
        if isinstance(entry, LineEvent):
            made[events].append(event_row(entry, content))
            continue
        rows = result_rows(entry, content)
        made[results].append(rows.result)
        made[views] += rows.views
        made[regions] += rows.regions
    for table, of_table in made.items():
        if of_table:
            connection.execute(insert(table), of_table)


def _note_images(connection: Connection, new: Sequence[Record]) -> None:
    now = datetime.now(UTC)
    for entry in new:
        if isinstance(entry, LineEvent) and entry.kind == IMAGE_LOST:
            _note_lost(connection, entry)
    _note_kept(
        connection,
        [row for entry in new if isinstance(entry, Result) for row in image_rows(entry, now)],
    )


def _note_shown(connection: Connection, answers: Iterable[ShadowAnswer]) -> None:
    """Images that were kept because a bundle in shadow says otherwise than the station."""
    now = datetime.now(UTC)
    rows = []
    for answer in answers:
        if not answer.images:
            continue
        found = select(results.c.content).filter_by(result_id=answer.result_id)
        result = result_from_json(connection.scalars(found).one())
        shown = tuple(
            replace(view, image_kept=True)
            for view in result.views
            if view.image_sha256 in answer.images
        )
        rows += image_rows(replace(result, views=shown), now)
    _note_kept(connection, rows)


def _note_kept(connection: Connection, rows: list[Row]) -> None:
    if not rows:
        return
    shown = {(row["station"], row["sha256"]): row for row in rows}
    digests = {row["sha256"] for row in rows}
    there = select(images.c.station, images.c.sha256).where(images.c.sha256.in_(digests))
    known = {tuple(row) for row in connection.execute(there)}
    _insert_unless_there(connection, images, list(shown.values()))
    for row in rows:
        key = (row["station"], row["sha256"])
        if key in known or row != shown[key]:
            _note_again(connection, row)


def _note_again(connection: Connection, row: Row) -> None:
    """An image that was shown before, pixel for pixel: what of the two keeps it longer."""
    one = update(images).filter_by(station=row["station"], sha256=row["sha256"])
    connection.execute(one.where(images.c.time < row["time"]).values(time=row["time"]))
    if not row["is_pass"]:
        connection.execute(one.values(is_pass=False))
    gone = one.where(images.c.state.in_((DELETING, DELETED)))
    connection.execute(gone.values(state=KEPT, since=row["since"], why=None))


def _note_lost(connection: Connection, event: LineEvent) -> None:
    lost = {"state": LOST, "since": event.time, "why": event.facts.get("why", "")}
    key = {"station": event.station, "sha256": event.facts.get("sha256", "")}
    if key["sha256"]:
        row = {"width": 0, "height": 0, "is_pass": True, "time": event.time}
        _insert_unless_there(connection, images, [key | row | lost])
        connection.execute(update(images).filter_by(**key).values(lost))


def _insert_unless_there(connection: Connection, table: Table, rows: list[Row]) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(dialect.insert(table).on_conflict_do_nothing(), rows)


def _chain(connection: Connection, records: Iterable[tuple[str, Kind, str, str]]) -> None:
    heads: dict[str, Head | None] = {}
    links: list[Link] = []
    now = datetime.now(UTC)
    for station, kind, subject, content in records:
        if station not in heads:
            heads[station] = head(connection, station)
        link = link_after(heads[station], station, kind, subject, content, now)
        heads[station] = head_of(link)
        links.append(link)
    if links:
        rows = [{name: getattr(link, name) for name in _LINK} for link in links]
        connection.execute(insert(audit), rows)


def _any_content(entry: Kept) -> str:
    try:
        return content_of(entry)
    except ValueError:  # text that is no Unicode
        return json.dumps(repr(entry))


def _harmless(text: str) -> str:
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def _kind(entry: Kept) -> Kind:
    if isinstance(entry, ShadowAnswer):
        return "shadow"
    return "result" if isinstance(entry, Result) else "event"
