"""A folder that others write to turned into the files in it that are complete, and tidied up."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from keenline.data.image_file import is_image_name
from keenline.devices.file_order import NameKey, by_name
from keenline.errors import OutputError

Order: TypeAlias = Literal["name", "time"]
Disposal: TypeAlias = Literal["move", "delete", "leave"]

DONE, BROKEN = "done", "broken"
"""Subfolders of the watched folder."""

CHANGING_FACTOR = 20
"""A file may keep changing this many times as long as it may lie there undecodable."""

_FIRST_RETRY_S, _LONGEST_RETRY_S = 0.1, 2.0

_State: TypeAlias = tuple[int, int, int]
"""Inode, bytes, time of change in ns: what tells one state of a file from another."""


@dataclass(slots=True)
class Candidate:
    """A file that has not been inspected yet."""

    path: Path
    state: _State
    seen_at: float
    """Seconds of the monotonic clock at which it was first seen."""
    changed_at: float
    """When it was first seen in its present state."""
    retry_at: float = 0.0
    """Not to be tried before."""
    pause_s: float = _FIRST_RETRY_S
    """Until the try after the next."""


class Watch:
    """Which files are there, since when they have not changed, and which are finished."""

    def __init__(self, folder: Path, *, order: Order, settle_s: float, give_up_s: float) -> None:
        self._folder = folder
        self._order: Order = order
        self._settle_s, self._give_up_s = settle_s, give_up_s
        self._candidates: dict[str, Candidate] = {}
        self._finished: dict[str, _State] = {}

    def look(self, now: float) -> list[Candidate]:
        """The files that may be tried now, in order. Raises OSError: the folder is gone."""
        present = dict(_files(self._folder))
        self._finished = {
            name: state for name, state in self._finished.items() if present.get(name) == state
        }
        self._candidates = {
            name: self._seen(name, state, now)
            for name, state in present.items()
            if name not in self._finished
        }
        ready = [each for each in self._candidates.values() if self._is_ready(each, now)]
        return sorted(ready, key=self._key)

    def try_again(self, candidate: Candidate, now: float) -> bool:
        """Whether a file that cannot be decoded gets more time; else it is broken for good."""
        if now - candidate.changed_at >= self._give_up_s or self.changes_for_ever(candidate, now):
            return False
        left = candidate.changed_at + self._give_up_s - now
        candidate.retry_at = now + min(candidate.pause_s, left)
        candidate.pause_s = min(2 * candidate.pause_s, _LONGEST_RETRY_S)
        return True

    def is_unchanged(self, candidate: Candidate) -> bool:
        """Whether the file on disk is still in the state in which it was found."""
        try:
            return _state(candidate.path.stat()) == candidate.state
        except OSError:
            return False

    def finish(self, candidate: Candidate) -> None:
        """It does not come again, unless it is written anew."""
        self._finished[candidate.path.name] = candidate.state
        self.forget(candidate)

    def forget(self, candidate: Candidate) -> None:
        """It is no longer there."""
        self._candidates.pop(candidate.path.name, None)

    def changes_for_ever(self, candidate: Candidate, now: float) -> bool:
        """Whether the file was never left alone for as long as anyone may write."""
        return now - candidate.seen_at >= CHANGING_FACTOR * self._give_up_s

    def _seen(self, name: str, state: _State, now: float) -> Candidate:
        known = self._candidates.get(name)
        if known is None:
            return Candidate(self._folder / name, state, seen_at=now, changed_at=now)
        if known.state != state:
            known.state, known.changed_at = state, now
            known.retry_at, known.pause_s = 0.0, _FIRST_RETRY_S
        return known

    def _is_ready(self, candidate: Candidate, now: float) -> bool:
        if self.changes_for_ever(candidate, now):
            return True
        return now - candidate.changed_at >= self._settle_s and now >= candidate.retry_at

    def _key(self, candidate: Candidate) -> tuple[int, NameKey]:
        first = candidate.state[2] if self._order == "time" else 0
        return first, by_name(candidate.path.name)


class Tidying:
    """What becomes of a file once it has been taken."""

    def __init__(self, folder: Path, after: Disposal) -> None:
        self._folder = folder
        self._after: Disposal = after

    def prepare(self) -> None:
        """Make the subfolders. Raises OutputError when files cannot be put there."""
        if self._after == "leave":
            return
        for name in (DONE, BROKEN) if self._after == "move" else (BROKEN,):
            target = self._folder / name
            try:
                target.mkdir(exist_ok=True)
            except OSError as error:
                raise OutputError.of(error, target) from error
            for each in (self._folder, target):
                if not os.access(each, os.W_OK | os.X_OK):
                    raise OutputError.of(PermissionError(13, "Permission denied"), each)

    def put_away(self, path: Path, *, is_broken: bool) -> None:
        """Raises OutputError. A file that is no longer there is none of ours any more."""
        try:
            if self._after == "delete" and not is_broken:
                path.unlink(missing_ok=True)
            elif self._after != "leave" and path.exists():
                _move(path, self._folder / (BROKEN if is_broken else DONE))
        except FileNotFoundError:
            return
        except OSError as error:
            raise OutputError.of(error, path) from error


def _files(folder: Path) -> Iterator[tuple[str, _State]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _is_meant(entry.name):
                continue
            try:
                if entry.is_file(follow_symlinks=False):
                    yield entry.name, _state(entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue  # renamed or taken away a moment ago


def _is_meant(name: str) -> bool:
    # Temporary names (`a.png.part`, `a.png~`) do not end like an image.
    return not name.startswith((".", "~")) and is_image_name(Path(name))


def _state(facts: os.stat_result) -> _State:
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _move(path: Path, folder: Path) -> None:
    """Into `folder` without replacing a file of the same name: the time then becomes part of it."""
    target = folder / path.name
    if target.exists():
        target = folder / f"{path.stem}-{time.time_ns()}{path.suffix}"
    try:
        path.rename(target)
    except FileNotFoundError:
        # The subfolder was removed while the station ran, or the file itself was.
        folder.mkdir(exist_ok=True)
        shutil.move(path, target)
