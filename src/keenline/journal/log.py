"""An append-only log in a folder: entries in, entries out from where each reader stopped.

Before the line is told a verdict, the verdict is in this log: written by one `write` to the
operating system (some 20 microseconds), so that it survives the end of the process, however
sudden. Against the loss of power it is brought to the disk a little later, by `flush`, which the
readers that store results wait for. Readers (the database, each publisher) keep their places in
files beside it; a segment is deleted once all have passed it.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from keenline.errors import Code, JournalError, OutputError
from keenline.journal.entries import Entry, as_line, from_line

_SEGMENT_BYTES = 8 << 20
_SUFFIX = ".journal"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where in the log: a segment and the byte in it."""

    segment: int
    offset: int


class Journal:
    """The log of one station. One process writes; its threads may append at the same time."""

    def __init__(self, folder: Path, *, segment_bytes: int = _SEGMENT_BYTES) -> None:
        """Open or make the log in `folder`.

        Raises JournalError JOURNAL_IN_USE when another process has it open, OutputError when the
        folder cannot be written.
        """
        self.folder = folder
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._grown = threading.Condition(self._lock)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._owner = _own(folder)
            self._segment = max(self.segments(), default=1)
            self._file = self._open_for_append()
            self._size = self._end_of_whole_lines()
        except OSError as error:
            raise OutputError.of(error, folder) from error

    def append(self, entry: Entry) -> Place:
        """Write `entry`; it is in the hands of the operating system when this returns.

        Raises OutputError when the disk is full or gone; nothing is then in the log.
        """
        line = as_line(entry)
        with self._grown:
            start = Place(self._segment, self._size)
            try:
                self._write(line)
                if self._size >= self._segment_bytes:
                    self._next_segment()
            except OSError as error:
                raise OutputError.of(error, self.folder) from error
            self._grown.notify_all()
            return start

    def flush(self) -> None:
        """Bring all that was appended to the disk itself. Raises OutputError."""
        with self._lock:
            number = os.dup(self._file)
        try:
            os.fdatasync(number)
        except OSError as error:
            raise OutputError.of(error, self.folder) from error
        finally:
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

        A damaged line (after a loss of power) is left out; it never hides those behind it.
        """
        entries: list[Entry] = []
        for entry, behind in self._from(place):
            if entry is not None:
                entries.append(entry)
            place = behind
            if len(entries) == limit:
                break
        return entries, place

    def segments(self) -> list[int]:
        """Numbers of the segments on disk, in their order."""
        return sorted(int(path.stem) for path in self.folder.glob(f"*{_SUFFIX}"))

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
        """Bring everything to disk and let the folder go."""
        self.flush()
        os.close(self._file)
        os.close(self._owner)

    @property
    def _end(self) -> Place:
        return Place(self._segment, self._size)

    def _from(self, place: Place) -> Iterator[tuple[Entry | None, Place]]:
        for segment in [number for number in self.segments() if number >= place.segment]:
            offset = place.offset if segment == place.segment else 0
            with self._path(segment).open("rb") as file:
                file.seek(offset)
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # being written, or torn by a loss of power and repaired at opening
                    offset += len(line)
                    yield _entry(line), Place(segment, offset)
            if segment < self._segment:
                yield None, Place(segment + 1, 0)

    def _write(self, line: bytes) -> None:
        written = os.write(self._file, line)
        if written != len(line):  # the disk became full within the line
            os.ftruncate(self._file, self._size)
            raise OSError(28, os.strerror(28))
        self._size += written

    def _next_segment(self) -> None:
        os.fdatasync(self._file)
        os.close(self._file)
        self._segment += 1
        self._file = self._open_for_append()
        self._size = 0

    def _open_for_append(self) -> int:
        return os.open(self._path(self._segment), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

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
