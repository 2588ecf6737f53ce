"""One line for some seconds (station, PLC, what disturbs them) turned into what was measured."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from line_config import Run, configuration

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.peers.plc_process import PlcProcess, free_port  # noqa: E402
from tests.peers.s7_library import find_library  # noqa: E402

SHARES = (50, 99, 99.9, 100)
_WARM = 30
"""Parts before anything is counted."""
_STARTS_S = 60.0
_JUST_BEFORE_S = 0.02
"""A standstill up to so long before a part touches it too: a station that has not read its PLC for
longer than `frame_ms` cannot know how old a trigger is, and refuses it."""


@dataclass(slots=True)
class Measured:
    """What one run showed."""

    milliseconds: list[float]
    """From the rising trigger to the valid result, by the clock of the PLC."""
    plc: dict[str, Any]
    """Fields of `line_plc.Found` but the times."""
    station: dict[str, Any]
    """What `line_station.py` says at its end."""
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Resident MB of station and engine: at the begin, in the middle and at the end."""
    others: float = 0.0
    """Cores used by processes that are no part of the line."""
    stalls: list[tuple[float, float]] | None = None
    """When a core of the machine stood still, from and to; None where nobody could see it."""

    @property
    def shares(self) -> tuple[float, ...]:
        """Milliseconds that 50, 99, 99.9 and 100 % of the parts stayed within."""
        return _shares(self.milliseconds)

    @property
    def untouched(self) -> tuple[float, ...]:
        """The same of the parts during whose time, or just before, no core stood still."""
        parts = zip(self.plc["sensed"], self.milliseconds, strict=True)
        return _shares(
            [took for begin, took in parts if not self._stood_still(begin, begin + took / 1000)]
        )

    @property
    def stood_still(self) -> tuple[float, float]:
        """Milliseconds in all, of every core, and the longest."""
        times = [1000 * (until - since) for since, until in self.stalls or ()]
        return sum(times), max(times, default=0.0)

    @property
    def missed(self) -> int:
        """Parts whose result came after the deadline, was INVALID, or never came."""
        return len(self.plc["missed"])

    @property
    def missed_untouched(self) -> int:
        """Those of them during whose time, or just before, no core stood still."""
        return sum(not self._stood_still(since, until) for since, until in self.plc["missed"])

    @property
    def faults(self) -> str:
        """How many results had which code."""
        return ", ".join(f"{n} x KL{code}" for code, n in self.plc["faults"].items())

    def _stood_still(self, begin: float, end: float) -> bool:
        begin -= _JUST_BEFORE_S
        return any(begin < until and since < end for since, until in self.stalls or ())


def run(wanted: Run) -> Measured:
    """Start everything, bring the parts, stop everything. Raises RuntimeError when it fails."""
    with ExitStack() as stack:
        (ROOT / ".bench").mkdir(exist_ok=True)
        # Not in /tmp, which may be memory: journal, database and images belong on a disk.
        made = tempfile.TemporaryDirectory(prefix="line-", dir=ROOT / ".bench")
        folder = Path(stack.enter_context(made))
        plc = _plc(wanted.plc)
        stack.callback(plc.kill)
        broker = stack.enter_context(_broker(wanted.broker, folder))
        config = configuration(wanted, plc.port, broker)
        (folder / "station.json").write_text(json.dumps(config), "utf-8")
        station, pids = _station(folder, wanted)
        stack.callback(station.kill)
        if wanted.locked:
            stack.enter_context(_locked(folder / "keenline.sqlite"))
        _await(lambda: plc.ask(state=True)["ready"], "the PLC sees no Ready")
        watches = [stack.enter_context(_watch(core)) for core in range(os.cpu_count() or 1)]
        number = round(wanted.rate * wanted.seconds) + _WARM
        out = folder / "plc.json"
        parts = {"rate": wanted.rate, "number": number, "warm": _WARM, "out": str(out)}
        parts |= {"handshake": wanted.handshake, "deadline_ms": wanted.deadline_ms}
        plc.ask(parts=parts)
        ours = [*pids.values(), plc.pid, *(watch.pid for watch in watches)]
        begun, busy, used = time.monotonic(), _busy_s(), sum(map(_used_s, ours))
        memory = _watched(plc, number, pids)
        others = _busy_s() - busy - sum(map(_used_s, ours)) + used
        others = max(0.0, others / (time.monotonic() - begun))
        told = _ended(station)
        stalls = _joined([json.loads(watch.communicate()[0]) for watch in watches])
        found = json.loads(out.read_text("utf-8"))
    return Measured(found.pop("milliseconds"), found, told, memory, others, stalls)


