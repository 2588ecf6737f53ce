"""kill -9 of the database and of the writer, at any moment: nothing lost, nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.peers.postgres import Postgres
from tests.store.conftest import NewDatabase
from tests.store.records import event, result

from keenline.credentials import Credential
from keenline.journal.entries import Accepted, Entry, as_json
from keenline.journal.forwarding import Forwarder
from keenline.journal.log import Journal
from keenline.store.audit import verify
from keenline.store.database import Database
from keenline.store.results import ResultSink
from keenline.store.schema import events, refused, results

SOURCE = Path(__file__).parents[2] / "src"


def line(count: int, station: str = "press-4") -> list[Entry]:
    """What a journal holds of so many parts."""
    made: list[Entry] = []
    for number in range(1, count + 1):
        part = result(number, station=station)
        made += [Accepted(part.trigger), part]
        if number % 10 == 0:
            made.append(event(number, station=station))
    return made


def assert_exactly(database: Database, sent: list[Entry]) -> None:
    """Each record once, word for word, in its order, and the trail whole."""
    contents = [as_json(each).decode() for each in sent if not isinstance(each, Accepted)]
    with database.reading() as connection:
        stored = [
            *connection.scalars(select(results.c.content)),
            *connection.scalars(select(events.c.content)),
        ]
        assert connection.execute(select(refused)).all() == []
    assert sorted(stored) == sorted(contents)
    assert verify(database).is_whole


def journal_of(folder: Path, entries: list[Entry]) -> None:
    journal = Journal(folder)
    for entry in entries:
        journal.append(entry)
    journal.close()


def deliverer(folder: Path, url: str, secret: Credential, batch: int) -> subprocess.Popen[str]:
    program = Path(__file__).with_name("deliverer.py")
    return subprocess.Popen(
        [sys.executable, str(program), str(folder), url, str(secret.file), str(batch)],
        env=os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_the_writer_is_killed_again_and_again(
    url: str, new_database: NewDatabase, secret: Credential, tmp_path: Path
):
    sent = line(3000)
    journal_of(tmp_path / "journal", sent)
    chance = random.Random(4)
    database, kills = new_database(), 0
    while True:
        process = deliverer(tmp_path / "journal", url, secret, batch=7)
        try:
            # After the imports, somewhere in the writing.
            out, _ = process.communicate(timeout=0.6 + chance.random() * 0.6 if kills < 8 else 60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            continue
        assert out == "done\n"
        break
    assert kills >= 3
    assert_exactly(database, sent)


@pytest.mark.slow
def test_the_database_is_killed_again_and_again(
    postgres: Postgres, secret: Credential, tmp_path: Path
):
    database = Database(postgres.new_database(), password=secret, timeout_s=2)
    journal = Journal(tmp_path)
    forwarder = Forwarder(journal, ResultSink(database), batch=5)
    forwarder.start()
    sent = line(900)
    kills = 0
    for place, entry in enumerate(sent):
        journal.append(entry)
        time.sleep(0.0005)
        if place % 500 == 300:
            postgres.kill()
            kills += 1
            time.sleep(0.3)
            postgres.start()
    assert forwarder.drain(60)
    assert kills >= 3
    assert forwarder.state.failures >= 1
    forwarder.stop()
    journal.close()
    assert_exactly(database, sent)
    database.close()


def test_two_stations_on_one_database(new_database: NewDatabase, tmp_path: Path):
    sent = {name: line(200, name) for name in ("press-4", "press-5")}

    def run(name: str) -> None:
        journal = Journal(tmp_path / name)
        forwarder = Forwarder(journal, ResultSink(new_database()), batch=9)
        forwarder.start()
        for entry in sent[name]:
            journal.append(entry)
        assert forwarder.drain(30)
        forwarder.stop()
        journal.close()

    threads = [threading.Thread(target=run, args=(name,)) for name in sent]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    database = new_database()
    assert_exactly(database, sent["press-4"] + sent["press-5"])
    assert [chain.entries for chain in verify(database).chains] == [220, 220]


def test_a_place_that_was_lost_costs_nothing(new_database: NewDatabase, tmp_path: Path):
    """The file that says how far the store has come is gone: everything is delivered again."""
    sent = line(300)
    journal_of(tmp_path, sent)
    database = new_database()
    for _ in range(2):
        journal = Journal(tmp_path)
        forwarder = Forwarder(journal, ResultSink(database))
        forwarder.start()
        assert forwarder.drain(30)
        forwarder.stop()
        journal.close()
        (tmp_path / "store.place").unlink()
    assert_exactly(database, sent)
