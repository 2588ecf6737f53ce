"""What a sink missed comes later, in order and once; nothing of the sink's holds up anybody."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from tests.store.records import event, result

from keenline.errors import (
    Code,
    EnvironmentMissing,
    JournalError,
    OutputError,
    PublishError,
    RecordError,
)
from keenline.journal.entries import Entry
from keenline.journal.forwarding import Forwarder
from keenline.journal.log import Journal, Place
from keenline.types import Result

SOURCE = Path(__file__).parents[2] / "src"
MakeForwarder = Callable[..., Forwarder]


class Shelf:
    """A sink in memory that is up or down as a test wishes."""

    name = "shelf"

    def __init__(self) -> None:
        self.batches: list[list[Entry]] = []
        self.trouble: RecordError | OutputError | EnvironmentMissing | None = None
        self.attempts = 0
        self.closed = 0
        self.open = threading.Event()
        self.open.set()

    def deliver(self, entries: Sequence[Entry]) -> None:
        self.attempts += 1
        if self.trouble is not None:
            raise self.trouble
        assert self.open.wait(30)
        self.batches.append(list(entries))

    def close(self) -> None:
        self.closed += 1

    @property
    def taken(self) -> list[Entry]:
        return [entry for batch in self.batches for entry in batch]


def down() -> PublishError:
    return PublishError(Code.BROKER_UNREACHABLE, "It is down")


def until(condition: Callable[[], bool], limit_s: float = 10.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.005)


def filled(journal: Journal, count: int, first: int = 1) -> list[Entry]:
    made: list[Entry] = [result(number) for number in range(first, first + count)]
    for entry in made:
        journal.append(entry)
    return made


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = Journal(tmp_path / "log", segment_bytes=10_000, reserve_bytes=0)
    yield made
    made.close()


@pytest.fixture
def forward(journal: Journal) -> Iterator[MakeForwarder]:
    made: list[Forwarder] = []

    def start(sink: Shelf, **options: float) -> Forwarder:
        made.append(Forwarder(journal, sink, **options))  # type: ignore[arg-type]
        made[-1].start()
        return made[-1]

    yield start
    for forwarder in made:
        forwarder.stop()
    assert not [one for one in threading.enumerate() if one.name == "forward-shelf"]


def test_everything_comes_once_and_in_order(journal: Journal, forward: MakeForwarder):
    sink = Shelf()
    sent = filled(journal, 50)
    forwarder = forward(sink, batch=7)
    sent += filled(journal, 50, first=51)
    assert forwarder.drain(10)
    assert sink.taken == sent
    assert max(len(batch) for batch in sink.batches) <= 7
    state = forwarder.state
    assert state.delivered == 100
    assert state.failures == 0
    assert state.trouble is None
    assert not state.is_behind


def test_what_comes_later_is_carried_at_once(journal: Journal, forward: MakeForwarder):
    sink = Shelf()
    forward(sink)
    for number in range(5):
        journal.append(event(number))
        begin = time.monotonic()
        until(lambda upto=number: len(sink.taken) > upto)
        assert time.monotonic() - begin < 0.3


def test_a_sink_that_was_down_gets_all_that_it_missed(journal: Journal, forward: MakeForwarder):
    sink = Shelf()
    forwarder = forward(sink, batch=10)
    sent = filled(journal, 20)
    assert forwarder.drain(10)
    sink.trouble = down()
    sent += filled(journal, 40, first=21)
    until(lambda: forwarder.state.failures >= 3)
    assert forwarder.state.trouble is sink.trouble
    assert forwarder.state.is_behind
    assert not forwarder.drain(0.05)
    sink.trouble = None
    assert forwarder.drain(10)
    assert sink.taken == sent
    until(lambda: forwarder.state.trouble is None)


def test_a_sink_that_is_down_is_asked_less_and_less(journal: Journal, forward: MakeForwarder):
    sink = Shelf()
    sink.trouble = down()
    filled(journal, 1)
    forward(sink)
    time.sleep(1.6)  # at 0, 0.2, 0.6, 1.4
    assert 3 <= sink.attempts <= 4


def test_an_append_does_not_wait_for_a_sink(journal: Journal, forward: MakeForwarder):
    sink = Shelf()
    sink.open.clear()
    forwarder = forward(sink)
    filled(journal, 1)
    until(lambda: sink.attempts == 1)
    begin = time.monotonic()
    filled(journal, 200, first=2)
    assert time.monotonic() - begin < 1
    assert sink.batches == []
    sink.open.set()
    assert forwarder.drain(10)
    assert len(sink.taken) == 201


def test_the_next_one_goes_on_where_the_last_stopped(journal: Journal, forward: MakeForwarder):
    first, second = Shelf(), Shelf()
    sent = filled(journal, 20)
    forwarder = forward(first, batch=4)
    assert forwarder.drain(10)
    forwarder.stop()
    more = filled(journal, 20, first=21)
    assert forward(second).drain(10)
    assert first.taken == sent
    assert second.taken == more


def test_sinks_have_places_of_their_own(journal: Journal, forward: MakeForwarder):
    slow, quick = Shelf(), Shelf()
    slow.name = "slow"
    slow.trouble = down()
    sent = filled(journal, 10)
    behind = forward(slow)
    assert forward(quick).drain(10)
    assert quick.taken == sent
    assert behind.state.is_behind
    assert {path.name for path in journal.folder.glob("*.place")} == {"shelf.place"}


def test_a_stop_ends_during_the_pause_after_a_failure(journal: Journal, forward: MakeForwarder):
    sink = Shelf()
    sink.trouble = down()
    filled(journal, 1)
    forwarder = forward(sink)
    until(lambda: forwarder.state.failures >= 3)
    begin = time.monotonic()
    forwarder.stop()
    assert time.monotonic() - begin < 0.5
    assert sink.closed == 1


def test_a_stop_does_not_wait_for_ever(journal: Journal, forward: MakeForwarder):
    sink = Shelf()
    sink.open.clear()
    filled(journal, 1)
    forwarder = forward(sink)
    until(lambda: sink.attempts == 1)
    begin = time.monotonic()
    forwarder.stop(timeout_s=0.2)
    assert time.monotonic() - begin < 1
    assert sink.closed == 1
    sink.open.set()


def test_one_that_was_never_started_is_not_waited_for(journal: Journal):
    sink = Shelf()
    filled(journal, 1)
    forwarder = Forwarder(journal, sink)
    begin = time.monotonic()
    assert not forwarder.drain(10)
    assert time.monotonic() - begin < 1
    forwarder.stop()
    assert sink.closed == 1


def test_lingering_makes_fewer_and_larger_batches(journal: Journal, forward: MakeForwarder):
    hasty, patient = Shelf(), Shelf()
    patient.name = "patient"
    one, other = forward(hasty), forward(patient, linger_s=0.2)
    sent: list[Entry] = []
    for number in range(1, 61):
        sent += filled(journal, 1, first=number)
        time.sleep(0.01)
    assert one.drain(10)
    assert other.drain(10)
    assert hasty.taken == patient.taken == sent
    assert len(patient.batches) < 10 < len(hasty.batches)


@pytest.mark.parametrize("place", ["9 0", "1 999999", "rubbish", "", "1", "-1 -5"])
def test_a_place_that_cannot_be(journal: Journal, forward: MakeForwarder, place: str):
    """After a loss of power the log may end before what was confirmed, or the file be empty."""
    sent = filled(journal, 3)
    (journal.folder / "shelf.place").write_text(place)
    sink = Shelf()
    forwarder = forward(sink)
    sent += filled(journal, 2, first=4)
    assert forwarder.drain(10)
    assert sink.taken[-2:] == sent[-2:]
    assert sink.taken in (sent, sent[-2:])


def test_a_place_whose_segment_was_deleted(journal: Journal, forward: MakeForwarder):
    filled(journal, 40)
    journal.forget_before(journal.end)
    left = journal.read(journal.first(), 1000)[0]
    (journal.folder / "shelf.place").write_text("1 200")
    sink = Shelf()
    assert forward(sink).drain(10)
    assert sink.taken == left


def test_a_damaged_line_does_not_hold_up_what_follows(journal: Journal, forward: MakeForwarder):
    place = journal.append(result(1))
    journal.append(result(2))
    path = journal.folder / "000000001.journal"
    content = bytearray(path.read_bytes())
    content[place.offset + 20] ^= 1
    path.write_bytes(content)
    sink = Shelf()
    assert forward(sink).drain(10)
    assert sink.taken == [result(2)]


def test_a_log_of_damaged_lines_alone_is_passed(journal: Journal, forward: MakeForwarder):
    journal.append(result(1))
    path = journal.folder / "000000001.journal"
    path.write_bytes(path.read_bytes().replace(b"press", b"prass"))
    sink = Shelf()
    assert forward(sink).drain(10)
    assert sink.attempts == 0


def test_a_file_that_cannot_be_read_is_tried_again(journal: Journal, forward: MakeForwarder):
    sent = filled(journal, 30)
    path, aside = journal.folder / "000000002.journal", journal.folder / "aside"
    path.rename(aside)
    path.mkdir()  # reading it fails, as on a disk with a fault
    sink = Shelf()
    forwarder = forward(sink)
    until(lambda: isinstance(forwarder.state.trouble, JournalError))
    path.rmdir()
    aside.rename(path)
    assert forwarder.drain(10)
    assert list(dict.fromkeys(one.result_id for one in sink.taken if isinstance(one, Result))) == [
        one.result_id for one in sent if isinstance(one, Result)
    ]


def test_a_place_behind_the_end_is_brought_back_for_good(journal: Journal):
    """The power went, and the sink stays down until the log is longer than it was before."""
    filled(journal, 2)
    (journal.folder / "shelf.place").write_text(f"1 {journal.end.offset + 50}")
    sink = Shelf()
    Forwarder(journal, sink)
    sent = filled(journal, 3, first=3)
    later = Forwarder(journal, sink)
    later.start()
    assert later.drain(10)
    later.stop()
    assert sink.taken == sent


def test_a_place_that_cannot_be_written_holds_nobody_up(journal: Journal, forward: MakeForwarder):
    """As on a full disk: the sink has the batch, and the next one comes."""
    (journal.folder / "shelf.new").mkdir()
    sink = Shelf()
    forwarder = forward(sink, batch=1)
    sent = filled(journal, 2)
    until(lambda: sink.taken == sent)
    until(lambda: isinstance(forwarder.state.trouble, OutputError))
    (journal.folder / "shelf.new").rmdir()
    sent += filled(journal, 1, first=3)
    assert forwarder.drain(10)
    assert sink.taken == sent
    until(lambda: forwarder.state.trouble is None)
    segment, offset = (journal.folder / "shelf.place").read_text().split()
    assert Place(int(segment), int(offset)) == journal.end


def test_a_killed_one_delivers_again_from_the_place_that_was_confirmed(tmp_path: Path):
    journal = Journal(tmp_path / "log", segment_bytes=50_000, reserve_bytes=0)
    filled(journal, 400)
    journal.close()
    chance = random.Random(6)
    command = [sys.executable, str(Path(__file__).with_name("carrier.py"))]
    command += [str(tmp_path / "log"), str(tmp_path / "delivered")]
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    kills = 4
    for limit_s in [*(chance.uniform(0.01, 0.06) for _ in range(kills)), 60]:
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            try:
                child.wait(limit_s)
            except subprocess.TimeoutExpired:
                child.kill()
    assert child.returncode == 0
    lines = (tmp_path / "delivered").read_text().splitlines()
    batches = [[int(number) for number in line.split()] for line in lines]
    numbers = [number for batch in batches for number in batch]
    assert list(dict.fromkeys(numbers)) == list(range(1, 401))
    # What came twice is at most one batch for each sudden end.
    assert len(numbers) - 400 <= 5 * kills


def test_a_package_that_is_missing_is_a_trouble_and_not_the_end(
    journal: Journal, forward: MakeForwarder
) -> None:
    shelf = Shelf()
    shelf.trouble = EnvironmentMissing(Code.EXTRA_MISSING, "A package is missing")
    forwarder = forward(shelf)
    made = filled(journal, 2)
    until(lambda: forwarder.state.trouble is shelf.trouble)
    shelf.trouble = None
    until(lambda: shelf.taken == made)
