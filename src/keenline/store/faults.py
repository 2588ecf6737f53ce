"""What a database driver raised turned into an error that says whether to try again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic_core import PydanticSerializationError
from sqlalchemy import exc

from keenline.errors import Code, StoreError


class EntryRefused(StoreError):
    """The database is well but can never take this entry: a contradiction, a value out of range."""


ENTRY, GONE, TROUBLE = "entry", "gone", "trouble"

KINDS: dict[type[exc.DBAPIError], str] = {
    # PEP 249's classes as SQLAlchemy has them. What OperationalError means is looked up below.
    exc.DataError: ENTRY,
    exc.IntegrityError: ENTRY,
    exc.InterfaceError: GONE,
    exc.OperationalError: TROUBLE,
    exc.InternalError: TROUBLE,
    exc.ProgrammingError: TROUBLE,
    exc.NotSupportedError: TROUBLE,
    exc.DatabaseError: TROUBLE,
}
"""Every class of driver errors: the entry's own fault, the database is gone, or it refuses."""

_SQLITE_GONE = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOTADB}
# https://www.postgresql.org/docs/15/errcodes-appendix.html: 08 connection exception, 57P01-57P03
# shutdown and start-up, 53300 too many connections, 3D000 no such database.
_POSTGRES_GONE = ("08", "57P0", "53300", "3D000")

_NEXT = {
    GONE: "the line goes on; results wait in the journal. Start the database, check its address",
    TROUBLE: "the line goes on; results wait in the journal. Free space, unlock or repair",
}


@contextmanager
def translated(where: str) -> Iterator[None]:
    """What the block raises as StoreError: STORE_UNREACHABLE or STORE_REFUSED (both may pass), or
    EntryRefused (it will not)."""
    try:
        yield
    except exc.DBAPIError as error:
        raise _of_driver(error, where) from error
    except exc.StatementError as error:
        # Raised before the driver was asked: a value that its column cannot hold.
        raise entry_refused(str(error.orig or error), where) from error
    except (OverflowError, UnicodeEncodeError, PydanticSerializationError) as error:
        # Raised by a driver as it is: a number beyond 64 bits, text that is no Unicode.
        raise entry_refused(str(error), where) from error
    except exc.TimeoutError as error:  # no connection became free
        raise store_error(Code.STORE_REFUSED, str(error), where, _NEXT[TROUBLE]) from error


def entry_refused(why: str, where: str) -> EntryRefused:
    """The error for an entry that the database can never take."""
    return EntryRefused(
        Code.STORE_REFUSED,
        "The database cannot take this entry",
        where=where,
        got=_one_line(why),
        next="it is kept in the table `refused`, with its reason",
    )


def store_error(code: Code, got: str, where: str, next_step: str) -> StoreError:
    """An error of the whole database."""
    what = {
        Code.STORE_UNREACHABLE: "The database cannot be reached",
        Code.STORE_REFUSED: "The database does not take what it is given",
        Code.STORE_SCHEMA: "The database has another schema than this version of Keenline",
        Code.STORE_QUERY: "The question to the database cannot be answered",
    }[code]
    return StoreError(code, what, where=where, got=_one_line(got), next=next_step)


def _of_driver(error: exc.DBAPIError, where: str) -> StoreError:
    kind = GONE if error.connection_invalidated else KINDS.get(type(error), TROUBLE)
    if kind == ENTRY:
        return entry_refused(str(error.orig), where)
    if kind == TROUBLE and _is_gone(error.orig):
        kind = GONE
    code = Code.STORE_UNREACHABLE if kind == GONE else Code.STORE_REFUSED
    return store_error(code, str(error.orig), where, _NEXT[kind])


def _is_gone(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Error):
        number = getattr(error, "sqlite_errorcode", 0)
        return number & 0xFF in _SQLITE_GONE  # the low byte is the primary result code
    # psycopg.Error: None where the server did not answer at all.
    state: str | None = getattr(error, "sqlstate", "")
    return state is None or state.startswith(_POSTGRES_GONE)


def _one_line(words: str) -> str:
    return " ".join(words.split())
