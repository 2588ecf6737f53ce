"""A disk that is full: the journal goes on in the room it set aside, and loses nothing it took."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from keenline.errors import Code, OutputError
from keenline.journal.entries import Entry
from keenline.journal.log import Journal
from keenline.types import LineEvent

RESERVE = 256 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> Path:
    """Takes all the room that is left."""
    file = disk / f"filler-{len(list(disk.iterdir()))}"
    with file.open("wb", buffering=0) as filler:
        for size in (65536, 4096, 256, 1):
            try:
                while filler.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return file


def entry(number: int) -> LineEvent:
    when = datetime(2026, 11, 21, tzinfo=UTC)
    return LineEvent(
        str(uuid.uuid4()), "press-4", "state", when, {"n": f"{number:06d}" + 1000 * "x"}
    )


def held(journal: Journal) -> list[Entry]:
    return journal.read(journal.first(), 100_000)[0]


def until_full(journal: Journal) -> list[Entry]:
    """Appends until it is refused; what was taken."""
    taken: list[Entry] = []

    def go_on() -> None:
        while True:
            one = entry(len(taken))
            journal.append(one)
            taken.append(one)

    with pytest.raises(OutputError) as caught:
        go_on()
    assert caught.value.code == Code.OUTPUT_DISK_FULL
    return taken


def test_the_reserve_is_real_room(disk: Path) -> None:
    before = os.statvfs(disk).f_bavail
    journal = Journal(disk / "journal", reserve_bytes=RESERVE)
    assert (before - os.statvfs(disk).f_bavail) * 4096 >= RESERVE
    assert not journal.is_on_reserve
    assert journal.reserve_left == RESERVE
    journal.close()


def test_a_full_disk_is_written_on_into_the_reserve(disk: Path) -> None:
    journal = Journal(disk / "journal", reserve_bytes=RESERVE)
    first = entry(0)
    journal.append(first)
    filler = fill(disk)
    taken = until_full(journal)
    assert journal.is_on_reserve
    assert journal.reserve_left == 0
    assert sum(len(str(one)) for one in taken) > 0.8 * RESERVE
    assert held(journal) == [first, *taken]

    filler.unlink()
    last = entry(1)
    journal.append(last)
    assert journal.is_on_reserve
    assert journal.refill()
    assert not journal.is_on_reserve
    assert held(journal) == [first, *taken, last]
    fill(disk)
    again = until_full(journal)
    assert len(again) > 0.8 * len(taken)
    journal.close()


def test_a_disk_without_ample_room_does_not_fill_the_reserve(disk: Path) -> None:
    journal = Journal(disk / "journal", reserve_bytes=RESERVE)
    filler = fill(disk)
    until_full(journal)
    os.truncate(filler, filler.stat().st_size - RESERVE)
    assert not journal.refill()
    assert journal.reserve_left == 0
    filler.unlink()
    assert journal.refill()
    journal.close()


def test_a_new_segment_for_which_there_is_no_room_is_begun_later(disk: Path) -> None:
    """The disk has no room for a file more: the old segment grows beyond its size."""
    journal = Journal(disk / "journal", segment_bytes=20_000, reserve_bytes=RESERVE)
    filler = fill(disk)
    taken = until_full(journal)
    assert len(taken) > 100
    filler.unlink()
    last = entry(-1)
    journal.append(last)
    found, place = [], journal.first()
    while place < journal.end:
        more, place = journal.read(place, 7)
        found += more
    assert found == [*taken, last]
    assert len(journal.segments()) > 1
    journal.flush()
    journal.close()


def test_a_journal_that_is_opened_on_a_full_disk_has_what_is_left(disk: Path) -> None:
    journal = Journal(disk / "journal", reserve_bytes=RESERVE)
    filler = fill(disk)
    taken = [entry(number) for number in range(20)]
    for one in taken:
        journal.append(one)
    left = journal.reserve_left
    journal.close()
    again = Journal(disk / "journal", reserve_bytes=RESERVE)
    assert 0 < again.reserve_left == left < RESERVE
    assert again.is_on_reserve
    assert held(again) == taken
    again.append(entry(99))
    filler.unlink()
    assert again.refill()
    again.close()


def test_a_reserve_of_another_size_is_brought_to_its_size(tmp_path: Path) -> None:
    for size in (RESERVE, 2 * RESERVE, RESERVE // 2):
        journal = Journal(tmp_path, reserve_bytes=size)
        assert (tmp_path / "reserve").stat().st_size == size == journal.reserve_left
        journal.close()


def test_a_reader_never_skips_what_came_before_a_new_segment(tmp_path: Path) -> None:
    """It reads the last segment to its end; meanwhile more comes to it, and then a new one."""
    journal = Journal(tmp_path, segment_bytes=3000, reserve_bytes=0)
    sent = [entry(number) for number in range(8)]
    journal.append(sent[0])
    reading = journal._from(journal.first())
    found = [next(reading)]
    for one in sent[1:]:
        journal.append(one)
    found += list(reading)
    place = found[-1][1]
    rest, _ = journal.read(place, 100)
    assert [one for one, _ in found if one is not None] + rest == sent
    journal.close()
