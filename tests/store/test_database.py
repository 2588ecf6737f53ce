"""A database that is gone, locked, full or read-only is said in our words, and tried again."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest
from sqlalchemy import exc, text
from tests.peers.postgres import PASSWORD, Postgres
from tests.store.conftest import NewDatabase
from tests.store.records import result

from keenline.credentials import Credential
from keenline.errors import Code, StoreError
from keenline.store.audit import verify
from keenline.store.database import Database
from keenline.store.faults import KINDS
from keenline.store.queries import Query, count
from keenline.store.results import ResultSink, Stored


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "line.sqlite"


@pytest.fixture
def sqlite(file: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{file}", timeout_s=0.3)
    yield database
    database.close()


def refused(sink: ResultSink, number: int) -> StoreError:
    with pytest.raises(StoreError) as caught:
        sink.deliver([result(number)])
    return caught.value


# What SQLite guarantees


def test_the_settings_that_a_commit_depends_on(sqlite: Database):
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 300}
    with sqlite.reading() as connection:
        found = {name: connection.scalar(text(f"PRAGMA {name}")) for name in wanted}
    assert found == wanted


def test_asking_does_not_change_the_file(file: Path):
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("CREATE TABLE t (x)")
    before = file.read_bytes()
    database = Database(f"sqlite:///{file}", must_exist=True)
    with database.reading() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "delete"
    database.close()
    assert file.read_bytes() == before


def test_a_locked_database(sqlite: Database, file: Path):
    sink = ResultSink(sqlite)
    sink.deliver([result(1)])
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        error = refused(sink, 2)
        assert error.code == Code.STORE_REFUSED
        assert "locked" in str(error)
        other.execute("ROLLBACK")
    sink.deliver([result(2)])
    assert sink.counts == Stored(stored=2)


def test_a_full_disk(file: Path):
    database = Database(f"sqlite:///{file}", timeout_s=0.3)
    sink = ResultSink(database)
    sink.deliver([result(1)])
    with database.reading() as connection:  # SQLite's own way to have a disk of this size
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    with pytest.raises(StoreError, match="full") as caught:
        sink.deliver([result(number) for number in range(2, 200)])
    assert caught.value.code == Code.STORE_REFUSED
    with database.reading() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert count(database, Query()) == 1
    sink.deliver([result(2)])
    assert verify(database).is_whole
    database.close()


def test_a_disk_that_is_really_full(tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    database = Database(f"sqlite:///{disk / 'line.sqlite'}", timeout_s=0.3)
    try:
        sink = ResultSink(database)
        sink.deliver([result(1)])
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(os.statvfs(disk).f_bavail * 4096))
        many = [result(number) for number in range(2, 2000)]
        with pytest.raises(StoreError) as caught:
            sink.deliver(many)
        assert caught.value.code == Code.STORE_REFUSED
        assert "full" in str(caught.value)
        assert count(database, Query()) == 1
        ballast.unlink()
        sink.deliver(many[:50])
        assert count(database, Query()) == 51
        assert verify(database).is_whole
    finally:
        database.close()
        subprocess.run(["umount", str(disk)], check=True)


def test_a_folder_that_is_not_there(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path / 'absent' / 'line.sqlite'}")
    error = refused(ResultSink(database), 1)
    assert error.code == Code.STORE_UNREACHABLE
    database.close()


def test_a_file_that_is_damaged(sqlite: Database, file: Path):
    sink = ResultSink(sqlite)
    sink.deliver([result(n) for n in range(1, 200)])
    sqlite.close()
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(os.urandom(size - 8192))
    error = refused(sink, 300)
    assert error.code == Code.STORE_REFUSED


# PostgreSQL


def test_a_server_that_is_killed_and_comes_back(postgres: Postgres, secret: Credential):
    database = Database(postgres.new_database(), password=secret, timeout_s=2)
    sink = ResultSink(database)
    sink.deliver([result(1)])
    postgres.kill()
    try:
        for number in (2, 3):
            error = refused(sink, number)
            assert error.code == Code.STORE_UNREACHABLE
            assert PASSWORD not in str(error)
    finally:
        postgres.start()
    sink.deliver([result(1), result(2)])
    assert sink.counts == Stored(stored=2, again=1)
    assert verify(database).is_whole
    database.close()


def test_a_locked_table(postgres: Postgres, secret: Credential):
    url = postgres.new_database()
    database = Database(url, password=secret, timeout_s=0.3)
    sink = ResultSink(database)
    sink.deliver([result(1)])
    other = Database(url, password=secret)
    with other.writing() as connection:
        connection.execute(text("LOCK TABLE results IN ACCESS EXCLUSIVE MODE"))
        error = refused(sink, 2)
    assert error.code == Code.STORE_REFUSED
    assert "lock" in str(error)
    sink.deliver([result(2)])
    database.close()
    other.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("/line", "/absent"), Code.STORE_UNREACHABLE),
        (("postgres@", "nobody@"), Code.STORE_UNREACHABLE),
        (("127.0.0.1:", "127.0.0.1:1"), Code.STORE_UNREACHABLE),
    ],
)
def test_an_address_that_leads_nowhere(
    postgres: Postgres, secret: Credential, change: tuple[str, str], code: Code
):
    url = f"postgresql+psycopg://postgres@127.0.0.1:{postgres.port}/line"
    if change[0].startswith("127"):
        url = url.replace(str(postgres.port), "1")
    else:
        url = url.replace(*change)
    database = Database(url, password=secret, timeout_s=1)
    error = refused(ResultSink(database), 1)
    assert error.code == code
    assert PASSWORD not in str(error)
    database.close()


def test_a_wrong_password(postgres: Postgres, tmp_path: Path):
    wrong = tmp_path / "wrong"
    wrong.write_text("not-this-one")
    wrong.chmod(0o600)
    url = postgres.new_database()
    database = Database(url, password=Credential(file=str(wrong)))
    error = refused(ResultSink(database), 1)
    assert "password authentication failed" in str(error)
    assert "not-this-one" not in str(error)
    database.close()


def test_the_name_of_a_database_never_has_a_password():
    database = Database("postgresql+psycopg://reader:hidden@127.0.0.1/line")
    assert "hidden" not in database.name
    database.close()


def test_two_connections_of_one_station_do_not_break_its_chain(new_database: NewDatabase):
    """Two processes of the same name: a mistake, but no reason for a broken trail."""
    sinks = [ResultSink(new_database()) for _ in range(3)]
    sinks[0].prepare()

    def deliver(sink: ResultSink, first: int) -> None:
        for number in range(first, first + 60, 3):
            sink.deliver([result(number)])

    threads = [
        threading.Thread(target=deliver, args=(sink, first)) for first, sink in enumerate(sinks, 1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database = new_database()
    assert count(database, Query()) == 60
    assert verify(database).is_whole


# The table of faults


def test_every_class_of_driver_errors_has_a_kind():
    named = {
        kind
        for kind in vars(exc).values()
        if isinstance(kind, type)
        and issubclass(kind, exc.DBAPIError)
        and kind is not exc.DBAPIError
    }
    assert set(KINDS) == named


def test_counts_are_counted():
    assert [field.name for field in fields(Stored)] == ["stored", "again", "refused"]
