"""A change to any record, column or entry in the database is found, whoever made it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, bindparam, func, insert, select, text
from tests.store.records import event, result

from keenline.errors import Code, StoreError
from keenline.store.audit import entries, require_whole, verify
from keenline.store.chain import Head, link_after
from keenline.store.database import Database
from keenline.store.results import ResultSink
from keenline.store.schema import audit, results, tables

SENT = [
    *(result(n, regions=2, cameras=("top", "side")) for n in range(1, 9)),
    event(1),
    *(result(n) for n in range(9, 13)),
    event(2),
]
CHAINED = ("results", "views", "regions", "events", "audit")


@pytest.fixture
def filled(database: Database) -> Database:
    ResultSink(database).deliver(SENT[:5])
    ResultSink(database).deliver(SENT[5:])
    return database


def broken_at(database: Database) -> int | None:
    (chain,) = verify(database).chains
    return chain.broken.number if chain.broken else None


def number_of(subject: str) -> int:
    """Where in the chain the record is."""
    ids = [getattr(each, "result_id", None) or each.event_id for each in SENT]  # type: ignore[union-attr]
    return ids.index(subject) + 1


def test_what_nobody_touched_is_whole(filled: Database):
    verified = verify(filled)
    assert verified.is_whole
    (chain,) = verified.chains
    assert (chain.entries, chain.head and chain.head.number) == (14, 14)
    require_whole(verified, "here")
    assert verify(filled, noted=[chain.head] if chain.head else []).is_whole


def columns() -> list[tuple[str, str]]:
    return [
        (name, column.name)
        for name in CHAINED
        for column in tables.tables[name].columns
        if not column.primary_key or name == "audit"
    ]


def test_every_column_is_covered(filled: Database):
    """One value of one row changed, in each column that there is, and put back."""
    assert len(columns()) > 45
    for name, column in columns():
        target = tables.tables[name]
        keys = list(target.primary_key.columns)
        with filled.reading() as connection:
            rows = connection.execute(select(target).order_by(*keys)).mappings().all()
        row = rows[1]
        changed = dict(row) | {column: _other(row[column])}
        _replace(filled, target, dict(row), changed)
        verified = verify(filled)
        breaks = {chain.station: chain.broken for chain in verified.chains if chain.broken}
        subject = row.get("subject") or row.get("result_id") or row.get("event_id")
        assert breaks["press-4"].number == number_of(subject), (name, column)
        _replace(filled, target, changed, dict(row))
    assert verify(filled).is_whole


def _replace(database: Database, target: Table, old: dict[str, Any], new: dict[str, Any]) -> None:
    where = [key == old[key.name] for key in target.primary_key.columns]
    with database.writing() as connection:
        assert connection.execute(target.update().where(*where).values(new)).rowcount == 1


def _other(value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1000
    if isinstance(value, float):
        return value * (1 + 1e-12) + 1e-12
    if isinstance(value, datetime):
        return value + timedelta(microseconds=1)
    if isinstance(value, str):
        return value[:-1] + ("0" if value[-1:] != "0" else "1")
    if value is None:
        return 1
    return [] if value else ["x"]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_deleted_row_is_found_at_its_entry(filled: Database, data: st.DataObject):
    target = tables.tables[data.draw(st.sampled_from(CHAINED))]
    with filled.reading() as connection:
        rows = connection.execute(select(target)).mappings().all()
    row = data.draw(st.sampled_from(rows))
    subject = row.get("subject") or row.get("result_id") or row.get("event_id")
    kept = [each for each in rows if each is not row]
    with filled.writing() as connection:
        connection.execute(text("PRAGMA defer_foreign_keys = ON"))
        _without_keys(filled, connection, target, row)
    number = broken_at(filled)
    last_entry = target is audit and number_of(subject) == len(SENT)
    with filled.writing() as connection:  # as it was, for the next example
        connection.execute(insert(target), [dict(row)])
    if last_entry:
        assert number is None  # but its record is then in no chain: below
    else:
        assert number == number_of(subject)
    assert len(kept) == len(rows) - 1
    assert verify(filled).is_whole


def _without_keys(database: Database, connection, target, row) -> None:
    """Deletes a row with foreign keys off, as somebody with another program would."""
    connection.commit()
    raw = connection.connection.driver_connection
    raw.execute("PRAGMA foreign_keys = OFF")
    keys = [key.name for key in target.primary_key.columns]
    where = " AND ".join(f"{name} = ?" for name in keys)
    raw.execute(f"DELETE FROM {target.name} WHERE {where}", [row[name] for name in keys])
    raw.execute("PRAGMA foreign_keys = ON")


def test_the_record_of_an_entry_cut_off_is_in_no_chain(filled: Database):
    with filled.writing() as connection:
        connection.execute(audit.delete().where(audit.c.number == 14))
    verified = verify(filled)
    assert not verified.is_whole
    assert verified.unchained == (f"event {event(2).event_id}",)


def test_a_record_put_in_is_in_no_chain(filled: Database):
    with filled.writing() as connection:
        row = dict(connection.execute(select(results).limit(1)).mappings().one())
        connection.execute(insert(results), row | {"result_id": "forged", "trigger_number": 999})
    verified = verify(filled)
    assert verified.unchained == ("result forged",)
    with pytest.raises(StoreError) as caught:
        require_whole(verified, "here")
    assert caught.value.code == Code.AUDIT_BROKEN
    assert "result forged: in no chain" in str(caught.value)


def test_an_entry_put_in_at_the_end_needs_its_record(filled: Database):
    (chain,) = verify(filled).chains
    link = link_after(chain.head, "press-4", "result", "forged", "{}", datetime.now(UTC))
    row = {name: getattr(link, name) for name in link.__slots__}
    with filled.writing() as connection:
        connection.execute(insert(audit), row)
    assert broken_at(filled) == 15


def test_a_noted_head_shows_what_was_cut_off_with_its_records(filled: Database):
    (chain,) = verify(filled).chains
    with filled.writing() as connection:
        connection.execute(audit.delete().where(audit.c.number > 13))
        connection.execute(
            text("DELETE FROM events WHERE event_id = :id"), {"id": SENT[-1].event_id}
        )  # type: ignore[union-attr]
    assert verify(filled).is_whole
    assert chain.head is not None
    found = verify(filled, noted=[chain.head])
    assert [each.broken.number for each in found.chains if each.broken] == [14]
    gone = verify(filled, noted=[Head("press-9", 3, "0" * 64)])
    assert not gone.is_whole


def test_a_chain_longer_than_one_batch(database: Database):
    sink = ResultSink(database)
    for start in range(1, 1201, 300):
        sink.deliver([result(n) for n in range(start, start + 300)])
    assert verify(database).is_whole
    with database.writing() as connection:
        statement = results.update().where(results.c.trigger_number == bindparam("which"))
        connection.execute(statement.values(content="{}"), {"which": 777})
    assert broken_at(database) == 777


def test_entries_of_a_period(filled: Database):
    shown = list(entries(filled, station="press-4"))
    assert [link.number for link, _ in shown] == list(range(1, 15))
    assert all(content for _, content in shown)
    assert list(entries(filled, until=shown[0][0].time)) == []
    assert len(list(entries(filled, since=shown[-1][0].time, limit=2))) == 2
    with filled.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(audit)) == 14
