"""A PLC in a process of its own: its program brings parts and times their results by its own clock.

Started by `line_run.py` with the kind of PLC, whatever that needs, and a port. The server is the
C library libsnap7 or pymodbus; the program scans its memory each millisecond. Lines of JSON come
in, one goes out for each: `{"parts": {...}}` (fields of `Parts`) begins, `{"state": true}` asks.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT)]

_SCAN_S = 0.001
_BEAT_S = 0.1
_GIVE_UP_S = 1.0
_NUMBERS = 1 << 16
_REGISTERS, _TEXT = 128, 8
_MODBUS = {
    "heartbeat_in": 0,
    "acknowledge": 4,
    "count": 5,
    "trigger": 6,
    "part_id": 8,
    "ready": 64,
    "passed": 66,
    "rejected": 67,
    "divert": 68,
    "fault_code": 70,
    "result_number": 71,
    "result_part_id": 72,
    "result_valid": 81,
}
"""Registers; `line_run.py` tells the station the same ones."""


class Memory(Protocol):
    """The signals of a PLC by name, as station and program see them."""

    def put(self, **values: Any) -> None: ...

    def take(self, name: str) -> Any: ...


class S7Memory:
    """Data blocks of the server of libsnap7, which answers on threads of C."""

    def __init__(self, library: str, port: int) -> None:
        from tests.peers.s7_server import Server

        self._server = Server(library, port)
        self.put, self.take = self._server.put, self._server.take


class ModbusMemory:
    """Registers of a server of pymodbus, on a thread of its own."""

    def __init__(self, port: int) -> None:
        self._registers = [0] * _REGISTERS
        """The server's own, once it was asked for the first time."""
        self._port = port
        self._is_up = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._is_up.wait()

    def put(self, **values: Any) -> None:
        for name, value in values.items():
            if name == "part_id":
                raw = value.encode("latin-1").ljust(2 * _TEXT, b"\0")
                for n in range(_TEXT):
                    self._registers[8 + n] = raw[2 * n] << 8 | raw[2 * n + 1]
            else:
                self._registers[_MODBUS[name]] = int(value)

    def take(self, name: str) -> Any:
        at = _MODBUS[name]
        if name != "result_part_id":
            return self._registers[at]
        words = self._registers[at : at + _TEXT]
        return b"".join(word.to_bytes(2, "big") for word in words).decode("latin-1").rstrip("\0")

    async def _serve(self) -> None:
        from pymodbus.server import ModbusTcpServer
        from pymodbus.simulator import DataType, SimData, SimDevice

        async def asked(
            _function: int, _start: int, _at: int, _count: int, registers: list[int], _new: object
        ) -> None:
            self._registers = registers

        registers = SimData(0, count=_REGISTERS, values=0, datatype=DataType.REGISTERS)
        device = SimDevice(1, registers, action=asked)
        server = ModbusTcpServer(device, address=("127.0.0.1", self._port))
        await server.serve_forever(background=True)
        self._is_up.set()
        await asyncio.Event().wait()


@dataclass(frozen=True, slots=True)
class Parts:
    """What is to be brought."""

    handshake: str
    """`level` or `count`."""
    rate: float
    """Parts a second; each distance varies by 10 % to either side."""
    number: int
    warm: int
    """Of those, the first ones are not counted."""
    deadline_ms: float
    out: str
    """File for what was found."""


@dataclass(slots=True)
class Found:
    """What the program saw."""

    milliseconds: list[float] = field(default_factory=list)
    """From the part at the sensor to its valid result, in the order of the results."""
    passed: int = 0
    rejected: int = 0
    diverted: int = 0
    faults: dict[int, int] = field(default_factory=dict)
    """Results by fault code."""
    late: int = 0
    """Results after the deadline, or none at all."""
    unanswered: int = 0
    wrong_part: int = 0
    """Results that named no part on its way."""
    scans: list[float] = field(default_factory=list)
    """The longest time between two scans in each second, ms: what the machine did to the PLC."""


