"""A database URL turned into connections that keep what was committed, SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select

from keenline.credentials import Credential
from keenline.errors import Code, EnvironmentMissing, StoreError
from keenline.store.faults import translated
from keenline.store.settings import SQLITE

_WRITES = "keenline_writes"


class Database:
    """One database, by its URL. Threads may use it at the same time; each gets a connection."""

    def __init__(
        self,
        url: str,
        *,
        password: Credential | None = None,
        timeout_s: float = 5.0,
        must_exist: bool = False,
    ) -> None:
        """Nothing is connected yet. `must_exist`: an SQLite file is not made, and not changed.

        Raises EnvironmentMissing when the extra `postgres` is needed and not installed.
        """
        self._url = make_url(url)
        self._password = password
        self._must_exist = must_exist
        self.name = self._url.render_as_string(hide_password=True)
        """For people; never with a password."""
        self.is_sqlite = self._url.get_backend_name() == SQLITE
        self._engine = self._sqlite(timeout_s) if self.is_sqlite else self._postgres(timeout_s)
        self._writers = self._engine.execution_options(**{_WRITES: True})

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction, on disk when the block ends without an error.

        Raises StoreError: STORE_UNREACHABLE, STORE_REFUSED; EntryRefused for what can never be
        taken. Nothing is written then.
        """
        with self._opened(self._writers) as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that sees the database as it is when it begins. Raises StoreError."""
        with self._opened(self._engine) as connection:
            yield connection

    def lock(self, connection: Connection, word: str) -> None:
        """Until the transaction ends, no other writer is past here with the same `word`."""
        if not self.is_sqlite:  # where BEGIN IMMEDIATE already keeps every other writer out
            connection.execute(
                select(func.pg_advisory_xact_lock(func.hashtextextended(f"keenline {word}", 0)))
            )

    def close(self) -> None:
        """Let every connection go."""
        self._engine.dispose()

    @contextmanager
    def _opened(self, engine: Engine) -> Iterator[Connection]:
        self._require_file()
        with translated(self.name), engine.begin() as connection:
            yield connection

    def _require_file(self) -> None:
        file = self._url.database
        if self.is_sqlite and self._must_exist and not Path(str(file)).is_file():
            raise StoreError(
                Code.STORE_UNREACHABLE,
                "There is no such database",
                where=self.name,
                next="check the path; a station makes it when it first starts",
            )

    def _sqlite(self, timeout_s: float) -> Engine:
        engine = create_engine(
            self._url,
            connect_args={"timeout": timeout_s, "check_same_thread": False},
        )

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: object) -> None:
            connection.isolation_level = None  # BEGIN is ours, below
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {int(timeout_s * 1000)}")
            if not self._must_exist:
                cursor.execute("PRAGMA journal_mode = WAL")
            # FULL: a commit is on the disk when it returns, also when the power goes (in WAL mode,
            # NORMAL would not be: https://www.sqlite.org/pragma.html#pragma_synchronous).
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.execute("PRAGMA foreign_keys = ON")
            cursor.close()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            # IMMEDIATE waits for the lock at once; a read that turned into a write could not.
            writes = connection.get_execution_options().get(_WRITES)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

        return engine

    def _postgres(self, timeout_s: float) -> Engine:
        milliseconds = int(timeout_s * 1000)
        options = (
            f"-c statement_timeout={4 * milliseconds} -c lock_timeout={milliseconds} "
            f"-c idle_in_transaction_session_timeout={4 * milliseconds} -c synchronous_commit=on"
        )
        try:
            engine = create_engine(
                self._url,
                pool_size=2,
                connect_args={
                    "connect_timeout": max(1, round(timeout_s)),
                    "application_name": "keenline",
                    "options": options,
                    # A cable that was pulled is noticed, in place of waiting for ever.
                    "keepalives_idle": 10,
                    "keepalives_interval": 5,
                    "keepalives_count": 3,
                    "tcp_user_timeout": 2 * milliseconds,
                },
            )
        except ModuleNotFoundError as missing:
            raise EnvironmentMissing(
                Code.EXTRA_MISSING,
                "PostgreSQL needs psycopg",
                where=self.name,
                next="pip install 'keenline[postgres]', or use sqlite:///FILE",
            ) from missing

        @event.listens_for(engine, "do_connect")
        def add_password(_dialect: object, _record: object, _args: object, how: Any) -> None:
            # Here and not in the URL, which is shown in messages.
            if self._password is not None:
                how["password"] = self._password.read()

        return engine
