"""Turns the frame ids that cameras send into frame numbers that count from 1 and never wrap."""

from __future__ import annotations

_WIDTH = 0x10000  # GigE Vision 1.x sends block ids of 16 bits
_RESERVED = 1  # ... of which 0 is reserved for packet resends, so that 65535 is followed by 1


class FrameNumbers:
    """Numbers of the frames of one acquisition; a gap between ids is the same gap here.

    `first` is the id that the camera gives to the first frame of an acquisition; with it a frame
    lost before any came shows as a first number above 1. None: whatever id is seen first.
    """

    def __init__(self, first: int | None) -> None:
        self._first = first
        self._before: int | None = None
        self._lap = 0

    def number(self, frame_id: int) -> int:
        """The number of the frame with this id; ids are given in the order in which they come."""
        if self._first is None:
            self._first = frame_id
        if self._before is not None and _is_wrapped(self._before, frame_id):
            # A camera that does use 0 has one more id a lap.
            self._lap += _WIDTH if frame_id == 0 else _WIDTH - _RESERVED
        self._before = frame_id
        return self._lap + frame_id - self._first + 1

    @property
    def next_number(self) -> int:
        """The number of the frame to come, where it brings no id of its own."""
        if self._before is None or self._first is None:
            return 1
        return self._lap + self._before - self._first + 2


def _is_wrapped(before: int, now: int) -> bool:
    """Half a lap decides between a wrap and an id out of order; wider ids never wrap."""
    return _WIDTH // 2 <= before < _WIDTH and now < before - _WIDTH // 2