class Program:
    """Brings parts and takes results; one scan after the other on one thread."""

    def __init__(self, memory: Memory, parts: Parts) -> None:
        self._memory, self._parts = memory, parts
        self.found = Found()
        self.brought = 0
        self._chance = random.Random(1)
        self._sensed: deque[tuple[str, float]] = deque()
        """Parts that passed the sensor and wait for the handshake (`level`)."""
        self._asked: dict[int | str, tuple[int, float]] = {}
        """Number among all parts and time by how the result will name the part."""
        self._count = 0
        self._acknowledged = 0

    def run(self) -> None:
        self._count = self._memory.take("result_number") if self._is_count else 0
        now = before = time.perf_counter()
        due, beaten, beat, second, longest = now + 0.05, now, 0, now, 0.0
        while self.brought < self._parts.number or self._asked or self._sensed:
            time.sleep(_SCAN_S)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now
            if now - second >= 1.0:
                self.found.scans.append(1000 * longest)
                second, longest = now, 0.0
            if now - beaten >= _BEAT_S:
                beaten, beat = now, (beat + 1) % 1000
                self._memory.put(heartbeat_in=beat)
            if now >= due and self.brought < self._parts.number:
                due = max(due + self._chance.uniform(0.9, 1.1) / self._parts.rate, now)
                self._bring(now)
            self._take(now)
        Path(self._parts.out).write_text(json.dumps(asdict(self.found)), "utf-8")

    @property
    def _is_count(self) -> bool:
        return self._parts.handshake == "count"

    def _bring(self, now: float) -> None:
        self.brought += 1
        name = f"P{self.brought:07d}"
        if self._is_count:
            self._count = (self._count + 1) % _NUMBERS
            self._asked[self._count] = self.brought, now
            self._memory.put(part_id=name)
            self._memory.put(count=self._count)
        else:
            self._sensed.append((name, now))

    def _take(self, now: float) -> None:
        memory = self._memory
        valid = memory.take("result_valid")
        if self._is_count:
            number = memory.take("result_number")
            if valid and number != self._acknowledged:
                self._note(number, now)
                self._acknowledged = number
                memory.put(acknowledge=number)
        elif self._asked:
            if valid:
                self._note(memory.take("result_part_id"), now)
                memory.put(trigger=False)
        elif self._sensed and not valid:
            name, sensed = self._sensed.popleft()
            self._asked[name] = int(name[1:]), sensed
            memory.put(part_id=name)
            memory.put(trigger=True)
        for key, (place, since) in list(self._asked.items()):
            if now - since <= _GIVE_UP_S:
                break
            del self._asked[key]
            if not self._is_count:
                memory.put(trigger=False)
            if place > self._parts.warm:
                self.found.unanswered += 1
                self.found.late += 1

    def _note(self, key: int | str, now: float) -> None:
        found, memory = self.found, self._memory
        place, since = self._asked.pop(key, (0, now))
        if place == 0:
            found.wrong_part += 1
        if place <= self._parts.warm:
            return
        took = 1000 * (now - since)
        found.milliseconds.append(round(took, 3))
        found.late += took > self._parts.deadline_ms
        found.passed += memory.take("passed")
        found.rejected += memory.take("rejected")
        found.diverted += memory.take("divert")
        code = memory.take("fault_code")
        if code:
            found.faults[code] = found.faults.get(code, 0) + 1


def main() -> None:
    kind, *arguments = sys.argv[1:]
    memory: Memory
    if kind == "s7":
        memory = S7Memory(arguments[0], int(arguments[1]))
    else:
        memory = ModbusMemory(int(arguments[0]))
    print("UP", flush=True)
    running: threading.Thread | None = None
    program: Program | None = None
    for line in sys.stdin:
        request = json.loads(line)
        if "parts" in request:
            program = Program(memory, Parts(**request["parts"]))
            running = threading.Thread(target=program.run, daemon=True)
            running.start()
        answer = {
            "ready": memory.take("ready"),
            "is_running": running is not None and running.is_alive(),
            "brought": 0 if program is None else program.brought,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
