"""A PLC in a process of its own: its program brings parts and times their results by its own clock.

Started by `line_run.py` with the kind of PLC, whatever that needs, and a port. The server is the
C library libsnap7 or pymodbus; the program scans its memory each millisecond. Lines of JSON come
in, one goes out for each: `{"parts": {...}}` (fields of `Parts`) begins, `{"state": true}` asks.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path

from line_memory import Memory, ModbusMemory, S7Memory

_SCAN_S = 0.001
_BEAT_S = 0.1
_GIVE_UP_S = 1.0
_CAMERA_S = 0.2
"""How long a part of `camera` may have been on its way; its begin is not known here."""
_NUMBERS = 1 << 16


@dataclass(frozen=True, slots=True)
class Parts:
    """What is to be brought."""

    handshake: str
    """`level`, `count`, or `camera`: parts come without a trigger of the PLC's."""
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
    """From the part at the sensor to its valid result, in the order of the results; none with
    `camera`."""
    sensed: list[float] = field(default_factory=list)
    """When those parts were at the sensor: seconds of the monotonic clock."""
    passed: int = 0
    rejected: int = 0
    diverted: int = 0
    faults: dict[int, int] = field(default_factory=dict)
    """Results by fault code."""
    late: int = 0
    """Results after the deadline."""
    unanswered: int = 0
    wrong_part: int = 0
    """Results that named no part on its way."""
    results: int = 0
    missed: list[tuple[float, float]] = field(default_factory=list)
    """From and to when a part was on its way that was late, not inspected or never answered."""
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
        self._count = self._acknowledged = self._memory.take("result_number")
        now = before = time.monotonic()
        due, beaten, beat, second, longest = now + 0.05, now, 0, now, 0.0
        end = now + self._parts.number / self._parts.rate
        while self._goes_on(end):
            time.sleep(_SCAN_S)
            now = time.monotonic()
            longest, before = max(longest, now - before), now
            if now - second >= 1.0:
                self.found.scans.append(1000 * longest)
                second, longest = now, 0.0
            if now - beaten >= _BEAT_S:
                beaten, beat = now, (beat + 1) % 1000
                self._memory.put(heartbeat_in=beat)
            if self._parts.handshake == "camera":
                self._take_any(now)
                continue
            if now >= due and self.brought < self._parts.number:
                due = max(due + self._chance.uniform(0.9, 1.1) / self._parts.rate, now)
                self._bring(now)
            self._take(now)
        Path(self._parts.out).write_text(json.dumps(asdict(self.found)), "utf-8")

    def _goes_on(self, end: float) -> bool:
        if self._parts.handshake == "camera":
            return time.monotonic() < end
        return bool(self.brought < self._parts.number or self._asked or self._sensed)

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
        self._give_up(now)

    def _take_any(self, now: float) -> None:
        """A result of a part that the camera triggered."""
        memory = self._memory
        number = memory.take("result_number")
        if not memory.take("result_valid") or number == self._acknowledged:
            return
        if self.brought:
            self.found.unanswered += (number - self._acknowledged) % _NUMBERS - 1
        self.brought += 1
        if self.brought > self._parts.warm:
            self._note_result(now - _CAMERA_S, now, is_late=False)
        self._acknowledged = number
        memory.put(acknowledge=number)

    def _give_up(self, now: float) -> None:
        for key, (place, since) in list(self._asked.items()):
            if now - since <= _GIVE_UP_S:
                return
            del self._asked[key]
            if not self._is_count:
                self._memory.put(trigger=False)
            if place > self._parts.warm:
                self.found.unanswered += 1
                self.found.missed.append((since, now))

    def _note(self, key: int | str, now: float) -> None:
        found = self.found
        place, since = self._asked.pop(key, (0, now))
        found.wrong_part += place == 0
        if place <= self._parts.warm:
            return
        took = 1000 * (now - since)
        found.milliseconds.append(round(took, 3))
        found.sensed.append(since)
        self._note_result(since, now, is_late=took > self._parts.deadline_ms)

    def _note_result(self, since: float, now: float, *, is_late: bool) -> None:
        found, memory = self.found, self._memory
        found.results += 1
        found.late += is_late
        found.passed += memory.take("passed")
        found.rejected += memory.take("rejected")
        found.diverted += memory.take("divert")
        code = memory.take("fault_code")
        if code:
            found.faults[code] = found.faults.get(code, 0) + 1
        if code or is_late:
            found.missed.append((since, now))


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
    for beat, line in enumerate(sys.stdin):
        request = json.loads(line)
        if running is None:  # alive before its program begins, however long that takes
            memory.put(heartbeat_in=beat % 1000)
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