def _plc(kind: str) -> PlcProcess:
    command = [sys.executable, str(HERE / "line_plc.py"), kind]
    if kind == "s7":
        library = find_library()
        if library is None:
            raise RuntimeError("libsnap7 cannot be had: it comes with python-snap7 2.0.2")
        command.append(str(library))
    return PlcProcess(command, free_port())


def _station(folder: Path, wanted: Run) -> tuple[subprocess.Popen[str], dict[str, int]]:
    more = {"PYTHONPATH": str(ROOT / "src"), "PYLON_CAMEMU": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, str(HERE / "line_station.py"), str(folder), wanted.store]
        + ["real-time"] * wanted.real_time,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | more,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the station did not start")
    return process, json.loads(line)


def _ended(station: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = station.communicate(timeout=_STARTS_S)
    if station.returncode or not out:
        raise RuntimeError(f"the station ended with {station.returncode}")
    told: dict[str, Any] = json.loads(out)
    return told


def _watched(plc: PlcProcess, number: int, pids: dict[str, int]) -> list[tuple[float, float]]:
    """Waits until the parts are through; what the processes held meanwhile."""
    memory: list[tuple[float, float]] = []
    while (state := plc.ask(state=True))["is_running"]:
        if state["brought"] >= (_WARM, number // 2)[len(memory)] and len(memory) < 2:
            memory.append(_resident(pids))
            if len(memory) == 2:
                break
        time.sleep(0.5)
    while plc.ask(state=True)["is_running"]:
        time.sleep(0.5)
    return [*memory, _resident(pids)]


def _busy_s() -> float:
    """Processor time of everything on the machine; see proc_stat(5)."""
    fields = Path("/proc/stat").read_text("ascii").split(maxsplit=8)
    return sum(map(int, fields[1:4])) / os.sysconf("SC_CLK_TCK")


def _used_s(process: int) -> float:
    """Processor time of one process."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pids: dict[str, int]) -> tuple[float, float]:
    held = []
    for name in ("station", "engine"):
        lines = Path(f"/proc/{pids[name]}/status").read_text("ascii").splitlines()
        held.append(next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")))
    return held[0] * 1024 / 1e6, held[1] * 1024 / 1e6


@contextmanager
def _broker(how: str, folder: Path) -> Iterator[int | None]:
    """The port that the station is told."""
    if not how:
        yield None
        return
    port, way = free_port(), free_port()
    if how == "down":
        yield port
        return
    settings = folder / "mosquitto.conf"
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n", "ascii")
    with ExitStack() as stack:
        stack.enter_context(_child(["mosquitto", "-c", str(settings)]))
        if how == "slow":
            delay = [sys.executable, str(HERE / "tcp_delay.py"), str(way), str(port), "300"]
            stack.enter_context(_child(delay))
        time.sleep(0.5)
        yield way if how == "slow" else port


@contextmanager
def _child(command: list[str]) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def _locked(database: Path) -> Iterator[None]:
    holder = sqlite3.connect(database, timeout=30, isolation_level=None)
    try:
        holder.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        holder.close()


@contextmanager
def _watch(core: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(HERE / "stalls.py"), str(core)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, text=True) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def _joined(found: list[list[tuple[float, float]] | None]) -> list[tuple[float, float]] | None:
    if None in found:
        return None
    return [(since, until) for stalls in found for since, until in stalls or ()]


def _shares(milliseconds: list[float]) -> tuple[float, ...]:
    if not milliseconds:
        return (float("nan"),) * len(SHARES)
    return tuple(float(value) for value in np.percentile(milliseconds, SHARES))


def _await(holds: Any, otherwise: str) -> None:
    end = time.monotonic() + _STARTS_S
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError(otherwise)
        time.sleep(0.05)
