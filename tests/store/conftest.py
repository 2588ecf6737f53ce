"""Gives tests of the store a database of each kind, PostgreSQL in a server of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.peers.postgres import PASSWORD, Postgres

from keenline.credentials import Credential
from keenline.store.database import Database

NewDatabase = Callable[[], Database]
"""Opens the database of one test; each call another `Database` on the same tables."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def secret(tmp_path: Path) -> Credential:
    file = tmp_path / "database-password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    return Credential(file=str(file))


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'results.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def new_database(url: str, secret: Credential) -> Iterator[NewDatabase]:
    opened: list[Database] = []

    def open_it() -> Database:
        opened.append(Database(url, password=secret, timeout_s=2))
        return opened[-1]

    yield open_it
    for database in opened:
        database.close()


@pytest.fixture
def database(new_database: NewDatabase) -> Database:
    return new_database()
