"""What is done with a sealed set, turned into lines of a log that shows when one is changed.

Each line is JSON and holds the SHA-256 of itself and of the line before, as the audit trail of the
store does (S. Haber and W. S. Stornetta, How to Time-Stamp a Digital Document, J. Cryptology 3,
1991). Lines cut off at the end, and a log made anew, are seen by whoever noted the last hash.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from keenline.errors import Code, DatasetError, OutputError

ENDING = ".log"
"""After the whole name of the version's file."""

GENESIS = "0" * 64
"""What stands for the hash before the first line."""

Event = Literal["sealed", "opened", "refused"]


@dataclass(frozen=True, slots=True)
class SealEvent:
    """One line of the log."""

    number: int
    """From 1, without a gap."""
    time: str
    """UTC, ISO 8601."""
    event: str
    """An `Event`: the set was made; was opened; was asked for by what may not have it."""
    who: str
    why: str
    version: str
    """Id of the version."""
    previous: str
    """`hash` of the line before, or `GENESIS`."""
    hash: str


def log_of(version_file: Path) -> Path:
    """Where the log of a version is."""
    return version_file.with_name(version_file.name + ENDING)


def append(log: Path, event: Event, *, who: str, why: str, version: str) -> SealEvent:
    """Write one line and bring it to the disk; several processes may do so at once.

    Raises OutputError when it cannot be written, DatasetError (DATASET_SEAL_LOG) when a line that
    is there was changed: nothing is built on a broken chain.
    """
    try:
        number = os.open(log, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        with os.fdopen(number, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until it is closed
            events = _checked(file.read(), log)
            time = datetime.now(UTC).isoformat(timespec="microseconds")
            previous = events[-1].hash if events else GENESIS
            line = SealEvent(len(events) + 1, time, event, who, why, version, previous, "")
            line = SealEvent(**(asdict(line) | {"hash": _hash(line)}))
            file.write(json.dumps(asdict(line)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OutputError.of(
            error, log, next="what is done with a sealed set must be logged: make it writable"
        ) from error
    return line


def read_log(log: Path) -> tuple[SealEvent, ...]:
    """Every line, checked; none where there is no log. Raises DatasetError (DATASET_SEAL_LOG)."""
    try:
        return _checked(log.read_bytes(), log)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _broken(log, error.strerror or str(error)) from error


def _checked(data: bytes, log: Path) -> tuple[SealEvent, ...]:
    events: list[SealEvent] = []
    previous = GENESIS
    for place, text in enumerate(_lines(data, log), 1):
        try:
            event = SealEvent(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise _broken(log, f"line {place} is none of the log") from error
        if event.number != place or event.previous != previous or event.hash != _hash(event):
            raise _broken(log, f"line {place}, or the one before it, was changed, added or removed")
        previous = event.hash
        events.append(event)
    return tuple(events)


def _lines(data: bytes, log: Path) -> Iterable[bytes]:
    lines = data.split(b"\n")
    if lines.pop():
        raise _broken(log, f"line {len(lines) + 1} ends before its end")
    return lines


def _hash(event: SealEvent) -> str:
    row = [value for key, value in asdict(event).items() if key != "hash"]
    return hashlib.sha256(json.dumps(row, separators=(",", ":")).encode()).hexdigest()


def _broken(log: Path, got: str) -> DatasetError:
    return DatasetError(
        Code.DATASET_SEAL_LOG,
        "The log of a sealed set cannot be trusted",
        where=log,
        got=got,
        next="compare it with a backup; keep the broken one for who has to judge it",
    )
