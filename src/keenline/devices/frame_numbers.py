"""Turns the frame ids that cameras send into frame numbers that count from 1 and never wrap."""

from __future__ import annotations

_LAP = 0xFFFF  # GigE Vision 1.x: block ids have 16 bits, and 0 is no frame, so 1 follows 65535
_LAP_WITH_0 = 0x10000  # ... for the cameras that use 0 all the same


class FrameNumbers:
    """Numbers of the frames of one acquisition; a gap between ids is the same gap here.

    `first` is the id that the camera gives to the first frame of an acquisition; with it a frame
    lost before any came shows as a first number above 1. None: whatever id is seen first.
    """

    def __init__(self, first: int | None) -> None:
        self._first = first
        self._newest_id: int | None = None
        self._newest = 0
        self._lap = _LAP

    @property
    def newest(self) -> int:
        """The highest number so far, 0 before the first."""
        return self._newest

    def number(self, frame_id: int) -> int:
        """The number of the frame with this id; below `newest` for one that comes late."""
        if self._newest_id is None:
            self._newest_id = frame_id
            self._newest = 1 if self._first is None else frame_id - self._first + 1
            return self._newest
        if frame_id == 0:
            self._lap = _LAP_WITH_0
        number = self._newest + self._step(self._newest_id, frame_id)
        if number > self._newest:
            self._newest, self._newest_id = number, frame_id
        return number

    def _step(self, before: int, now: int) -> int:
        """From one id to another, the short way round where ids may wrap; wider ids never do."""
        step = now - before
        if before > _LAP or now > _LAP or abs(step) <= _LAP // 2:
            return step
        return step + self._lap if step < 0 else step - self._lap
