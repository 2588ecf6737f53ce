"""What is done with a sealed set, turned into lines of a log that shows when one is changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from keenline.data.chained_log import ENDING, ChainedLine, ChainedLog, LogBreak
from keenline.errors import Code, DatasetError

Event = Literal["sealed", "locked", "opened", "refused"]


@dataclass(frozen=True, slots=True)
class SealEvent(ChainedLine):
    """One line of the log."""

    event: str
    """An `Event`: the set was made; criteria for it were locked; it was opened; it was asked for by
    what may not have it."""
    who: str
    why: str
    version: str
    """Id of the version."""


def log_of(version_file: Path) -> Path:
    """Where the log of a version is."""
    return version_file.with_name(version_file.name + ENDING)


def append(log: Path, event: Event, *, who: str, why: str, version: str) -> SealEvent:
    """Write one line and bring it to the disk; several processes may do so at once.

    Raises OutputError when it cannot be written, DatasetError (DATASET_SEAL_LOG) when a line that
    is there was changed: nothing is built on a broken chain.
    """
    return _LOG.append(log, event=event, who=who, why=why, version=version)


def read_log(log: Path) -> tuple[SealEvent, ...]:
    """Every line, checked; none where there is no log. Raises DatasetError (DATASET_SEAL_LOG)."""
    return _LOG.read(log)


def _broken(log: Path, found: LogBreak) -> DatasetError:
    return DatasetError(
        Code.DATASET_SEAL_LOG,
        "The log of a sealed set cannot be trusted",
        where=log,
        got=f"line {found.number} {found.what}",
        next="compare it with a backup; keep the broken one for who has to judge it",
    )


_LOG = ChainedLog(
    SealEvent,
    ("number", "time", "event", "who", "why", "version", "previous", "hash"),
    _broken,
    unwritable="what is done with a sealed set must be logged: make it writable",
)
