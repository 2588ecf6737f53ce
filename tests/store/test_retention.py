"""What may go goes, oldest PASS first; what is needed stays; every deletion is on record."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from tests.store.records import event, result

from keenline.errors import Code, StoreError
from keenline.store.audit import verify
from keenline.store.database import Database
from keenline.store.images import ImageFolder
from keenline.store.queries import Query, count
from keenline.store.results import ResultSink
from keenline.store.retention import Retention
from keenline.store.schema import events, holds, images, tables
from keenline.store.settings import RetentionSettings
from keenline.types import Result, Verdict

NOW = datetime.now(UTC)
KEPT_LONG = RetentionSettings(pass_days=30, other_days=365, needed_days=90, free_gb=0)


class Disk(ImageFolder):
    """A folder on a disk that has room for so many files."""

    def __init__(self, folder: Path, room: int = 1000) -> None:
        super().__init__(folder, "png", reserve_bytes=1)
        self.room = room

    def free_bytes(self) -> int:
        return (self.room - len(list(self.contents()))) * 10**9


Fill = Callable[..., list[Result]]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    place = Disk(tmp_path / "images")
    place.open()
    return place


@pytest.fixture
def fill(database: Database, disk: Disk) -> Fill:
    """Stores results of so many days ago, each with its image."""
    sink = ResultSink(database)
    given_out = iter(range(1, 10_000))

    def store(verdict: Verdict, *days: float, station: str = "press-4") -> list[Result]:
        made = [
            result(next(given_out), verdict=verdict, time=NOW - timedelta(days=n), station=station)
            for n in days
        ]
        for each in made:
            disk.put(each.views[0].image_sha256, b"pixels")
        sink.deliver(made)
        return made

    return store


def shas(found: list[Result]) -> set[str]:
    return {each.views[0].image_sha256 for each in found}


def here(disk: Disk) -> set[str]:
    return {digest for digest, _ in disk.contents()}


def test_age(database: Database, disk: Disk, fill: Fill):
    gone = fill(Verdict.PASS, 31, 400) + fill(Verdict.REJECT, 366) + fill(Verdict.INVALID, 1000)
    stay = fill(Verdict.PASS, 1, 29) + fill(Verdict.REJECT, 31, 364) + fill(Verdict.REVIEW, 100)
    swept = Retention(database, disk, KEPT_LONG, "press-4").sweep()
    assert (swept.for_age, swept.for_space, swept.missing, swept.is_short) == (4, 0, 0, False)
    assert here(disk) == shas(stay)
    assert count(database, Query()) == len(gone) + len(stay)  # records stay
    with database.reading() as connection:
        states = dict(
            tuple(row) for row in connection.execute(select(images.c.sha256, images.c.state))
        )
        (facts, *more) = connection.scalars(
            select(events.c.facts).filter_by(kind="images-deleted").order_by(events.c.event_id)
        )
    assert {states[each] for each in shas(gone)} == {"deleted"}
    assert {states[each] for each in shas(stay)} == {"kept"}
    said = " ".join(each["sha256"] for each in (facts, *more)).split()
    assert set(said) == shas(gone)
    assert facts["why"] == "age"
    assert verify(database).is_whole
    again = Retention(database, disk, KEPT_LONG, "press-4").sweep()
    assert again.for_age == 0


def test_space_takes_the_oldest_pass_first(database: Database, disk: Disk, fill: Fill):
    passed = fill(Verdict.PASS, *range(1, 26))
    old = fill(Verdict.REVIEW, 91, 92, 93)
    needed = fill(Verdict.REJECT, *range(1, 6))
    tight = RetentionSettings(pass_days=30, other_days=365, needed_days=90, free_gb=10)
    retention = Retention(database, disk, tight, "press-4")
    disk.room = 33 - 10 + 10  # 33 files are here: ten must go, and go by tens
    swept = retention.sweep()
    assert swept.for_space == 10
    assert here(disk) == shas(passed[:15] + old + needed)
    disk.room = 12
    swept = retention.sweep()
    assert here(disk) == shas(needed)
    assert swept.is_short  # and nothing more may go
    assert retention.sweep().for_space == 0
    assert verify(database).is_whole


def test_what_is_held_stays(database: Database, disk: Disk, fill: Fill):
    held = fill(Verdict.PASS, 500) + fill(Verdict.REJECT, 900)
    fill(Verdict.PASS, 501)
    with database.writing() as connection:
        rows = [{"sha256": sha, "holder": "review 7", "since": NOW} for sha in shas(held)]
        connection.execute(insert(holds), rows)
    disk.room = 0
    tight = RetentionSettings(free_gb=10)
    Retention(database, disk, tight, "press-4").sweep()
    assert here(disk) == shas(held)


def test_an_image_that_two_results_show_is_kept_for_the_stricter(database: Database, disk: Disk):
    sink = ResultSink(database)
    same = "d" * 64
    disk.put(same, b"pixels")
    sink.deliver([result(1, sha256=same, verdict=Verdict.REJECT, time=NOW - timedelta(days=50))])
    sink.deliver([result(2, sha256=same, verdict=Verdict.PASS, time=NOW - timedelta(days=60))])
    Retention(database, disk, KEPT_LONG, "press-4").sweep()
    assert here(disk) == {same}


def test_a_station_leaves_the_images_of_another(database: Database, disk: Disk, fill: Fill):
    theirs = fill(Verdict.PASS, 200, station="press-5")
    fill(Verdict.PASS, 200)
    Retention(database, disk, KEPT_LONG, "press-4").sweep()
    assert here(disk) == shas(theirs)


def test_a_deletion_that_was_broken_off_is_finished(database: Database, disk: Disk, fill: Fill):
    class Gone(Disk):
        def delete(self, sha256: str) -> None:
            raise StoreError(Code.IMAGES_UNREACHABLE, "gone", where=sha256)

    old = fill(Verdict.PASS, 40, 41)
    with pytest.raises(StoreError, match="gone"):
        Retention(database, Gone(disk.folder), KEPT_LONG, "press-4").sweep()
    assert here(disk) == shas(old)
    Retention(database, disk, KEPT_LONG, "press-4").sweep()
    assert here(disk) == set()
    with database.reading() as connection:
        assert set(connection.scalars(select(images.c.state))) == {"deleted"}


def test_what_was_not_written_before_a_sudden_end_is_found(database: Database, disk: Disk):
    sink = ResultSink(database)
    sink.deliver([result(1, verdict=Verdict.REJECT, time=NOW)])
    later = datetime.now(UTC) + timedelta(minutes=2)
    swept = Retention(database, disk, KEPT_LONG, "press-4").sweep(later)
    assert swept.missing == 1
    with database.reading() as connection:
        row = connection.execute(select(images)).mappings().one()
    assert (row["state"], row["why"]) == ("lost", "it was not written before the station ended")
    assert Retention(database, disk, KEPT_LONG, "press-4").sweep(later).missing == 0
    assert verify(database).is_whole


def test_an_image_may_come_back(database: Database, disk: Disk, fill: Fill):
    (old,) = fill(Verdict.PASS, 40)
    Retention(database, disk, KEPT_LONG, "press-4").sweep()
    sha = old.views[0].image_sha256
    disk.put(sha, b"pixels")
    ResultSink(database).deliver([result(500, sha256=sha, time=NOW), event(1)])
    with database.reading() as connection:
        assert connection.scalar(select(images.c.state)) == "kept"
    Retention(database, disk, KEPT_LONG, "press-4").sweep()
    assert here(disk) == {sha}


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    ages=st.lists(st.tuples(st.sampled_from(Verdict), st.floats(0.1, 900)), max_size=25),
    room=st.integers(0, 40),
)
@example(ages=[(Verdict.REJECT, 90.0)], room=0)
def test_whatever_the_disk_what_is_needed_stays(
    database: Database, disk: Disk, fill: Fill, ages: list[tuple[Verdict, float]], room: int
):
    fill(Verdict.PASS, 1)  # the first one makes the tables
    with database.writing() as connection:  # what the example before left goes
        for table in reversed(tables.sorted_tables):
            connection.execute(table.delete())
    for digest in here(disk):
        disk.delete(digest)
    disk.room = 1000
    tight = RetentionSettings(pass_days=30, other_days=365, needed_days=90, free_gb=5)
    made = [(verdict, timedelta(days=days), *fill(verdict, days)) for verdict, days in ages]
    disk.room = room
    swept = Retention(database, disk, tight, "press-4").sweep(NOW)
    left = here(disk)
    needed = {
        one.views[0].image_sha256
        for verdict, age, one in made
        if verdict is not Verdict.PASS and age <= timedelta(days=90)
    }
    assert needed <= left
    too_old = {
        one.views[0].image_sha256
        for verdict, age, one in made
        if age > timedelta(days=30 if verdict is Verdict.PASS else 365)
    }
    assert not too_old & left
    assert swept.is_short == (disk.free_bytes() < 5 * 10**9)
    if swept.is_short:
        assert left == needed


def test_it_runs_by_itself_and_ends(database: Database, disk: Disk, fill: Fill):
    fill(Verdict.PASS, 40)
    retention = Retention(database, disk, KEPT_LONG, "press-4")
    retention.start()
    for _ in range(200):
        if retention.last.for_age:
            break

        time.sleep(0.02)
    retention.stop()
    assert retention.last.for_age == 1
    assert retention.trouble is None
