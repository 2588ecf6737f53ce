"""What is to stand at a line turned into the configuration of its station."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


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
    """`level`, `count`, or `camera`: its frames are the parts."""
    rate: float = 20.0
    seconds: float = 600.0
    deadline_ms: float = 200.0
    poll_ms: float = 2.0
    store: str = "store"
    """One of `line_station.STORES`."""
    locked: bool = False
    """Another process holds the database for itself."""
    broker: str = ""
    """"": no MQTT; `up`, `slow` or `down`."""
    largest_image_mb: int = 1
    real_time: bool = False
    """Station and engine run before everything of ordinary priority, as the service may be set."""


def configuration(wanted: Run, plc_port: int, broker_port: int | None) -> dict[str, Any]:
    """That of the station, for `StationConfig`."""
    inputs, count, outputs = _SIGNALS[wanted.plc]
    is_camera = wanted.handshake == "camera"
    inputs = dict(inputs)
    if wanted.handshake == "level":
        del inputs["acknowledge"]
    if wanted.handshake == "count":
        inputs["trigger"] = count
    elif is_camera:
        del inputs["trigger"], inputs["part_id"]
    camera: dict[str, Any] = {"kind": wanted.camera, "name": "top"}
    if wanted.camera == "simulated":
        camera |= {"folder": str(wanted.images.resolve()), "latency_ms": wanted.latency_ms}
    else:
        camera |= {"width": 256, "height": 256, "exposure_us": 1000.0}
    if is_camera:
        camera |= {"trigger": "free", "period_ms": 1000.0 / wanted.rate, "buffers": 64}
    made = {
        "station": "bench",
        "bundle": str(wanted.bundle.resolve()),
        "trigger": {
            "source": "camera" if is_camera else "plc",
            "deadline_ms": wanted.deadline_ms,
            "frame_ms": min(wanted.deadline_ms, 100.0),
            "parts_at_once": 64,
        },
        "handshake": {
            "kind": "level" if wanted.handshake == "level" else "count",
            "poll_ms": wanted.poll_ms,
        },
        "cameras": [camera],
        "plc": {"kind": wanted.plc, "host": "127.0.0.1", "port": plc_port}
        | {"inputs": inputs, "outputs": outputs},
        "engine": {"waiting": 64, "largest_image_mb": wanted.largest_image_mb},
        "store": {"images": {"reserve_gb": 0.1}, "retention": {"free_gb": 0.2}},
    }
    return made if broker_port is None else made | {"mqtt": {"port": broker_port}}


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
