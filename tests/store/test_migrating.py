"""A database is brought up at start, by one of many; a newer one is refused and left as it is."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from tests.store.conftest import NewDatabase
from tests.store.records import result

from keenline.errors import Code, StoreError
from keenline.store import migrations
from keenline.store.database import Database
from keenline.store.migrating import VERSION_TABLE, newest, require_current, upgrade
from keenline.store.results import ResultSink
from keenline.store.schema import tables


def names(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(inspect(connection).get_table_names())


def test_the_migrations_lead_to_the_tables_of_this_version(database: Database):
    upgrade(database)
    assert names(database) == set(tables.tables) | {VERSION_TABLE}
    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, tables) == []
    require_current(database)


def test_once_more_changes_nothing(database: Database):
    ResultSink(database).deliver([result(1)])
    upgrade(database)
    assert ResultSink(database).last_trigger("press-4") == 1


def test_stations_that_start_at_once_take_turns(new_database: NewDatabase):
    faults: list[StoreError] = []

    def start(database: Database) -> None:
        try:
            upgrade(database)
        except StoreError as error:
            faults.append(error)

    threads = [threading.Thread(target=start, args=(new_database(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    require_current(new_database())


@pytest.mark.parametrize("act", [upgrade, require_current])
def test_a_newer_database_is_refused_and_left_as_it_is(database: Database, act):
    upgrade(database)
    with database.writing() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(StoreError) as caught:
        act(database)
    assert caught.value.code == Code.STORE_SCHEMA
    assert "9999" in str(caught.value)
    with pytest.raises(StoreError) as caught:
        ResultSink(database).deliver([result(1)])
    assert caught.value.code == Code.STORE_SCHEMA
    with database.reading() as connection:
        found = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))
        assert found == "9999"
        assert connection.scalar(text("SELECT count(*) FROM results")) == 0


def test_the_database_of_another_program_is_left_alone(database: Database):
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE results (mine INTEGER)"))
    with pytest.raises(StoreError) as caught:
        upgrade(database)
    assert caught.value.code == Code.STORE_SCHEMA
    assert "another program" in str(caught.value)
    assert names(database) == {"results"}


def test_an_empty_database_is_not_current(database: Database):
    with pytest.raises(StoreError) as caught:
        require_current(database)
    assert caught.value.code == Code.STORE_SCHEMA
    assert names(database) == set()


def test_newest_is_the_file_with_the_highest_number():
    assert newest() == "0002"


def test_the_names_of_the_files_are_what_alembic_finds_in_them():
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__path__[0])))
    assert ScriptDirectory.from_config(config).get_heads() == [newest()]


def test_asking_a_store_does_not_import_alembic():
    asks = "import sys, keenline.store.migrating; sys.exit('alembic' in sys.modules)"
    subprocess.run([sys.executable, "-c", asks], check=True)
