"""A database turned into a verdict on its audit chains: each whole, or broken at this entry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, RowMapping, exists, func, select

from keenline.errors import Code, StoreError
from keenline.store.chain import Break, Head, Link, content_digest, first_break, head_of
from keenline.store.database import Database
from keenline.store.remarks import remark_of, remark_row
from keenline.store.rows import Row, event_row, record_of, result_rows
from keenline.store.schema import (
    audit,
    events,
    refused,
    regions,
    results,
    reviews,
    shadows,
    views,
)
from keenline.types import LineEvent, Result

_BATCH = 500
_REMARKS = {"review": reviews, "shadow": shadows}
_TABLES = {"result": results, "event": events, "refused": refused} | _REMARKS


@dataclass(frozen=True, slots=True)
class Chain:
    """What was found of one station's chain."""

    station: str
    entries: int
    head: Head | None
    """Note it elsewhere: with it, a later check sees what was cut off or made anew."""
    broken: Break | None
    """None when every entry stands."""


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of a whole database."""

    chains: tuple[Chain, ...]
    unchained: tuple[str, ...]
    """Records that no entry of a chain stands for, so someone put them in: `result ID`, ... (the
    first 100)."""

    @property
    def is_whole(self) -> bool:
        return not self.unchained and all(chain.broken is None for chain in self.chains)


def verify(
    database: Database, *, stations: Sequence[str] = (), noted: Sequence[Head] = ()
) -> Verified:
    """Check every link, and every record against its link, down to the columns.

    `stations`: only these; `noted`: heads that were written down earlier. Raises StoreError.
    """
    heads = {head.station: head for head in noted}
    with database.reading() as connection:
        found = set(connection.scalars(select(audit.c.station).distinct()))
        asked = set(stations) or found | set(heads)
        chains = [_verified(connection, name, heads.get(name)) for name in sorted(asked)]
        unchained = () if stations else tuple(islice(_unchained(connection), 100))
    return Verified(tuple(chains), unchained)


def require_whole(verified: Verified, where: str) -> None:
    """Raise StoreError AUDIT_BROKEN, naming the first broken entry of each chain."""
    broken = [chain.broken for chain in verified.chains if chain.broken]
    words = [f"station {each.station}, entry {each.number}: {each.what}" for each in broken]
    words += [f"{each}: in no chain" for each in verified.unchained]
    if words:
        raise StoreError(
            Code.AUDIT_BROKEN,
            "The audit trail is broken",
            where=where,
            got="\n            ".join(words),
            next="entries before the first broken one stand; compare with a backup",
        )


def entries(
    database: Database,
    *,
    station: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
) -> Iterator[tuple[Link, str]]:
    """Links stored in a period with the records they stand for, in the order of each chain.

    A record that is missing is ""; `verify` says why. Raises StoreError.
    """
    query = select(audit).order_by(audit.c.station, audit.c.number).limit(limit)
    if station is not None:
        query = query.where(audit.c.station == station)
    if since is not None:
        query = query.where(audit.c.time >= since)
    if until is not None:
        query = query.where(audit.c.time < until)
    with database.reading() as connection:
        rows = connection.execute(query).mappings()
        for links in _batches(Link(**row) for row in rows):
            contents = _contents(connection, links)
            for link in links:
                yield link, contents.get((link.kind, link.subject), "")


def _verified(connection: Connection, station: str, noted: Head | None) -> Chain:
    newest = select(func.max(audit.c.number)).filter_by(station=station)
    highest = connection.scalar(newest) or 0
    broken = first_break(_links(connection, station), noted)
    end = broken.number if broken else highest + 1
    wrong = _first_wrong_record(connection, station, end)
    head = None
    if broken is None and wrong is None:
        last = select(audit).filter_by(station=station, number=highest)
        row = connection.execute(last).mappings().first()
        head = head_of(Link(**row)) if row else None
    count = connection.scalar(select(func.count()).select_from(audit).filter_by(station=station))
    return Chain(station, count or 0, head, wrong or broken)


def _first_wrong_record(connection: Connection, station: str, end: int) -> Break | None:
    """The first link before `end` whose record is not what it was when it was linked."""
    for links in _batches(_links(connection, station)):
        before = [link for link in links if link.number < end]
        contents = _contents(connection, before)
        columns = _columns(connection, before)
        for link in before:
            what = _wrong(link, contents, columns)
            if what:
                return Break(station, link.number, what)
    return None


def _wrong(
    link: Link, contents: Mapping[tuple[str, str], str], columns: Mapping[str, list[Row]]
) -> str | None:
    content = contents.get((link.kind, link.subject))
    if content is None:
        return f"its {link.kind} {link.subject} was deleted"
    if content_digest(content) != link.content_sha256:
        return f"its {link.kind} {link.subject} was changed"
    if link.kind != "refused" and _expected(link.kind, content) != columns.get(link.subject):
        return f"columns of its {link.kind} {link.subject} were changed"
    return None


def _expected(kind: str, content: str) -> list[Row]:
    """The rows that a record has in the tables."""
    if kind in _REMARKS:
        return [remark_row(remark_of(kind, content), content)]
    record = record_of(kind, content)
    if isinstance(record, LineEvent):
        return [event_row(record, content)]
    assert isinstance(record, Result)
    rows = result_rows(record, content)
    return [rows.result, *rows.views, *rows.regions]


def _columns(connection: Connection, links: Sequence[Link]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    ids = [link.subject for link in links if link.kind == "result"]
    for table in (results, views, regions):
        query = select(table).where(table.c.result_id.in_(ids))
        for row in connection.execute(query.order_by(*table.primary_key)).mappings():
            found.setdefault(row["result_id"], []).append(dict(row))
    for kind, table in ({"event": events} | _REMARKS).items():
        key = table.primary_key.columns[0]
        ids = [link.subject for link in links if link.kind == kind]
        chosen = select(table).where(key.in_(ids))
        for row in connection.execute(chosen).mappings() if ids else ():
            found[row[key.name]] = [dict(row)]
    return found


def _contents(connection: Connection, links: Sequence[Link]) -> dict[tuple[str, str], str]:
    contents: dict[tuple[str, str], str] = {}
    for kind, table in _TABLES.items():
        key = table.primary_key.columns[0]
        ids = [link.subject for link in links if link.kind == kind]
        if ids:
            query = select(key, table.c.content).where(key.in_(ids))
            contents |= {(kind, row[0]): row[1] for row in connection.execute(query)}
    return contents


def _unchained(connection: Connection) -> Iterator[str]:
    for kind, table in _TABLES.items():
        key = table.primary_key.columns[0]
        linked = exists().where(audit.c.subject == key, audit.c.kind == kind)
        for identity in connection.scalars(select(key).where(~linked).limit(100)):
            yield f"{kind} {identity}"


def _links(connection: Connection, station: str) -> Iterator[Link]:
    """All links of a station, read a batch at a time."""
    number = 0
    while True:
        query = select(audit).where(audit.c.station == station, audit.c.number > number)
        rows: Sequence[RowMapping] = (
            connection.execute(query.order_by(audit.c.number).limit(_BATCH)).mappings().all()
        )
        if not rows:
            return
        for row in rows:
            yield Link(**row)
        number = rows[-1]["number"]


def _batches(links: Iterator[Any]) -> Iterator[list[Any]]:
    while batch := list(islice(links, _BATCH)):
        yield batch
