"""Images handed over by the line turned into files, by threads that the line never waits for."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from keenline.errors import Code, KeenlineError, RecordError, StoreError
from keenline.store.images import ImagePlace
from keenline.store.pictures import encode
from keenline.store.policy import KeepPolicy
from keenline.store.settings import ImageFormat
from keenline.types import Image, Verdict

_RETRY_S = 1.0
"""Between two attempts while the disk is full or the place is gone."""

OnLost: TypeAlias = Callable[[str, str], None]
"""SHA-256 of an image that was taken over and is lost, and why; called from a writer."""


@dataclass(frozen=True, slots=True)
class KeeperState:
    """How an `ImageKeeper` stands."""

    written: int
    refused: int
    """Not taken over, because the queue was full or images have stopped."""
    lost: int
    """Taken over and never written; `on_lost` was called for each."""
    unsaid: int
    """Of those lost: `on_lost` itself failed."""
    waiting_bytes: int
    trouble: RecordError | None
    """Why images have stopped, an alarm; None while all is well."""


class ImageKeeper:
    """What the station is handed to keep images with: it asks, hands over, and never waits."""

    def __init__(
        self,
        place: ImagePlace,
        policy: KeepPolicy,
        *,
        kind: ImageFormat,
        queue_bytes: int,
        on_lost: OnLost,
        writers: int = 1,
    ) -> None:
        self._place, self._policy, self._kind = place, policy, kind
        self._limit = queue_bytes
        self._on_lost = on_lost
        self._queue: deque[tuple[str, Image]] = deque()
        self._changed = threading.Condition()
        self._bytes = self._written = self._refused = self._lost = self._unsaid = 0
        self._trouble: RecordError | None = None
        self._end: float | None = None
        self._threads = [
            threading.Thread(target=self._run, name=f"images-{number}", daemon=True)
            for number in range(writers)
        ]

    def start(self) -> None:
        """Open the place and begin to write. Raises StoreError IMAGES_UNREACHABLE."""
        self._place.open()
        for thread in self._threads:
            thread.start()

    def wants(self, verdict: Verdict, result_id: str) -> bool:
        """Whether the policy keeps the images of this part; no I/O."""
        return self._policy.keeps(verdict, result_id)

    def put(self, sha256: str, image: Image) -> bool:
        """Take over `image`, (height, width, 3), uint8, whose pixels must not change any more.

        Returns at once: False, and nothing is taken, when the queue is full, images have stopped
        (`state.trouble`), or it is no image.
        """
        is_image = image.ndim == 3 and image.shape[2] == 3 and image.size > 0
        with self._changed:
            full = self._bytes + image.nbytes > self._limit
            if not is_image or full or self._trouble is not None or self._end is not None:
                self._refused += 1
                return False
            self._queue.append((sha256, image))
            self._bytes += image.nbytes
            self._changed.notify()
            return True

    @property
    def state(self) -> KeeperState:
        with self._changed:
            return KeeperState(
                self._written, self._refused, self._lost, self._unsaid, self._bytes, self._trouble
            )

    def close(self, timeout_s: float = 10.0) -> bool:
        """Write what waits and end; whether all was written in time. The rest is lost, and said."""
        with self._changed:
            self._end = time.monotonic() + timeout_s
            before = self._lost
            self._changed.notify_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout_s + 2 * _RETRY_S)
        while self._queue:
            self._lose(*self._queue.popleft(), "the station was stopped before it was written")
        self._place.close()
        return self._lost == before and not self._bytes

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._end is not None)
                if not self._queue or self._is_over():
                    return
                sha256, image = self._queue.popleft()
            self._write(sha256, image)

    def _write(self, sha256: str, image: Image) -> None:
        """Try until it is written, or until the end."""
        data: bytes | None = None
        while True:
            try:
                if not self._place.has_room():
                    raise _no_room(self._place.name)
                data = encode(image, self._kind) if data is None else data
                self._place.put(sha256, data)
            except RecordError as trouble:
                if not self._waited(trouble):
                    self._lose(sha256, image, trouble.got or trouble.what)
                    return
            else:
                with self._changed:
                    self._written += 1
                    self._bytes -= image.nbytes
                    self._trouble = None
                return

    def _waited(self, trouble: RecordError) -> bool:
        """Note the trouble and wait a little; False when the end has come."""
        with self._changed:
            self._trouble = trouble
            end = time.monotonic() + _RETRY_S
            while (now := time.monotonic()) < min(end, self._end or end):
                self._changed.wait(min(end, self._end or end) - now)
            return not self._is_over()

    def _is_over(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end

    def _lose(self, sha256: str, image: Image, why: str) -> None:
        with self._changed:
            self._lost += 1
            self._bytes -= image.nbytes
        try:
            self._on_lost(sha256, why)
        except KeenlineError:  # its journal is in trouble too; the writer must outlive that
            with self._changed:
                self._unsaid += 1


def _no_room(where: str) -> StoreError:
    return StoreError(
        Code.IMAGES_UNREACHABLE,
        "There is no room for images",
        where=where,
        got="less is free than `reserve_gb` keeps for the database, or the spool is full",
        next="the line goes on without images; free space, or keep images for a shorter time",
    )
