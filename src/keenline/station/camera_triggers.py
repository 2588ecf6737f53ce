"""Frames of the camera that triggers turned into parts, its missing ones into INVALID parts."""

from __future__ import annotations

from collections.abc import Callable

from keenline.errors import Code, KeenlineError, PartError
from keenline.station.cycle import Line
from keenline.types import Frame, TriggerSource

_MOST_MISSING = 1000


class CameraTriggers:
    """Stands between the acquisition of cameras and the line; `leader` is the one that triggers."""

    def __init__(self, line: Line, leader: str, count_at: Callable[[int], int | None]) -> None:
        """`count_at`: the encoder count at a monotonic time in nanoseconds, None if unknown."""
        self._line = line
        self._leader = leader
        self._count_at = count_at
        self._last: int | None = None

    def frame(self, frame: Frame) -> None:
        """A frame of the leader is a part; one of any other camera belongs to a part."""
        if frame.camera != self._leader:
            self._line.frame(frame)
            return
        self._account_for_missing(frame.number)
        self._line.trigger(
            TriggerSource.CAMERA,
            part_id=frame.part_id,
            encoder=self._count_at(frame.received_ns),
            at_ns=frame.received_ns,
            frame=frame,
        )

    def frame_broken(self, camera: str, number: int | None, error: KeenlineError) -> None:
        """There was a part, and nobody saw it."""
        if camera != self._leader:
            self._line.frame_broken(camera, number, error)
            return
        if number is not None:
            self._account_for_missing(number)
        self._miss(error)

    def camera_restarted(self, camera: str) -> None:
        """Numbers begin anew."""
        if camera != self._leader:
            self._line.camera_restarted(camera)
        else:
            self._last = None

    def _account_for_missing(self, number: int) -> None:
        last, self._last = self._last, number
        missing = 0 if last is None else min(number - last - 1, _MOST_MISSING)
        for _ in range(missing):
            self._miss(PartError(Code.PART_FRAME_LOST, "The camera lost a frame"))

    def _miss(self, error: KeenlineError) -> None:
        self._line.tally.count("lost_frames")
        lost = PartError(Code.PART_FRAME_LOST, error.what, where=self._leader)
        self._line.trigger(TriggerSource.CAMERA, refused=lost)
