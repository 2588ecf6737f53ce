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

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.peers.plc_process import PlcProcess, free_port  # noqa: E402
from tests.peers.s7_library import find_library  # noqa: E402

SHARES = (50, 99, 99.9, 100)
_WARM = 20
"""Parts before anything is counted."""
_STARTS_S = 60.0
_SIGNALS = {
    "s7": (
        {
            "trigger": "DB1.DBX0.0",
            "part_id": "DB1.STRING14[16]",
            "heartbeat": "DB1.DBW2",
            "acknowledge": "DB1.DBW8",
        },
        "DB1.DBW10",
        {
            "ready": "DB2.DBX0.0",
            "busy": "DB2.DBX0.1",
            "result_valid": "DB2.DBX0.2",
            "passed": "DB2.DBX0.3",
            "rejected": "DB2.DBX0.4",
            "divert": "M5.3",
            "fault": "DB2.DBX0.6",
            "fault_code": "DB2.DBW2",
            "result_number": "DB2.DBW4",
            "result_part_id": "DB2.STRING8[16]",
            "heartbeat": "DB2.DBW26",
        },
    ),
    "modbus": (
        {
            "trigger": "input-register:6",
            "part_id": "input-register:8:text16",
            "heartbeat": "input-register:0",
            "acknowledge": "input-register:4",
        },
        "input-register:5",
        {
            "ready": "holding:64",
            "busy": "holding:65",
            "passed": "holding:66",
            "rejected": "holding:67",
            "divert": "holding:68",
            "fault": "holding:69",
            "fault_code": "holding:70",
            "result_number": "holding:71",
            "result_part_id": "holding:72:text16",
            "heartbeat": "holding:80",
            "result_valid": "holding:81",
        },
    ),
}
"""Inputs, the address of the count instead of the trigger bit, and outputs, by kind of PLC."""


@dataclass(frozen=True, slots=True)
class Run:
    """What stands at the line and what happens to it."""

    bundle: Path
    images: Path
    plc: str = "s7"
    camera: str = "simulated"
    """`simulated`, or `basler`: the emulator of pylon."""
    latency_ms: float = 0.0
    handshake: str = "level"
    rate: float = 20.0
    seconds: float = 600.0
    deadline_ms: float = 100.0
    poll_ms: float = 2.0
    store: str = "store"
    """One of `line_station.STORES`."""
    locked: bool = False
    """Another process holds the database for itself."""
    broker: str = ""
    """"": no MQTT; `up`, `slow` or `down`."""
    largest_image_mb: int = 36


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
    load: float = 0.0
    """Of the machine at the end, what was measured included."""

    @property
    def shares(self) -> tuple[float, ...]:
        """Milliseconds that 50, 99, 99.9 and 100 % of the parts stayed within."""
        if not self.milliseconds:
            return (float("nan"),) * len(SHARES)
        return tuple(float(v) for v in np.percentile(self.milliseconds, SHARES))

    @property
    def invalid(self) -> int:
        """Parts that were not inspected, or of which the PLC heard nothing."""
        return int(self.plc["unanswered"]) + sum(self.plc["faults"].values())


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
        config = _config(wanted, plc.port, broker)
        (folder / "station.json").write_text(json.dumps(config), "utf-8")
        station, pids = _station(folder, wanted)
        stack.callback(station.kill)
        if wanted.locked:
            stack.enter_context(_locked(folder / "keenline.sqlite"))
        _await(lambda: plc.ask(state=True)["ready"], "the PLC sees no Ready")
        number = round(wanted.rate * wanted.seconds) + _WARM
        out = folder / "plc.json"
        parts = {"rate": wanted.rate, "number": number, "warm": _WARM, "out": str(out)}
        parts |= {"handshake": wanted.handshake, "deadline_ms": wanted.deadline_ms}
        plc.ask(parts=parts)
        memory = _watched(plc, number, pids)
        load = os.getloadavg()[0]
        told = _ended(station)
        found = json.loads(out.read_text("utf-8"))
    return Measured(found.pop("milliseconds"), found, told, memory, load)


def _plc(kind: str) -> PlcProcess:
    command = [sys.executable, str(HERE / "line_plc.py"), kind]
    if kind == "s7":
        library = find_library()
        if library is None:
            raise RuntimeError("libsnap7 cannot be had: it comes with python-snap7 2.0.2")
        command.append(str(library))
    return PlcProcess(command, free_port())


def _config(wanted: Run, plc_port: int, broker_port: int | None) -> dict[str, Any]:
    inputs, count, outputs = _SIGNALS[wanted.plc]
    if wanted.handshake == "count":
        inputs = inputs | {"trigger": count}
    else:
        inputs = {name: at for name, at in inputs.items() if name != "acknowledge"}
    plc = {"kind": wanted.plc, "host": "127.0.0.1", "port": plc_port}
    camera: dict[str, Any] = {"kind": wanted.camera, "name": "top"}
    if wanted.camera == "simulated":
        camera |= {"folder": str(wanted.images.resolve()), "latency_ms": wanted.latency_ms}
    else:
        camera |= {"width": 256, "height": 256, "exposure_us": 1000.0}
    made = {
        "station": "bench",
        "bundle": str(wanted.bundle.resolve()),
        "trigger": {
            "deadline_ms": wanted.deadline_ms,
            "frame_ms": min(wanted.deadline_ms, 100.0),
        },
        "handshake": {"kind": wanted.handshake, "poll_ms": wanted.poll_ms},
        "cameras": [camera],
        "plc": plc | {"inputs": inputs, "outputs": outputs},
        "engine": {"largest_image_mb": wanted.largest_image_mb},
        "store": {"images": {"reserve_gb": 0.1}, "retention": {"free_gb": 0.2}},
    }
    return made if broker_port is None else made | {"mqtt": {"port": broker_port}}


def _station(folder: Path, wanted: Run) -> tuple[subprocess.Popen[str], dict[str, int]]:
    more = {"PYTHONPATH": str(ROOT / "src"), "PYLON_CAMEMU": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, str(HERE / "line_station.py"), str(folder), wanted.store],
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


def _await(holds: Any, otherwise: str) -> None:
    end = time.monotonic() + _STARTS_S
    while not holds():
        if time.monotonic() > end:
            raise RuntimeError(otherwise)
        time.sleep(0.05)
