"""The program of a real PLC peer: it asks for each part, and opens the gate for a valid PASS only.

It does for a peer in a process of its own what `SimulatedPlc` does within this one, so that a
`Conveyor` can bring it parts and settle the accounts.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from tests.peers.plc_process import PlcProcess

from keenline.devices.plc_simulated import Gate, GatePart

_SCAN_S = 0.004
_RESULT = ("result_valid", "result_number", "passed", "rejected", "divert", "fault_code")

TOML = """
[plc]
kind = "modbus"
host = "127.0.0.1"
port = {port}
timeout_ms = 300
[plc.inputs]
trigger = "input-register:5"
part_id = "input-register:8:text16"
encoder = "input-register:2:int32"
acknowledge = "input-register:4"
heartbeat = "input-register:0"
[plc.outputs]
ready = "coil:8"
busy = "coil:9"
result_valid = "coil:10"
passed = "coil:11"
rejected = "coil:12"
divert = "coil:14"
fault = "coil:20"
fault_code = "holding:10"
result_number = "holding:11"
result_part_id = "holding:20:text16"
heartbeat = "holding:30"
"""


@dataclass
class _Part:
    number: int
    part_id: str
    since: float


class PlcProgram:
    """Counts parts, takes results by their number, and rejects what has none in time.

    Its count is retentive: it goes on where it was when the peer was killed.
    """

    def __init__(self, peer: PlcProcess, *, answer_s: float = 1.0) -> None:
        self.peer = peer
        self._answer_s = answer_s
        self._lock = threading.Lock()
        self._waiting: dict[int, _Part] = {}
        self._done: list[GatePart] = []
        self.passed = 0
        """Parts that the gate let through as PASS."""
        self._count = self._encoder = self._beat = self._acknowledged = 0
        self._shown: dict[str, int | str] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="plc-program")
        self._thread.start()

    def present(self, part_id: str = "") -> int:
        with self._lock:
            self._count += 1
            part = _Part(self._count, part_id, time.monotonic())
            self._waiting[self._count % 65536] = part
            self._shown = {"part_id": part_id, "encoder": self._encoder, "count": self._count}
            if self.peer.is_running:
                self.peer.set(**self._shown)
            return self._count

    def move_to(self, encoder: int) -> None:
        self._encoder = encoder

    def taken(self) -> list[GatePart]:
        with self._lock:
            done, self._done = self._done, []
            return done

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def is_ready(self) -> bool:
        """The station accepts parts."""
        with self._lock:
            return self.peer.is_running and bool(self.peer.get("ready"))

    def kill(self) -> None:
        with self._lock:
            self.peer.kill()

    def restart(self) -> None:
        with self._lock:
            self.peer.start()
            if self._shown:
                self.peer.set(**self._shown)

    def close(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_SCAN_S):
            with self._lock:
                if self.peer.is_running:
                    self._scan()
                self._give_up(time.monotonic())

    def _scan(self) -> None:
        self._beat = (self._beat + 1) % 32768
        valid, number, passed, rejected, divert, code = self.peer.get(*_RESULT)
        if valid:
            self._acknowledged = number
            self._take(number, {"pass": passed, "reject": rejected, "divert": divert}, code)
        self.peer.set(heartbeat_in=self._beat, acknowledge=self._acknowledged)

    def _take(self, number: int, up: dict[Gate, bool], code: int) -> None:
        part = self._waiting.pop(number, None)
        if part is None:
            return
        says = [gate for gate, is_up in up.items() if is_up]
        self._keep(part, says[0] if len(says) == 1 else "reject", code, len(says) != 1)

    def _give_up(self, now: float) -> None:
        for number, part in list(self._waiting.items()):
            if now - part.since > self._answer_s:
                del self._waiting[number]
                self._keep(part, "none", 0)

    def _keep(self, part: _Part, gate: Gate, code: int, contradiction: bool = False) -> None:
        self.passed += gate == "pass"
        waited = time.monotonic() - part.since
        self._done.append(GatePart(part.number, part.part_id, gate, code, waited, contradiction))
