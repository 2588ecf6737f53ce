"""Encoder counts turned into where each part is, and its verdict delivered at the reject gate.

Encoder counts are signed 32-bit numbers as a PLC keeps them: they wrap around, and every
comparison here holds across the wrap as long as parts are less than half the range apart.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

_Verdict = TypeVar("_Verdict")

_RANGE = 1 << 32
_HALF = 1 << 31


def counts_between(first: int, last: int) -> int:
    """From `first` forward to `last`, negative for backward; -2^31 to 2^31 - 1."""
    return (last - first + _HALF) % _RANGE - _HALF


class EncoderClock:
    """Which encoder count the conveyor had at a moment, from the last counts that were read.

    Between two readings the speed is taken as constant; behind the last one it goes on at the
    speed of the last two, for `reach_ns` at most.
    """

    def __init__(self, *, kept: int = 256, reach_ns: int = 100_000_000) -> None:
        self._readings: deque[tuple[int, int]] = deque(maxlen=kept)
        self._reach_ns = reach_ns

    def read(self, monotonic_ns: int, count: int) -> None:
        """Note that the encoder stood at `count`; times must not go backward."""
        if not self._readings or monotonic_ns > self._readings[-1][0]:
            self._readings.append((monotonic_ns, count))

    def count_at(self, monotonic_ns: int) -> int | None:
        """The count at that moment; None where it lies outside of what was read."""
        readings = self._readings
        if len(readings) < 2 or monotonic_ns < readings[0][0]:
            return None
        if monotonic_ns > readings[-1][0] + self._reach_ns:
            return None
        later = next((n for n in range(1, len(readings)) if readings[n][0] >= monotonic_ns), -1)
        (t0, c0), (t1, c1) = readings[later - 1], readings[later]
        moved = counts_between(c0, c1) * (monotonic_ns - t0) / (t1 - t0)
        return counts_between(0, c0 + round(moved))


@dataclass(frozen=True, slots=True)
class AtGate(Generic[_Verdict]):
    """A part that has come to the gate; `verdict` is None when it had none in time."""

    number: int
    verdict: _Verdict | None


class ShiftRegister(Generic[_Verdict]):
    """Parts between the camera and the reject gate, in encoder counts.

    A part that enters at count c reaches the gate at c + `gate`; its verdict is due `lead` counts
    before that, so that the gate has time to move. What has none by then goes to the gate without.
    """

    def __init__(self, *, gate: int, lead: int = 0, direction: int = 1) -> None:
        self._distance = gate - lead
        self._direction = direction
        self._parts: deque[tuple[int, int]] = deque()
        self._verdicts: dict[int, _Verdict] = {}

    def __len__(self) -> int:
        return len(self._parts)

    def enter(self, number: int, count: int) -> None:
        """Part `number` was at the camera at `count`; parts enter in their order on the line."""
        self._parts.append((number, count))

    def decide(self, number: int, verdict: _Verdict) -> bool:
        """Give a part its verdict; False when it has passed the gate already, or never entered."""
        if all(part != number for part, _ in self._parts):
            return False
        self._verdicts[number] = verdict
        return True

    def advance(self, count: int) -> list[AtGate[_Verdict]]:
        """The parts that have come to the gate by `count`, first things first."""
        arrived = []
        while self._parts:
            number, entered = self._parts[0]
            if self._direction * counts_between(entered, count) < self._distance:
                break
            self._parts.popleft()
            arrived.append(AtGate(number, self._verdicts.pop(number, None)))
        return arrived
