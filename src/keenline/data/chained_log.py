"""Facts turned into lines of a file that shows where one was changed, put in, moved or taken out.

Each line is JSON and holds the SHA-256 of itself and of the line before, as the audit trail of the
store does (S. Haber and W. S. Stornetta, How to Time-Stamp a Digital Document, J. Cryptology 3,
1991). Lines cut off at the end, and a log made anew, are seen by whoever noted the last hash.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Generic, TypeVar

from keenline.errors import KeenlineError, OutputError

ENDING = ".log"
"""After the whole name of the file that the log is of."""

GENESIS = "0" * 64
"""What stands for the hash before the first line."""


@dataclass(frozen=True, slots=True)
class ChainedLine:
    """What every line holds, besides what a kind of log adds between `time` and `previous`."""

    number: int
    """From 1, without a gap."""
    time: str
    """UTC, ISO 8601."""
    previous: str
    """`hash` of the line before, or `GENESIS`."""
    hash: str


@dataclass(frozen=True, slots=True)
class LogBreak:
    """Where a log stops being trustworthy: everything before this line stands."""

    number: int
    what: str


_Line = TypeVar("_Line", bound=ChainedLine)


class ChainedLog(Generic[_Line]):
    """One kind of log.

    kind: what its lines are; order: names of all its fields in the order that is hashed; broken:
    the error for a log that cannot be trusted, from its path and where it breaks.
    """

    def __init__(
        self,
        kind: type[_Line],
        order: Sequence[str],
        broken: Callable[[Path, LogBreak], KeenlineError],
        *,
        unwritable: str,
    ) -> None:
        if sorted(order) != sorted(field.name for field in fields(kind)):
            raise ValueError(f"{order} are not the fields of {kind.__name__}")
        self._kind = kind
        self._order = tuple(order)
        self._broken = broken
        self._unwritable = unwritable

    def append(self, log: Path, **said: object) -> _Line:
        """Write one line and bring it to the disk; several processes may do so at once.

        said: every field but number, time and hashes. Raises OutputError when it cannot be written,
        and the log's own error when a line that is there was changed: nothing is built on a broken
        chain.
        """
        try:
            number = os.open(log, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            with os.fdopen(number, "r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
                lines = self._whole(file.read(), log)
                facts = said | {
                    "number": len(lines) + 1,
                    "time": datetime.now(UTC).isoformat(timespec="microseconds"),
                    "previous": lines[-1].hash if lines else GENESIS,
                }
                line = self._line(facts | {"hash": ""})
                line = self._line(facts | {"hash": self._hash(line)})
                row = {name: asdict(line)[name] for name in self._order}
                file.write(json.dumps(row).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError.of(error, log, next=self._unwritable) from error
        return line

    def read(self, log: Path) -> tuple[_Line, ...]:
        """Every line, checked; none where there is no log. Raises the log's own error."""
        return self._whole(self._bytes(log), log)

    def inspect(self, log: Path) -> tuple[tuple[_Line, ...], LogBreak | None]:
        """The lines that stand, and where the log breaks, if it does."""
        return self._checked(self._bytes(log))

    def _bytes(self, log: Path) -> bytes:
        try:
            return log.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise self._broken(log, LogBreak(1, error.strerror or str(error))) from error

    def _whole(self, data: bytes, log: Path) -> tuple[_Line, ...]:
        lines, found = self._checked(data)
        if found:
            raise self._broken(log, found)
        return lines

    def _checked(self, data: bytes) -> tuple[tuple[_Line, ...], LogBreak | None]:
        texts = data.split(b"\n")
        torn = texts.pop()
        parsed = [self._parsed(text) for text in texts]
        for place, line in enumerate(parsed, 1):
            what = self._fault(place, parsed)
            if what:
                start, words = what
                return tuple(each for each in parsed[: start - 1] if each), LogBreak(start, words)
            assert line is not None
        lines = tuple(line for line in parsed if line)
        return lines, LogBreak(len(lines) + 1, "ends before its end") if torn else None

    def _fault(self, place: int, parsed: Sequence[_Line | None]) -> tuple[int, str] | None:
        line = parsed[place - 1]
        if line is None:
            return place, "is none of the log"
        if line.hash != self._hash(line):
            return place, "was changed"
        if line.number != place:
            if line.number < place:
                return place, f"was put in or moved here: it says that it is line {line.number}"
            return place, "is missing"
        before = parsed[place - 2] if place > 1 else None
        if line.previous == (before.hash if before else GENESIS):
            return None
        # Each of the two is sound in itself, so one was hashed anew. The line behind knows which.
        behind = parsed[place] if place < len(parsed) else None
        if before and (behind is None or behind.previous == line.hash):
            return place - 1, "was changed and hashed anew"
        return place, "was changed and hashed anew"

    def _parsed(self, text: bytes) -> _Line | None:
        try:
            value = json.loads(text)
            return self._line(value) if isinstance(value, dict) else None
        except (TypeError, ValueError):
            return None

    def _line(self, facts: dict[str, object]) -> _Line:
        return self._kind(**facts)  # type: ignore[arg-type]

    def _hash(self, line: ChainedLine) -> str:
        values = asdict(line)
        row = [values[name] for name in self._order if name != "hash"]
        try:
            text = json.dumps(row, separators=(",", ":"), sort_keys=True)
        except (TypeError, ValueError):
            return ""
        return hashlib.sha256(text.encode()).hexdigest()
