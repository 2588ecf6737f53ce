"""An append-only log in a folder: entries in, entries out from where each reader stopped.

Before the line is told a verdict, the verdict is in this log: written by one `write` to the
operating system (some 20 microseconds), so that it survives the end of the process, however
sudden. Against the loss of power it is brought to the disk a little later, by `flush`. Readers (the
database, each publisher) keep their places in files beside it; a segment is deleted once all have
passed it.

A file `reserve` beside it holds room for when the disk is full: thousands of parts more.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from keenline.errors import Code, JournalError, OutputError
from keenline.journal.entries import Entry, as_line, from_line
from keenline.journal.reserve import FULL, Reserve

_SEGMENT_BYTES = 8 << 20
_RESERVE_BYTES = 16 << 20  # a part takes 1 to 2 kB, so some 10 000 parts
_SUFFIX = ".journal"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in the log: a segment and the byte in it."""

    segment: int
    offset: int


class Journal:
    """The log of one station. One process writes; its threads may append at the same time."""

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = _SEGMENT_BYTES,
        reserve_bytes: int = _RESERVE_BYTES,
    ) -> None:
        """Open or make the log in `folder`, with so much room set aside for when its disk is full.

        Raises JournalError JOURNAL_IN_USE when another process has it open, OutputError when the
        folder cannot be written.
        """
        self.folder = folder
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._grown = threading.Condition(self._lock)
        self._unsynced: list[int] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._owner = _own(folder)
            try:
                self._segment = max(self.segments(), default=1)
                self._file = self._open_for_append(self._segment)
                self._size = self._end_of_whole_lines()
                self._reserve = Reserve(folder / "reserve", reserve_bytes)
            except OSError:
                os.close(self._owner)  # whoever comes next may own the folder
                raise
        except OSError as error:
            raise OutputError.of(error, folder) from error

    def append(self, entry: Entry) -> Place:
        """Write `entry`; it is in the hands of the operating system when this returns.

        Raises OutputError when the disk is gone, or full and the reserve used up, or the log was
        closed; nothing is then in the log.
        """
        line = as_line(entry)
        with self._grown:
            try:
                if self._size >= self._segment_bytes:
                    self._next_segment()
                start = Place(self._segment, self._size)
                self._write_out_of_the_reserve(line)
            except OSError as error:
                raise OutputError.of(error, self.folder) from error
            self._grown.notify_all()
            return start

    @property
    def is_on_reserve(self) -> bool:
        """The disk was full and the reserve is not whole again."""
        return self._reserve.is_used

    @property
    def reserve_left(self) -> int:
        """Bytes that the reserve still holds."""
        return self._reserve.left

    def refill(self) -> bool:
        """Fill the reserve again where the disk has room; whether it is whole. Raises
        OutputError."""
        with self._lock:
            try:
                return self._reserve.refill()
            except OSError as error:
                raise OutputError.of(error, self.folder) from error

    def flush(self) -> None:
        """Bring all that was appended to the disk itself. Raises OutputError."""
        files: list[int] = []
        try:
            with self._lock:
                files, self._unsynced = [*self._unsynced, os.dup(self._file)], []
            for number in files:
                os.fdatasync(number)
        except OSError as error:
            raise OutputError.of(error, self.folder) from error
        finally:
            for number in files:
                os.close(number)

    def wait(self, place: Place, timeout_s: float) -> bool:
        """Whether there is, or comes in time, anything at or behind `place`."""
        with self._grown:
            return self._grown.wait_for(lambda: place < self._end, timeout_s)

    @property
    def end(self) -> Place:
        """Where the next entry will stand."""
        with self._lock:
            return self._end

    def read(self, place: Place, limit: int = 256) -> tuple[list[Entry], Place]:
        """Up to `limit` entries from `place` on, and the place behind them.

        A damaged line (after a loss of power) is left out; it never hides those behind it. Raises
        JournalError JOURNAL_DAMAGED when the disk does not give back what it holds.
        """
        entries: list[Entry] = []
        try:
            for entry, behind in self._from(place):
                if entry is not None:
                    entries.append(entry)
                place = behind
                if len(entries) == limit:
                    break
        except OSError as error:
            raise _unreadable(error, self.folder) from error
        return entries, place

    def segments(self) -> list[int]:
        """Numbers of the segments on disk, in their order."""
        stems = [path.stem for path in self.folder.glob(f"*{_SUFFIX}")]
        return sorted(int(stem) for stem in stems if stem.isdecimal())

    def first(self) -> Place:
        """The oldest place that is still on disk."""
        return Place(min(self.segments()), 0)

    def forget_before(self, place: Place) -> None:
        """Delete the segments that lie wholly before `place`; never the last two, in which a
        station that starts finds where it stopped."""
        for number in self.segments():
            if number < min(place.segment, self._segment - 1):
                self._path(number).unlink(missing_ok=True)

    def close(self) -> None:
        """Bring everything to disk and let the folder go. Raises OutputError where that failed."""
        try:
            self.flush()
        finally:
            with self._lock:
                self._reserve.close()
                os.close(self._file)
                # Its number may soon be another file's, which a late append must not write to.
                self._file = -1
            os.close(self._owner)

    @property
    def _end(self) -> Place:
        return Place(self._segment, self._size)

    def _from(self, place: Place) -> Iterator[tuple[Entry | None, Place]]:
        numbers = [number for number in self.segments() if number >= place.segment]
        for segment in numbers:
            offset = place.offset if segment == place.segment else 0
            with self._path(segment).open("rb") as file:
                file.seek(offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # being written, or torn by a loss of power and repaired at opening
                    offset += len(line)
                    yield _entry(line), Place(segment, offset)
            # Nothing is written to a segment once there is a next one. One that appeared after
            # the list was made is not gone on to: more may have been written to this one since.
            if segment != numbers[-1]:
                yield None, Place(segment + 1, 0)

    def _write_out_of_the_reserve(self, line: bytes) -> None:
        """Write, giving up as much of the reserve as it takes."""
        while True:
            try:
                self._write(line)
            except OSError as error:
                if error.errno not in FULL or not self._reserve.give_up(len(line)):
                    raise
            else:
                return

    def _write(self, line: bytes) -> None:
        written = os.write(self._file, line)
        if written != len(line):  # the disk became full within the line
            os.ftruncate(self._file, self._size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._size += written

    def _next_segment(self) -> None:
        """Go on in a new file; where there is no room for one, in the old one."""
        number = self._segment + 1
        try:
            new = self._open_for_append(number)
        except OSError as error:
            if error.errno not in FULL:
                raise
            return
        self._unsynced.append(self._file)  # the line does not wait for the disk: `flush` does
        self._file, self._segment, self._size = new, number, 0

    def _open_for_append(self, segment: int) -> int:
        return os.open(self._path(segment), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _end_of_whole_lines(self) -> int:
        """Cuts off a line that was not finished when the power went."""
        content = self._path(self._segment).read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole != len(content):
            os.ftruncate(self._file, whole)
        return whole

    def _path(self, segment: int) -> Path:
        return self.folder / f"{segment:09d}{_SUFFIX}"


def _entry(line: bytes) -> Entry | None:
    try:
        return from_line(line[:-1])
    except JournalError:
        return None


def _unreadable(error: OSError, folder: Path) -> JournalError:
    return JournalError(
        Code.JOURNAL_DAMAGED,
        "A file of the journal cannot be read",
        where=error.filename or folder,
        got=error.strerror,
        next="check the disk; the line goes on, and reading is tried again",
    )


def _own(folder: Path) -> int:
    """Holds the folder for this process; the system lets it go when the process ends."""
    number = os.open(folder / "owner", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(number)
        raise JournalError(
            Code.JOURNAL_IN_USE,
            "Another station writes this journal",
            where=folder,
            next="stop the other station, or give this one its own folder",
        ) from error
    return number
