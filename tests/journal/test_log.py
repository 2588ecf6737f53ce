"""The log gives back what it took, in its order, whatever ends the process or damages the file."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.store.records import event, result

from keenline.errors import Code, JournalError, OutputError
from keenline.journal.entries import Accepted, Entry
from keenline.journal.log import Journal, Place
from keenline.types import Result

ROOT = Path(__file__).parents[2]
NewJournal = Callable[..., Journal]


@pytest.fixture
def new_journal(tmp_path: Path) -> Iterator[NewJournal]:
    opened: list[Journal] = []

    def open_it(segment_bytes: int = 8 << 20) -> Journal:
        for journal in opened:
            journal.close()
        opened[:] = [Journal(tmp_path / "log", segment_bytes=segment_bytes, reserve_bytes=0)]
        return opened[0]

    yield open_it
    for journal in opened:
        journal.close()


def filled(journal: Journal, count: int, first: int = 1) -> list[Entry]:
    """Appends so many results and their triggers."""
    made: list[Entry] = []
    for number in range(first, first + count):
        made += [Accepted(result(number).trigger), result(number)]
    for entry in made:
        journal.append(entry)
    return made


def held(journal: Journal) -> list[Entry]:
    return journal.read(journal.first(), 1_000_000)[0]


def segment(journal: Journal, number: int) -> Path:
    return journal.folder / f"{number:09d}.journal"


def test_what_is_appended_is_read_in_order(new_journal: NewJournal):
    journal = new_journal()
    sent = [*filled(journal, 5), event(1)]
    assert journal.append(event(1)) < journal.end
    assert held(journal) == sent
    assert held(new_journal()) == sent


def test_the_place_of_an_entry_is_where_reading_finds_it(new_journal: NewJournal):
    journal = new_journal(segment_bytes=3000)
    places = [journal.append(result(number)) for number in range(1, 21)]
    assert places == sorted(set(places))
    for number, place in enumerate(places, 1):
        assert journal.read(place, 1)[0] == [result(number)]


def test_reading_goes_on_behind_the_last_batch(new_journal: NewJournal):
    journal = new_journal(segment_bytes=4000)
    sent = filled(journal, 30)
    found: list[Entry] = []
    place = journal.first()
    while place < journal.end:
        batch, place = journal.read(place, 7)
        assert len(batch) <= 7
        found += batch
    assert found == sent
    assert journal.read(place) == ([], place)
    journal.append(event(9))
    assert journal.read(place)[0] == [event(9)]


def test_an_empty_log(new_journal: NewJournal):
    journal = new_journal()
    assert journal.first() == journal.end == Place(1, 0)
    assert journal.read(journal.first()) == ([], Place(1, 0))
    assert not journal.wait(journal.end, 0.01)


def test_segments_are_rolled_and_forgotten(new_journal: NewJournal):
    journal = new_journal(segment_bytes=5000)
    sent = filled(journal, 40)
    last = max(journal.segments())
    assert last > 5
    assert all(segment(journal, one).stat().st_size < 8000 for one in journal.segments())
    assert held(journal) == sent
    journal.forget_before(Place(4, 0))
    assert journal.segments() == list(range(4, last + 1))
    left = held(journal)
    assert left == sent[-len(left) :]
    journal.forget_before(journal.end)
    assert journal.segments() == [last - 1, last]
    # A reader whose place is gone begins with what is left.
    assert journal.read(Place(1, 0), 1_000)[0] == held(journal)
    assert new_journal(segment_bytes=5000).segments() == [last - 1, last]


def test_a_line_that_was_not_finished_is_cut_off(tmp_path: Path):
    journal = Journal(tmp_path, reserve_bytes=0)
    sent = filled(journal, 3)
    journal.close()
    whole = segment(journal, 1).read_bytes()
    for torn in range(1, 200, 13):
        segment(journal, 1).write_bytes(whole + whole[:torn].replace(b"\n", b" "))
        again = Journal(journal.folder, reserve_bytes=0)
        assert segment(journal, 1).read_bytes() == whole
        assert held(again) == sent
        again.append(event(torn))
        assert held(again) == [*sent, event(torn)]
        again.close()


def test_a_damaged_line_hides_no_other(tmp_path: Path):
    journal = Journal(tmp_path, segment_bytes=5000, reserve_bytes=0)
    sent = filled(journal, 12)
    journal.close()
    path = segment(journal, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    middle = len(lines) // 2 | 1  # a result
    damages = [
        lines[middle].replace(b"press-4", b"press-5", 1),
        b"\0" * (len(lines[middle]) - 1) + b"\n",
        lines[middle][:40] + b"\n" + lines[middle][41:],
        b"\n",
        os.urandom(200).replace(b"\n", b"") + b"\n",
    ]
    for damage in damages:
        path.write_bytes(b"".join([*lines[:middle], damage, *lines[middle + 1 :]]))
        again = Journal(tmp_path, segment_bytes=5000, reserve_bytes=0)
        left = [one for one in sent if one in held(again)]
        assert held(again) == left == [*sent[:middle], *sent[middle + 1 :]]
        again.close()


def test_a_torn_end_of_an_earlier_segment_hides_nothing(tmp_path: Path):
    """Its last pages were lost with the power, those of the next segment were not."""
    journal = Journal(tmp_path, segment_bytes=5000, reserve_bytes=0)
    sent = filled(journal, 12)
    journal.close()
    path = segment(journal, 1)
    count = path.read_bytes().count(b"\n")
    os.truncate(path, path.stat().st_size - 30)
    again = Journal(tmp_path, segment_bytes=5000, reserve_bytes=0)
    assert held(again) == [*sent[: count - 1], *sent[count:]]
    again.close()


def test_two_cannot_write_one_log(new_journal: NewJournal):
    journal = new_journal()
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(JournalError) as caught:
        Journal(journal.folder)
    assert caught.value.code == Code.JOURNAL_IN_USE
    assert str(journal.folder) in str(caught.value)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
    journal.append(event(1))
    assert held(journal) == [event(1)]


def test_two_processes_cannot_write_one_log(tmp_path: Path):
    with subprocess.Popen(**appender(tmp_path, 1)) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(JournalError):
            Journal(tmp_path)
        child.kill()
    Journal(tmp_path, reserve_bytes=0).close()


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError) as caught:
        Journal(tmp_path / "file" / "log")
    assert caught.value.code == Code.OUTPUT_NOT_WRITABLE


def test_a_folder_that_could_not_be_used_is_let_go(tmp_path: Path):
    (tmp_path / "000000001.journal").mkdir()
    with pytest.raises(OutputError):
        Journal(tmp_path, reserve_bytes=0)
    (tmp_path / "000000001.journal").rmdir()
    journal = Journal(tmp_path, reserve_bytes=0)
    journal.append(event(1))
    journal.close()


def test_what_comes_after_a_close_goes_into_no_other_file(tmp_path: Path):
    journal = Journal(tmp_path / "log", reserve_bytes=4096)
    journal.append(event(1))
    journal.close()
    with ExitStack() as stack:
        # They get the numbers that the journal's files had.
        others = [stack.enter_context((tmp_path / str(one)).open("w+b")) for one in range(6)]
        for late in (lambda: journal.append(event(2)), journal.flush, journal.refill):
            with pytest.raises(OutputError):
                late()
        assert [other.read() for other in others] == [b""] * 6


def test_a_copy_beside_the_segments_is_none_of_them(tmp_path: Path):
    journal = Journal(tmp_path, reserve_bytes=0)
    journal.append(event(1))
    (tmp_path / "copy of 1.journal").write_bytes(b"\n")
    assert journal.segments() == [1]
    assert held(journal) == [event(1)]
    journal.close()


def test_only_the_account_of_the_station_may_read_it(new_journal: NewJournal):
    journal = new_journal()
    filled(journal, 1)
    for path in journal.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_threads_append_at_once(new_journal: NewJournal):
    journal = new_journal(segment_bytes=20_000)
    threads = [
        threading.Thread(target=filled, args=(journal, 100, 1000 * each)) for each in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    found: list[Entry] = []
    place = journal.first()
    while any(thread.is_alive() for thread in threads) or place < journal.end:
        journal.flush()
        batch, place = journal.read(place, 50)
        found += batch
    for thread in threads:
        thread.join()
    numbers = [one.trigger.number for one in found if isinstance(one, Result)]
    assert len(found) == 2 * 8 * 100
    assert sorted(numbers) == [1000 * each + one for each in range(1, 9) for one in range(100)]
    for each in range(1, 9):
        own = [number for number in numbers if number // 1000 == each]
        assert own == sorted(own)


def test_who_waits_is_woken_by_an_entry(new_journal: NewJournal):
    journal = new_journal()
    woken: list[float] = []

    def wait() -> None:
        assert journal.wait(Place(1, 0), 10)
        woken.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    appended = time.monotonic()
    journal.append(event(1))
    thread.join()
    assert 0 <= woken[0] - appended < 1


def appender(folder: Path, first: int) -> dict[str, object]:
    program = Path(__file__).with_name("appender.py")
    path = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
    return {
        "args": [sys.executable, str(program), str(folder), str(first)],
        "env": os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        "stdout": subprocess.PIPE,
        "text": True,
    }


def test_what_a_killed_process_had_appended_is_there(tmp_path: Path):
    chance = random.Random(5)
    reported = 0
    for _ in range(6):
        with subprocess.Popen(**appender(tmp_path, reported + 1)) as child:
            assert child.stdout is not None
            reported = int(child.stdout.readline())
            time.sleep(chance.uniform(0.0, 0.2))
            child.kill()
            told = child.stdout.read().splitlines()
        reported = int(told[-1]) if told else reported
        journal = Journal(tmp_path, reserve_bytes=0)
        numbers = [one.trigger.number for one in held(journal) if isinstance(one, Result)]
        journal.close()
        # It may have appended one more than it could report.
        assert numbers[-1] in (reported, reported + 1)
        assert numbers == list(range(1, numbers[-1] + 1))
        reported = numbers[-1]
    assert reported > 100
