"""Image files that another program writes into a folder turned into frames, each one once.

A file counts as complete when its size and time have not changed for a while and it can be
decoded, so writers need not know of Keenline; one that renames its finished files into the
folder is safe with any setting. A file is put away when its frame has been taken and the next
one is asked for: after a power failure a file may come twice, but none is left out.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from keenline.data.reading import read_image
from keenline.devices.camera import CameraFacts, CameraSettings
from keenline.devices.folder_files import Candidate, Disposal, Order, Tidying, Watch
from keenline.errors import CameraError, Code, FrameBroken, ImageError, OutputError
from keenline.types import Frame


class FolderSettings(CameraSettings):
    """`kind = "folder"`: image files of a folder; each is a part, named like the file."""

    kind: Literal["folder"]
    trigger: Literal["free"] = "free"
    folder: str = Field(min_length=1)
    """Only files directly in it; names that begin with `.` or `~`, or end as temporary files do,
    and symbolic links are ignored."""
    order: Order = "name"
    """`name`: as a person counts, 2 before 10; `time`: by time of change."""
    after: Disposal = "move"
    """`move`: to its subfolder `done`; `delete`; `leave`: all come again after a restart. A file
    that cannot be used goes to `broken`, unless it is left."""
    settle_ms: float = Field(default=200.0, ge=0, le=60_000)
    """How long size and time must not have changed; 0 if files are renamed into the folder."""
    give_up_s: float = Field(default=5.0, ge=0.1, le=3600)
    """How long an unchanged file may be undecodable until it counts as broken. A file that keeps
    changing counts as broken after 20 times as long."""
    poll_ms: float = Field(default=50.0, ge=5, le=60_000)
    """How often the folder is looked through."""
    bit_depth: Literal[8, 10, 12, 14, 16] | None = None
    """Bits that carry the signal in 16-bit files; without it, all of them."""

    def build(self) -> FolderCamera:
        return FolderCamera(
            self.name,
            Path(self.folder),
            order=self.order,
            after=self.after,
            settle_s=self.settle_ms / 1000,
            give_up_s=self.give_up_s,
            poll_s=self.poll_ms / 1000,
            bit_depth=self.bit_depth,
        )


class FolderCamera:
    """A folder as a camera that runs free."""

    holds_back = True

    def __init__(
        self,
        name: str,
        folder: Path,
        *,
        order: Order = "name",
        after: Disposal = "move",
        settle_s: float = 0.2,
        give_up_s: float = 5.0,
        poll_s: float = 0.05,
        bit_depth: int | None = None,
    ) -> None:
        self.name = name
        self.serial = str(folder)
        self._folder = folder
        self._bit_depth = bit_depth
        self._poll_s = poll_s
        self._watch = Watch(folder, order=order, settle_s=settle_s, give_up_s=give_up_s)
        self._tidying = Tidying(folder, after)
        self._ready: deque[Candidate] = deque()
        self._taken: Candidate | None = None
        self._number = 0
        self._next_look = 0.0
        self._stopped = threading.Event()
        self._stopped.set()

    def open(self) -> CameraFacts:
        """Raises CameraError: CAMERA_MISSING without the folder, CAMERA_REFUSED where its files
        cannot be put away."""
        try:
            self._watch.look(time.monotonic())
        except OSError as error:
            raise CameraError(
                Code.CAMERA_MISSING,
                "The watched folder is not there, or cannot be read",
                where=f"camera {self.name}, {self._folder}",
                got=error.strerror,
                next="create it, mount its disk, or check the key `folder`",
            ) from error
        try:
            self._tidying.prepare()
        except OutputError as error:
            raise CameraError(
                Code.CAMERA_REFUSED,
                "Files of the watched folder cannot be put away",
                where=error.where,
                got=error.got,
                next='let the account of the station write there, or say after = "leave"',
            ) from error
        return CameraFacts("Keenline", "watched folder", self.serial, None)

    def start(self) -> None:
        self._number = 0
        self._next_look = 0.0
        self._ready.clear()
        self._stopped.clear()

    def grab(self, timeout_s: float) -> Frame:
        """As `Camera.grab`. FrameBroken names the file and its part."""
        end = time.monotonic() + timeout_s
        self._put_away()
        while not self._stopped.is_set():
            candidate = self._next()
            if candidate is not None:
                frame = self._read(candidate)
                if frame is not None:
                    return frame
                continue
            now = time.monotonic()
            if now >= end:
                break
            self._stopped.wait(min(end, self._next_look) - now)
        raise CameraError(
            Code.CAMERA_TIMEOUT, "No file came in time", where=f"camera {self.name}, {self.serial}"
        )

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        self.stop()
        # What cannot be put away stays and is remembered; the next `open` says what is wrong.
        with suppress(CameraError):
            self._put_away()

    def _next(self) -> Candidate | None:
        """The next file that is complete as far as can be told without reading it."""
        now = time.monotonic()
        if now >= self._next_look:
            try:
                self._ready = deque(self._watch.look(now))
            except OSError as error:
                raise self._gone("The watched folder is gone", error.strerror) from error
            # Looking through many files takes long: never more than a tenth of the time.
            took = time.monotonic() - now
            self._next_look = now + max(self._poll_s, 10 * took)
        return self._ready.popleft() if self._ready else None

    def _read(self, candidate: Candidate) -> Frame | None:
        """Its frame; None when it is to be tried again later. Raises FrameBroken."""
        try:
            image = read_image(candidate.path, bit_depth=self._bit_depth)
        except ImageError as error:
            if error.code is Code.IMAGE_MISSING:
                self._watch.forget(candidate)  # whoever wrote it has taken it away again
                return None
            if self._watch.try_again(candidate, time.monotonic()):
                return None
            raise self._broken(candidate, error.what.lower(), error.got) from error
        if not self._watch.is_unchanged(candidate):
            if self._watch.changes_for_ever(candidate, time.monotonic()):
                raise self._broken(candidate, "it keeps changing", None)
            return None
        self._number += 1
        self._taken = candidate
        self._watch.finish(candidate)
        return Frame(
            image=np.ascontiguousarray(image),
            camera=self.name,
            serial=self.serial,
            number=self._number,
            received_ns=time.monotonic_ns(),
            part_id=candidate.path.stem,
        )

    def _broken(self, candidate: Candidate, why: str, got: str | None) -> FrameBroken:
        self._number += 1
        self._watch.finish(candidate)
        self._tidy(candidate, is_broken=True)
        return FrameBroken(
            f"A file of the watched folder cannot be used: {why}",
            number=self._number,
            part_id=candidate.path.stem,
            where=f"camera {self.name}, {candidate.path}",
            **({} if got is None else {"got": got}),
        )

    def _put_away(self) -> None:
        candidate, self._taken = self._taken, None
        # One that was written anew since is another part and comes by itself.
        if candidate is not None and self._watch.is_unchanged(candidate):
            self._tidy(candidate, is_broken=False)

    def _tidy(self, candidate: Candidate, *, is_broken: bool) -> None:
        try:
            self._tidying.put_away(candidate.path, is_broken=is_broken)
        except OutputError as error:
            # The file is remembered as finished, so that it does not come again and again.
            what = "A file of the watched folder cannot be put away"
            raise self._gone(what, error.got) from error

    def _gone(self, what: str, got: str | None) -> CameraError:
        return CameraError(
            Code.CAMERA_GONE,
            what,
            where=f"camera {self.name}, {self.serial}",
            got=got,
            next="check the folder, its disk and who may write there",
        )
