"""What the PLC shows turned into triggers, and rulings into what it is shown; no wire, no clock.

Two ways, both with every result named and valid only while it is shown:

- `LevelHandshake`: the PLC raises Trigger and keeps it up until ResultValid; the station lowers
  ResultValid when Trigger has gone down. One part at a time.
- `CountHandshake`: Trigger is a number that rises with each part. Results queue up and are shown
  one after the other, each until the PLC acknowledges its number or `hold` has passed. Also where
  a camera or a clock triggers and the PLC only takes results.

Pass is false except while a valid PASS is shown, so that whatever fails, the part does not pass.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from keenline.devices.plc import Signals
from keenline.station.rulings import Ruling

_NO_RESULT: Signals = {
    "result_valid": False,
    "passed": False,
    "rejected": False,
    "divert": False,
}
_COUNT_RANGE = 1 << 16


@dataclass(frozen=True, slots=True)
class Request:
    """A trigger of the PLC."""

    part_id: str = ""
    encoder: int | None = None
    count: int | None = None
    """The PLC's own number of the part (`count`)."""
    missed: bool = False
    """Nobody knows how long ago this trigger was: by now another part may be at the camera."""
    challenge: int = 0
    """Which known-bad part it is, as the PLC announces it; 0: none."""


class Handshake(Protocol):
    """One side of the talk with a PLC. One thread at a time."""

    def seen(self, inputs: Signals) -> list[Request]:
        """What the PLC asks for, after its inputs were read."""

    def accepted(self, request: Request, number: int) -> None:
        """The station took the request on as its trigger `number`."""

    def ruled(self, ruling: Ruling) -> None:
        """A part has its ruling."""

    def shown(self, now_s: float) -> Signals:
        """The result signals to be shown now, `result_valid` among them."""

    def lost(self) -> None:
        """The connection was lost: forget what the PLC showed, and show nothing as valid."""

    @property
    def is_busy(self) -> bool:
        """A part is in work."""

    @property
    def accepts(self) -> bool:
        """Another trigger may come."""


class LevelHandshake:
    """Trigger up, result valid, trigger down, result gone."""

    def __init__(self) -> None:
        self._was_up: bool | None = None
        """None: not read since the connection was made."""
        self._number: int | None = None
        self._shown: Signals = _NO_RESULT

    def seen(self, inputs: Signals) -> list[Request]:
        up = bool(inputs.get("trigger", False))
        before, self._was_up = self._was_up, up
        if not up:
            self._shown = _NO_RESULT
            self._number = None
            return []
        # Up at the first reading: the PLC waits, and has done so nobody knows how long.
        return [] if before else [_request(inputs, missed=before is None)]

    def accepted(self, request: Request, number: int) -> None:
        del request
        self._number = number

    def ruled(self, ruling: Ruling) -> None:
        # The PLC may have given up on this part and be at the next.
        if ruling.trigger.number == self._number:
            self._shown = _result(ruling, ruling.trigger.number)

    def shown(self, now_s: float) -> Signals:
        del now_s
        return self._shown

    def lost(self) -> None:
        self._was_up = None
        self._number = None
        self._shown = _NO_RESULT

    @property
    def is_busy(self) -> bool:
        return self._number is not None and not self._shown["result_valid"]

    @property
    def accepts(self) -> bool:
        return self._number is None and self._was_up is False


class CountHandshake:
    """A number that rises with each part; results shown one after the other."""

    def __init__(self, hold_s: float, *, most: int = 1024) -> None:
        self._hold_s = hold_s
        self._most = most
        self._last: int | None = None
        self._counts: dict[int, int] = {}
        self._waiting: deque[Signals] = deque()
        self._shown: Signals = _NO_RESULT
        self._since = 0.0
        self._acknowledged: int | None = None
        self._acknowledges = False
        self._was_lost = False

    def seen(self, inputs: Signals) -> list[Request]:
        if "acknowledge" in inputs:
            self._acknowledges = True
            self._acknowledged = int(inputs["acknowledge"])
        if "trigger" not in inputs:
            return []
        count = int(inputs["trigger"])
        last, self._last = self._last, count
        was_lost, self._was_lost = self._was_lost, False
        if last is None or count == last:
            return []
        steps = (count - last) % _COUNT_RANGE
        if steps > self._most:  # nobody misses so many: the PLC was started anew, from 0
            steps = min(count, self._most)
        if not steps:
            return []
        missed = [(count - back) % _COUNT_RANGE for back in range(steps - 1, 0, -1)]
        # With more than one step, or after an interruption, the last may be long ago too.
        is_old = steps > 1 or was_lost
        return [
            *(Request(count=one, missed=True) for one in missed),
            _request(inputs, count, missed=is_old),
        ]

    def accepted(self, request: Request, number: int) -> None:
        self._counts[number] = number if request.count is None else request.count

    def ruled(self, ruling: Ruling) -> None:
        number = ruling.trigger.number
        self._waiting.append(_result(ruling, self._counts.pop(number, number)))
        if len(self._waiting) > self._most:
            self._waiting.popleft()  # the PLC takes nothing; what it never sees does not pass

    def shown(self, now_s: float) -> Signals:
        if self._is_taken(now_s):
            self._shown, self._since = _NO_RESULT, now_s
            if self._waiting:
                self._shown = self._waiting.popleft()
        return self._shown

    def lost(self) -> None:
        # `_last` stays: triggers that came meanwhile show as missed.
        self._was_lost = True
        self._waiting.clear()
        self._counts.clear()
        self._shown = _NO_RESULT
        self._acknowledged = None

    @property
    def is_busy(self) -> bool:
        return bool(self._counts)

    @property
    def accepts(self) -> bool:
        return True

    def _is_taken(self, now_s: float) -> bool:
        if not self._shown["result_valid"]:
            return True
        if self._acknowledges:
            return self._acknowledged == self._shown["result_number"]
        return now_s - self._since >= self._hold_s and bool(self._waiting)


def _request(inputs: Signals, count: int | None = None, *, missed: bool = False) -> Request:
    encoder = inputs.get("encoder")
    return Request(
        str(inputs.get("part_id", "")).strip(),
        None if encoder is None else int(encoder),
        count,
        missed,
        max(0, int(inputs.get("challenge", 0))),
    )


def _result(ruling: Ruling, number: int) -> Signals:
    return {
        "passed": ruling.actuates == "pass",
        "rejected": ruling.actuates == "reject",
        "divert": ruling.actuates == "divert",
        "fault_code": ruling.code or 0,
        "result_number": number % _COUNT_RANGE,
        "result_part_id": ruling.trigger.part_id,
        "result_valid": True,
    }
