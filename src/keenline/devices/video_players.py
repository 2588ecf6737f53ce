"""Decoded pictures turned into numbered ones at the right time: when due, when fired, or newest."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from keenline.errors import CameraError

_WAITING = 16
"""Frames of a live source that wait to be taken, where not only the newest counts."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded frame, not converted yet."""

    picture: Any
    """Of the decoder; None where it could not be decoded."""
    time_ns: int | None
    """By the source's own clock."""


@dataclass(frozen=True, slots=True)
class Played:
    """A picture whose turn it is, or the end."""

    picture: Any
    number: int
    received_ns: int
    time_ns: int | None
    is_end: bool = False


class Pictures(Protocol):
    """A source that has been opened."""

    def pictures(self) -> Iterator[Picture]:
        """Every picture. Raises CameraError CAMERA_GONE; ends when the source does."""

    def close(self) -> None: ...


class FilePlayer:
    """Plays a file: nothing of it is dropped, whoever takes frames slowly falls behind."""

    def __init__(self, source: Pictures, *, is_fired: bool, at_its_pace: bool) -> None:
        self._source = source
        self._pictures = source.pictures()
        self._is_fired, self._at_its_pace = is_fired, at_its_pace
        self._changed = threading.Condition()
        self._is_running = False
        self._fired = self._number = 0
        self._next: Picture | None = None
        self._began_ns: int | None = None
        """Monotonic clock at time 0 of the file; None until the first frame after a start."""

    def start(self) -> None:
        """Play on from where it was stopped."""
        with self._changed:
            self._number = self._fired = 0
            self._began_ns = None
            self._is_running = True

    def fire(self) -> None:
        with self._changed:
            self._fired += 1
            self._changed.notify_all()

    def next(self, timeout_s: float) -> Played | None:
        """None: nothing in time, or stopped. Raises CameraError CAMERA_GONE."""
        end_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        if not self._wait(end_ns, 0, lambda: self._fired > 0 or not self._is_fired):
            return None
        if self._next is None:
            self._next = next(self._pictures, None)
        if self._next is None:
            return Played(None, self._number, time.monotonic_ns(), None, is_end=True)
        due_ns = self._due_ns(self._next)
        if not self._wait(end_ns, due_ns, lambda: time.monotonic_ns() >= due_ns):
            return None
        picture, self._next = self._next, None
        with self._changed:
            self._number += 1
            self._fired -= self._is_fired
        return Played(picture.picture, self._number, time.monotonic_ns(), picture.time_ns)

    def stop(self) -> None:
        with self._changed:
            self._is_running = False
            self._changed.notify_all()

    def close(self) -> None:
        self.stop()
        self._source.close()

    def _due_ns(self, picture: Picture) -> int:
        if not self._at_its_pace or picture.time_ns is None:
            return 0
        if self._began_ns is None:
            self._began_ns = time.monotonic_ns() - picture.time_ns
        return self._began_ns + picture.time_ns

    def _wait(self, end_ns: int, due_ns: int, holds: Any) -> bool:
        """Whether `holds()` before `end_ns`, while running; looks again at `due_ns`."""
        with self._changed:
            while self._is_running and not holds():
                now_ns = time.monotonic_ns()
                if now_ns >= end_ns:
                    return False
                wake_ns = min(end_ns, due_ns) if due_ns > now_ns else end_ns
                self._changed.wait((wake_ns - now_ns) / 1e9)
            return self._is_running


class LivePlayer:
    """Reads a live source all the time, so that what is taken is never older than it must be."""

    def __init__(self, source: Pictures, name: str, *, is_fired: bool, newest: bool) -> None:
        """The thread that reads begins at once; what comes before `start` is dropped."""
        self._source = source
        self._is_fired = is_fired
        self._most = 1 if newest else _WAITING
        self._changed = threading.Condition()
        self._is_running = self._has_ended = False
        self._trouble: CameraError | None = None
        self._fired = self._number = 0
        self._waiting: deque[Played] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._read, name=f"video-{name}", daemon=True)
        self._thread.start()

    def start(self) -> None:
        with self._changed:
            self._waiting.clear()
            self._number = self._fired = 0
            self._is_running = True

    def fire(self) -> None:
        """Raises CameraError CAMERA_GONE."""
        with self._changed:
            if self._trouble is not None:
                raise self._trouble
            self._fired += 1

    def next(self, timeout_s: float) -> Played | None:
        """None: nothing in time, or stopped. Raises CameraError CAMERA_GONE."""
        end = time.monotonic() + timeout_s
        with self._changed:
            while self._is_running and not self._waiting:
                if self._trouble is not None:
                    raise self._trouble
                if self._has_ended:
                    return Played(None, self._number, time.monotonic_ns(), None, is_end=True)
                left = end - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(left)
            return self._waiting.popleft() if self._is_running else None

    def stop(self) -> None:
        with self._changed:
            self._is_running = False
            self._waiting.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Waits for the thread: at most as long as the source's timeout for reading."""
        self.stop()
        self._closing.set()
        self._thread.join()

    def _read(self) -> None:
        try:
            for picture in self._source.pictures():
                if self._closing.is_set():
                    return
                self._offer(picture, time.monotonic_ns())
        except CameraError as trouble:
            self._trouble = trouble
        finally:
            self._source.close()
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _offer(self, picture: Picture, now_ns: int) -> None:
        with self._changed:
            if not self._is_running or (self._is_fired and not self._fired):
                return
            self._fired -= self._is_fired
            self._number += 1
            if len(self._waiting) >= self._most:
                if self._most > 1:
                    return  # its number is missing, and with it the frame is known to be lost
                self._waiting.clear()
            self._waiting.append(Played(picture.picture, self._number, now_ns, picture.time_ns))
            self._changed.notify_all()
