"""A bundle and some images turned into a station whose camera, PLC and parts are simulated."""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from keenline.bundle import read_bundle
from keenline.cli.live import LiveView
from keenline.cli.station_assembly import Plant
from keenline.cli.station_config import StationConfig, load_station
from keenline.data.importers import open_dataset
from keenline.devices.plc_simulated import SimulatedPlc, SimulatedPlcSettings
from keenline.devices.simulated import SimulatedCamera
from keenline.devices.simulated_faults import FaultKind
from keenline.devices.simulated_images import Shot, rendered_shots
from keenline.station.conveyor import Accounts, Belt, Conveyor
from keenline.station.opening import StationPlan
from keenline.station.station import Station
from keenline.station.tally import STAGES
from keenline.types import LineEvent, Result

_RENDERED = 24
_FAULT_EVERY_S = 3.0
_CAMERA = "simulated"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be simulated."""

    bundle: Path
    images: Path | None = None
    station: Path | None = None
    rate: float = 20.0
    jitter: float = 0.1
    camera_ms: float = 5.0
    faults: bool = False
    seed: int = 0


class SimulatedLine:
    """A real station between a virtual conveyor and a virtual gate."""

    def __init__(self, wanted: Wanted, folder: Path) -> None:
        """`folder`: for the records, unless a station configuration says where they go."""
        self.wanted = wanted
        read_bundle(wanted.bundle)  # says what is wrong with it before anything is opened
        shots = _shots(wanted)
        self.camera = SimulatedCamera(_CAMERA, lambda: shots, latency_ms=wanted.camera_ms)
        self.plc: SimulatedPlc = SimulatedPlcSettings(handshake="count").build()
        belt = Belt(wanted.rate, wanted.jitter, seed=wanted.seed)
        names = [shot.part_id for shot in shots]
        self.conveyor = Conveyor(self.camera, self.plc, names, belt)
        config = _config(wanted)
        base = folder if wanted.station is None else wanted.station.parent
        self.plant = Plant(
            config, base, on_result=self._result, on_event=self._event, plan=self._planned
        )
        self.view = LiveView(self.station, self.plant.forwarders)
        self.injected: list[str] = []
        self._next_fault = time.monotonic() + _FAULT_EVERY_S

    @property
    def station(self) -> Station:
        return self.plant.station

    def start(self) -> None:
        """Start the station, then the conveyor. Raises StationError."""
        self.plant.start()
        end = time.monotonic() + 10
        while self.plc.output("ready") is not True and time.monotonic() < end:
            time.sleep(0.01)
        self.conveyor.start()

    def stop(self) -> None:
        """Empty the conveyor, then stop the station."""
        if self.conveyor.presented:
            self.plc.recover()
            self.conveyor.stop()
        self.plant.stop()

    def accounts(self) -> Accounts:
        return self.conveyor.accounts()

    def as_dict(self) -> dict[str, object]:
        """What came of it, for a machine."""
        accounts = self.accounts()
        counts = {field.name: getattr(accounts, field.name) for field in fields(accounts)}
        counts |= {name: dict(counts[name]) for name in ("verdicts", "gates")}
        codes = self.station.tally.counts().codes
        return {
            "settled": accounts.is_settled,
            **counts,
            "codes": {f"{code}": number for code, number in codes.items()},
            "ms": {name: self.milliseconds(name) for name in STAGES},
            "faults": self.injected,
        }

    def milliseconds(self, stage: str) -> dict[str, float] | None:
        """How long parts took to a stage; None when none came to it."""
        found = self.station.tally.percentiles(stage, 50, 99, 99.9, 100)
        if math.isnan(found[0]):
            return None
        return dict(zip(("p50", "p99", "p999", "longest"), found, strict=True))

    def perhaps_fail(self) -> None:
        """Now and then let something fail, where that was wanted."""
        if not self.wanted.faults or time.monotonic() < self._next_fault:
            return
        self._next_fault = time.monotonic() + _FAULT_EVERY_S
        names = list(self._faults())
        name = names[len(self.injected) % len(names)]
        self.injected.append(name)
        self.view.fault(name)
        self._faults()[name]()

    def _faults(self) -> dict[str, Callable[[], None]]:
        return {
            "frame lost": lambda: self.camera.inject(FaultKind.SKIP),
            "engine killed": lambda: self._signal_engine(signal.SIGKILL),
            "frame broken": lambda: self.camera.inject(FaultKind.BROKEN),
            "camera gone": lambda: self.camera.inject(FaultKind.GONE, 500.0),
            "frame late": lambda: self.camera.inject(FaultKind.DELAY, 150.0),
            "PLC gone": self._plc_gone,
            "frame of a wrong size": lambda: self.camera.inject(FaultKind.SIZE),
            "engine hangs": lambda: self._signal_engine(signal.SIGSTOP),
        }

    def _signal_engine(self, number: signal.Signals) -> None:
        pid = self.station.opened.engine.pid
        if pid is not None:
            os.kill(pid, number)

    def _plc_gone(self) -> None:
        self.plc.disappear()
        time.sleep(0.5)
        self.plc.recover()

    def _planned(self, plan: StationPlan) -> StationPlan:
        facts = replace(plan.facts, is_simulated=True)
        return replace(plan, facts=facts, cameras=[(self.camera, "software")], plc=self.plc)

    def _result(self, result: Result) -> None:
        self.conveyor.note(result)
        self.view.result(result)

    def _event(self, event: LineEvent) -> None:
        self.view.event(event)


def _config(wanted: Wanted) -> StationConfig:
    simulated = {
        "trigger": {"source": "plc"} | _frame_ms(wanted),
        "handshake": {"kind": "count"},
        "cameras": ({"kind": "simulated", "name": _CAMERA},),
        "plc": {"kind": "simulated", "handshake": "count"},
    }
    if wanted.station is None:
        named = {"station": "simulated", "bundle": str(wanted.bundle.resolve())}
        store = {"images": {"kind": "disk", "reserve_gb": 0.1}, "retention": {"free_gb": 0.2}}
        return StationConfig.model_validate(named | {"store": store} | simulated)
    given = load_station(wanted.station)
    update = StationConfig.model_validate(
        {"station": given.station, "bundle": str(wanted.bundle.resolve())} | simulated
    )
    names = ("bundle", "handshake", "cameras", "plc")
    changed: dict[str, object] = {name: getattr(update, name) for name in names}
    of_trigger = {"source": "plc", "every_ms": None} | _frame_ms(wanted)
    changed["trigger"] = given.trigger.model_copy(update=of_trigger)
    return given.model_copy(update=changed)


def _frame_ms(wanted: Wanted) -> dict[str, float]:
    return {"frame_ms": max(40.0, 4 * wanted.camera_ms)}


def _shots(wanted: Wanted) -> Sequence[Shot]:
    if wanted.images is None:
        return rendered_shots(_RENDERED, wanted.seed)
    samples = open_dataset(wanted.images).samples
    chosen = [sample for sample in samples if sample.split != "train"] or list(samples)
    return [
        Shot(sample.image, f"{number:04d}-{sample.label}")
        for number, sample in enumerate(chosen, 1)
    ]
