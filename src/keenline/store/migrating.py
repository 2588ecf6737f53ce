"""A database of any earlier version brought to this one; a newer one refused, never turned back."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from keenline.errors import Code, StoreError
from keenline.store.database import Database
from keenline.store.faults import store_error
from keenline.store.schema import tables

VERSION_TABLE = "keenline_schema"
"""Where the database says its version."""

_FOLDER = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> None:
    """Make or bring up every table, in one transaction; nothing to do is quick.

    Two stations that start at once take turns. Raises StoreError: STORE_SCHEMA when a newer
    Keenline, or another program, made it; STORE_UNREACHABLE, STORE_REFUSED.
    """
    with database.writing() as connection:
        database.lock(connection, "schema")
        if _current(connection, database.name) != newest():
            _migrate(connection)


def require_current(database: Database) -> None:
    """Raise StoreError STORE_SCHEMA when the database is of another version; changes nothing."""
    with database.reading() as connection:
        found = _current(connection, database.name)
    if found != newest():
        raise store_error(
            Code.STORE_SCHEMA,
            f"schema {found or 'none'}, expected {newest()}",
            database.name,
            "start the station once: it brings an older database up to date",
        )


def newest() -> str:
    """The schema of this version of Keenline."""
    return max(_known())


def _current(connection: Connection, where: str) -> str | None:
    """The schema that is there, None for an empty database; raises StoreError STORE_SCHEMA."""
    here = inspect(connection)
    found = None
    if here.has_table(VERSION_TABLE):
        found = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    if found is None:
        _refuse_tables_of_others(connection, where)
        return None
    if found not in _known():
        raise _newer(f"schema {found}, newer than {newest()}", where)
    return str(found)


def _refuse_tables_of_others(connection: Connection, where: str) -> None:
    taken = set(inspect(connection).get_table_names()) & set(tables.tables)
    if taken:
        raise store_error(
            Code.STORE_SCHEMA,
            f"tables of another program: {', '.join(sorted(taken))}",
            where,
            "name a database of its own for Keenline",
        )


def _newer(got: str, where: str) -> StoreError:
    next_step = "install the version of Keenline that was here before; nothing was changed"
    return store_error(Code.STORE_SCHEMA, got, where, next_step)


def _known() -> frozenset[str]:
    """The number of every migration, as its file is named: `r0002_remarks.py`.

    Read without alembic, whose import takes longer than most questions to the store.
    """
    names = (re.match(r"r(\d{4})_", path.name) for path in (_FOLDER / "versions").iterdir())
    return frozenset(name[1] for name in names if name)


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes |= {"version_table": VERSION_TABLE, "connection": connection}
    command.upgrade(config, "head")
