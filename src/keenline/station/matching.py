"""Frames turned into the parts that they belong to, or into the admission that nobody can know.

A frame on the wrong part is the worst that a station can do: a defect would pass on the evidence
of its neighbour. Where the station fires the camera, frames are matched by their count: cameras
answer in order, so a step in the count says exactly which part lost its image. Where hardware
fires the camera and triggers the PLC at once, frames are matched by time. Whenever a match could
be wrong the camera is out of step: every part is then without an image until acquisition has been
started anew, after which no older frame can come.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from keenline.types import Frame


@dataclass(frozen=True, slots=True)
class Matched:
    """What one frame, or one expectation, settled."""

    frames: tuple[tuple[int, Frame], ...] = ()
    """Part number and its frame."""
    lost: tuple[int, ...] = ()
    """Parts that will not get an image."""
    stray: int = 0
    """Frames that belong to no part."""


class Matcher(Protocol):
    """Matches the frames of one camera. One thread at a time."""

    is_in_step: bool
    """False: acquisition must be started anew before any frame can be believed."""

    def expect(self, part: int, at_ns: int) -> Matched:
        """Part `part` was triggered at `at_ns` (monotonic) and is owed a frame, unless lost."""

    def arrived(self, frame: Frame) -> Matched:
        """A whole frame came."""

    def broke(self, number: int | None) -> Matched:
        """A frame came that cannot be used; `number` is its count where the camera told."""

    def give_up(self, part: int) -> Matched:
        """Part `part` has waited too long."""

    def restarted(self) -> Matched:
        """Acquisition began anew: numbers start again and no older frame can come."""


class CountMatcher:
    """For a camera that the station fires: one frame for each, in order.

    A camera that ignores being fired without a step in its count (its driver says it never does)
    would shift every later frame to the part before. Such a frame comes late by the distance of
    two parts, so what takes longer than `frame_ns` is not believed; that should be less than the
    distance of two parts in time.
    """

    def __init__(self, frame_ns: int) -> None:
        self.is_in_step = True
        self._frame_ns = frame_ns
        self._expected: deque[tuple[int, int]] = deque()
        self._last_number: int | None = None

    def expect(self, part: int, at_ns: int) -> Matched:
        """As in `Matcher`. A part that is lost here must not be fired for."""
        lost = self._fall_out_of_step() if self._is_overdue(at_ns) else ()
        # Before the first frame has come the count means nothing yet: with two parts waiting
        # nobody could tell whose frame comes first, should one be missing.
        if not self.is_in_step or (self._last_number is None and self._expected):
            return Matched(lost=(*lost, part))
        self._expected.append((part, at_ns))
        return Matched()

    def arrived(self, frame: Frame) -> Matched:
        lost = self._lost_before(frame.number)
        if not self.is_in_step or not self._expected or self._is_overdue(frame.received_ns):
            return Matched(lost=lost + self._fall_out_of_step(), stray=1)
        part, _ = self._expected.popleft()
        return Matched(frames=((part, frame),), lost=lost)

    def broke(self, number: int | None) -> Matched:
        if number is None:
            return Matched(lost=self._fall_out_of_step())
        lost = self._lost_before(number)
        if self.is_in_step and self._expected:
            lost += (self._expected.popleft()[0],)
        return Matched(lost=lost)

    def give_up(self, part: int) -> Matched:
        # The camera may still answer, and the answer would look like that of the next part.
        waits = any(part == waiting for waiting, _ in self._expected)
        return Matched(lost=self._fall_out_of_step()) if waits else Matched()

    def restarted(self) -> Matched:
        lost = self._fall_out_of_step()
        self.is_in_step = True
        self._last_number = None
        return Matched(lost=lost)

    def _is_overdue(self, now_ns: int) -> bool:
        return bool(self._expected) and now_ns - self._expected[0][1] > self._frame_ns

    def _fall_out_of_step(self) -> tuple[int, ...]:
        lost = tuple(part for part, _ in self._expected)
        self._expected.clear()
        self.is_in_step = False
        return lost

    def _lost_before(self, number: int) -> tuple[int, ...]:
        """Parts whose frames the camera's count shows to be missing before `number`."""
        last, self._last_number = self._last_number, number
        missing = 0 if last is None else number - last - 1
        # A frame is owed beyond the missing ones, or this one is nobody's.
        if missing < 0 or missing >= max(len(self._expected), 1):
            return self._fall_out_of_step()
        return tuple(self._expected.popleft()[0] for _ in range(missing))


class TimeMatcher:
    """For a camera that hardware fires in the moment in which it triggers the PLC.

    A frame and a part belong together when they are at most `window_ns` apart and nothing else
    is; parts must come further apart than that.
    """

    def __init__(self, window_ns: int) -> None:
        self.is_in_step = True
        self._window_ns = window_ns
        self._expected: deque[tuple[int, int]] = deque()
        self._early: deque[Frame] = deque()

    def expect(self, part: int, at_ns: int) -> Matched:
        if not self.is_in_step:
            return Matched(lost=(part,))
        stray = self._drop_early(at_ns)
        if self._early:
            return Matched(frames=((part, self._early.popleft()),), stray=stray)
        self._expected.append((part, at_ns))
        return Matched(stray=stray)

    def arrived(self, frame: Frame) -> Matched:
        lost: tuple[int, ...] = ()
        while self._expected and frame.received_ns - self._expected[0][1] > self._window_ns:
            lost += (self._expected.popleft()[0],)
        if not self.is_in_step:
            return Matched(lost=lost, stray=1)
        if self._expected:
            part, _ = self._expected.popleft()
            return Matched(frames=((part, frame),), lost=lost)
        stray = self._drop_early(frame.received_ns)
        self._early.append(frame)
        return Matched(lost=lost, stray=stray)

    def broke(self, number: int | None) -> Matched:
        # Its time is not known for sure, and what it would have belonged to neither.
        del number
        return self._nothing_waits()

    def give_up(self, part: int) -> Matched:
        waiting = [number for number, _ in self._expected]
        if part not in waiting:
            return Matched()
        self._expected = deque(pair for pair in self._expected if pair[0] != part)
        return Matched(lost=(part,))

    def restarted(self) -> Matched:
        self.is_in_step = True
        return self._nothing_waits()

    def _nothing_waits(self) -> Matched:
        lost = tuple(part for part, _ in self._expected)
        stray = len(self._early)
        self._expected.clear()
        self._early.clear()
        return Matched(lost=lost, stray=stray)

    def _drop_early(self, now_ns: int) -> int:
        """Frames that waited for a part longer than the window: nobody asked for them."""
        dropped = 0
        while self._early and now_ns - self._early[0].received_ns > self._window_ns:
            self._early.popleft()
            dropped += 1
        return dropped
