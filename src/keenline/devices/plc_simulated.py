"""A PLC program in this process: parts in at one side, the port of a PLC at the other.

It is the PLC of the simulated line. Its program runs one scan in each call, so it needs no thread
and takes no time; it raises a trigger for a part, waits for a valid result, keeps what the gate
did with the part and drops the trigger. A part that gets no valid result in time, or one that
contradicts itself, is rejected, as a real program must do it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from keenline.devices.plc import Inputs, Outputs, PlcSettings, Signals, SignalValue
from keenline.errors import Code, PlcError

Gate = Literal["pass", "reject", "divert", "none"]
"""What the gate did; `none`: no valid result came in time, and the part was rejected."""

_COUNT_RANGE = 1 << 16
_BEAT_S = 0.05
_OUTPUTS = Outputs(**{name: name for name in Outputs.model_fields})
_INPUTS = Inputs(**{name: name for name in Inputs.model_fields})


class SimulatedPlcSettings(PlcSettings):
    """`[plc]` with `kind = "simulated"`; addresses mean nothing, a signal has one or not."""

    kind: Literal["simulated"] = "simulated"
    inputs: Inputs = _INPUTS
    outputs: Outputs = _OUTPUTS
    handshake: Literal["level", "count"] = "level"
    """As the station's `[handshake]` has it."""
    answer_ms: float = Field(default=1000.0, ge=1, le=60_000)
    """The program waits so long for the result of a part."""
    watch_ms: float = Field(default=1000.0, ge=10, le=60_000)
    """A station whose heartbeat stands still for so long is taken for dead."""

    def build(self) -> SimulatedPlc:
        return SimulatedPlc(self)


@dataclass(frozen=True, slots=True)
class GatePart:
    """One part that has gone through the gate."""

    number: int
    """The program's own count, from 1, not wrapped."""
    part_id: str
    gate: Gate
    fault_code: int
    waited_s: float
    """From the trigger to the result, or to giving up."""
    contradiction: bool = False
    """The result said more than one thing, or nothing; the part was rejected."""


@dataclass(slots=True)
class _Part:
    number: int
    part_id: str
    challenge: int = 0
    since: float = 0.0


class SimulatedPlc:
    """Both sides of the PLC: the port (`connect`, `read`, `write`, `close`), and the plant.

    Thread-safe: the plant's side may be called from any thread.
    """

    def __init__(
        self, settings: SimulatedPlcSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = "simulated plc"
        self._settings = settings
        self._clock = clock
        self._lock = threading.RLock()
        self._coming: deque[_Part] = deque()
        self._waiting: dict[int, _Part] = {}
        self._done: list[GatePart] = []
        self._presented = 0
        self._count = 0
        self._trigger = False
        self._acknowledged = 0
        self._encoder = 0
        self._at_station: _Part | None = None
        self._outputs: dict[str, SignalValue] = {}
        self._beat_seen: tuple[SignalValue, float] = (-1, clock())
        self._is_connected = False
        self._is_gone = False
        self._stopped_beat: int | None = None
        self._frozen: Signals | None = None

    # The port.

    def connect(self) -> None:
        with self._lock:
            if self._is_gone:
                raise PlcError(Code.PLC_UNREACHABLE, "The PLC cannot be reached", where=self.name)
            self._is_connected = True

    def read(self) -> Signals:
        with self._lock:
            self._require_connection()
            self.scan()
            if self._frozen is not None:
                return self._frozen
            return self._shown()

    def write(self, values: Signals) -> None:
        with self._lock:
            self._require_connection()
            named = self._settings.outputs
            some = {name: value for name, value in values.items() if getattr(named, name, None)}
            # A PLC takes over what was written between two scans, ResultValid last.
            valid = some.pop("result_valid", None)
            self._outputs |= some
            if valid is not None:
                self._outputs["result_valid"] = valid
            if some.get("heartbeat", self._beat_seen[0]) != self._beat_seen[0]:
                self._beat_seen = (some["heartbeat"], self._clock())
            self.scan()

    def close(self) -> None:
        with self._lock:
            self._is_connected = False

    # The plant.

    def present(self, part_id: str = "", challenge: int = 0) -> int:
        """A part comes to the camera, a known-bad one with `challenge`; its number.

        With `level` it waits until the part before has its result; with `count`, a station that has
        not read before the next part comes has missed it.
        """
        with self._lock:
            self._presented += 1
            self._coming.append(_Part(self._presented, part_id, challenge))
            self.scan()
            return self._presented

    def move_to(self, encoder: int) -> None:
        """The conveyor stands at this count, a signed 32-bit number that wraps."""
        with self._lock:
            self._encoder = (encoder + (1 << 31)) % (1 << 32) - (1 << 31)

    def taken(self) -> list[GatePart]:
        """The parts that have gone through the gate since it was last asked."""
        with self._lock:
            self.scan()
            done, self._done = self._done, []
            return done

    @property
    def waiting(self) -> int:
        """Parts presented that have not come to the gate yet."""
        with self._lock:
            self.scan()
            return len(self._coming) + len(self._waiting)

    @property
    def station_is_alive(self) -> bool:
        """The station's heartbeat has changed within `watch_ms`."""
        with self._lock:
            return (self._clock() - self._beat_seen[1]) * 1e3 <= self._settings.watch_ms

    def output(self, name: str) -> SignalValue | None:
        """What the station last wrote."""
        with self._lock:
            return self._outputs.get(name)

    def stop_heartbeat(self) -> None:
        """The program's heartbeat stands still, everything else goes on."""
        with self._lock:
            self._stopped_beat = self._beat()

    def disappear(self) -> None:
        """The PLC is gone from the network; the program runs on."""
        with self._lock:
            self._is_gone, self._is_connected = True, False

    def freeze_inputs(self) -> None:
        """The station reads for ever what it reads now."""
        with self._lock:
            self._frozen = self._shown()

    def recover(self) -> None:
        """All faults end; a PLC that was gone must be connected again."""
        with self._lock:
            self._is_gone, self._stopped_beat, self._frozen = False, None, None

    # The program.

    def scan(self) -> None:
        """One cycle of the program."""
        with self._lock:
            now = self._clock()
            if self._outputs.get("result_valid") is True and not self._is_gone:
                self._take_result(now)
            self._give_up(now)
            if self._settings.handshake == "count":
                while self._coming:
                    self._start(self._coming.popleft(), now)
            elif self._may_trigger():
                self._start(self._coming.popleft(), now)

    def _may_trigger(self) -> bool:
        idle = not self._trigger and not self._waiting and bool(self._coming)
        return idle and self._outputs.get("result_valid") is not True

    def _start(self, part: _Part, now: float) -> None:
        part.since = now
        self._count = part.number % _COUNT_RANGE
        self._waiting[self._count] = part
        self._at_station = part
        self._trigger = True

    def _take_result(self, now: float) -> None:
        if self._settings.handshake == "count":
            number = int(self._outputs.get("result_number", -1))
            self._acknowledged = number
            part = self._waiting.pop(number, None)
        else:
            part = self._waiting.pop(self._count, None) if self._trigger else None
            self._trigger = False
        if part is None:
            return
        up = [name for name in ("passed", "rejected", "divert") if self._outputs.get(name) is True]
        gates: dict[str, Gate] = {"passed": "pass", "divert": "divert"}
        gate: Gate = gates.get(up[0], "reject") if len(up) == 1 else "reject"
        self._keep(part, gate, now, contradiction=len(up) != 1)

    def _give_up(self, now: float) -> None:
        for number, part in list(self._waiting.items()):
            if (now - part.since) * 1e3 > self._settings.answer_ms:
                del self._waiting[number]
                self._trigger = self._settings.handshake == "count" and self._trigger
                self._keep(part, "none", now)

    def _keep(self, part: _Part, gate: Gate, now: float, *, contradiction: bool = False) -> None:
        code = 0 if gate == "none" else int(self._outputs.get("fault_code", 0))
        waited = now - part.since
        self._done.append(GatePart(part.number, part.part_id, gate, code, waited, contradiction))

    def _shown(self) -> Signals:
        part = self._at_station
        by_count = self._settings.handshake == "count"
        everything: dict[str, SignalValue] = {
            "trigger": self._count if by_count else self._trigger,
            "part_id": part.part_id if part is not None else "",
            "challenge": part.challenge if part is not None else 0,
            "encoder": self._encoder,
            "acknowledge": self._acknowledged,
            "heartbeat": self._beat() if self._stopped_beat is None else self._stopped_beat,
        }
        named = self._settings.inputs
        return {name: value for name, value in everything.items() if getattr(named, name)}

    def _beat(self) -> int:
        return int(self._clock() / _BEAT_S) % (1 << 15)

    def _require_connection(self) -> None:
        if not self._is_connected:
            raise PlcError(Code.PLC_GONE, "The PLC does not answer any more", where=self.name)
