"""`keenline station`: a station that runs until it is told to stop."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.cli.station_assembly import Plant
    from keenline.cli.station_config import StationConfig
    from keenline.station.station import Station

_LOOK_S = 0.25


def station(
    config: Annotated[
        Path, typer.Argument(help="What stands here.", metavar="STATION.toml", show_default=False)
    ],
    check: Annotated[
        bool,
        typer.Option("--check", help="Open everything, say what is wrong, and end."),
    ] = False,
    log_passes: Annotated[
        bool, typer.Option("--log-passes", help="Write a log line for every part that passes too.")
    ] = False,
    until_idle: Annotated[
        float | None,
        typer.Option(
            "--until-idle", min=0.1, help="End when no part came for so long.", metavar="SECONDS"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Inspect every part at a line, tell its PLC, and record each result.

    Ends at Ctrl-C or SIGTERM (with --until-idle by itself), after the parts in work have their
    verdicts. SIGHUP loads the bundle and the recipe anew, between two parts; authority that was
    withdrawn from the bundle's file is given up without being asked. Log lines go to stderr, one
    JSON object each.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        from keenline.cli.station_config import load_station

        loaded = load_station(config)
        config = config.resolve()
        os.chdir(config.parent)  # where every relative path in it begins
        if check:
            _check(loaded, config.parent, terminal)
        else:
            _run(loaded, config, terminal, log_passes=log_passes, until_idle=until_idle)


def _check(config: StationConfig, folder: Path, terminal: Terminal) -> None:
    from keenline.cli.station_assembly import Plant

    plant = Plant(config, folder)
    try:
        with terminal.waiting("opening everything"):
            plant.check()
    finally:
        plant.stop(drain_s=0.0)
    _describe(plant, terminal)
    terminal.say("  Everything is there and can be opened.", "green")
    if terminal.as_json:
        terminal.emit({"station": config.station, "check": "passed"})


def _run(
    config: StationConfig,
    path: Path,
    terminal: Terminal,
    *,
    log_passes: bool,
    until_idle: float | None,
) -> None:
    from keenline.cli.station_assembly import Plant
    from keenline.cli.station_log import StationLog
    from keenline.station.notify import ServiceManager

    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to load anew
    log = StationLog(config.station, passes=log_passes)
    manager = ServiceManager()
    plant = Plant(config, path.parent, on_result=log.result, on_event=log.event)
    try:
        with terminal.waiting("starting"):
            plant.start()
        _describe(plant, terminal)
        wishes = _Wishes()
        idle = _Idle(plant.station, until_idle)
        manager.ready("started")
        reloading = threading.Thread()
        while not wishes.wait(idle.look_s(manager.interval_s), reloading.is_alive):
            if idle.is_over:
                break
            if plant.station.is_alive:
                manager.alive(str(plant.station.state))
            if wishes.reload.is_set() and not reloading.is_alive():
                wishes.reload.clear()
                # Loading takes seconds, in which the watchdog must be told.
                reloading = threading.Thread(target=plant.reload, args=(path,), name="reload")
                reloading.start()
            elif not reloading.is_alive() and (classes := plant.withdrawn()):
                reloading = threading.Thread(target=plant.give_up, args=(classes,), name="reload")
                reloading.start()
        if reloading.is_alive():
            reloading.join()
    finally:
        manager.stopping()
        plant.stop()
        log.close()
    _conclude(plant, terminal)


class _Idle:
    """How long no part has come, where a station is to end by itself."""

    def __init__(self, station: Station, limit_s: float | None) -> None:
        self._station, self._limit_s = station, limit_s
        self._seen, self._since = 0, time.monotonic()

    def look_s(self, most: float) -> float:
        """How often to look, at the latest."""
        return most if self._limit_s is None else min(most, self._limit_s / 4)

    @property
    def is_over(self) -> bool:
        """No part came for the time, and none is in work, or waits for a bundle in shadow."""
        counts, shadow = self._station.tally.counts(), self._station.shadow
        waiting = 0 if shadow is None else shadow.waiting
        if counts.triggers != self._seen or counts.in_work or waiting:
            self._seen, self._since = counts.triggers, time.monotonic()
        idle_s = time.monotonic() - self._since
        return self._limit_s is not None and idle_s >= self._limit_s


class _Wishes:
    """What signals ask a running station for: to stop, or to load its bundle anew."""

    def __init__(self) -> None:
        self.stop, self.reload = threading.Event(), threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._reload)

    def wait(self, seconds: float, reloads: Callable[[], bool]) -> bool:
        """Wait for a wish, to reload only where none is under way; whether it is to stop."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and (reloads() or not self.reload.is_set()):
            if self.stop.wait(_LOOK_S):
                return True
        return self.stop.is_set()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop.set()

    def _reload(self, _number: int, _frame: FrameType | None) -> None:
        self.reload.set()


def _describe(plant: Plant, terminal: Terminal) -> None:
    config = plant.config
    terminal.say()
    terminal.fact("station", config.station, "bold")
    terminal.fact("bundle", config.bundle)
    cameras = ", ".join(f"{camera.name} ({camera.kind})" for camera in config.cameras)
    terminal.fact("cameras", cameras)
    terminal.fact("PLC", config.plc.kind if config.plc is not None else "none")
    terminal.fact("trigger", config.trigger.source)
    _describe_shadow(plant, terminal)
    terminal.fact("records", config.store.database)
    served = [forwarder.sink.name for forwarder in plant.forwarders[1:]]
    terminal.fact("published", ", ".join(served) or "nowhere")
    if plant.metrics is not None:
        assert config.metrics is not None
        address = f"http://{config.metrics.host}:{plant.metrics.port}/metrics"
        terminal.fact("metrics", address)


def _describe_shadow(plant: Plant, terminal: Terminal) -> None:
    table, shadow = plant.config.shadow, plant.station.shadow
    if table is None:
        return
    if plant.station.programme is None or shadow is not None:  # only checked, or in work
        terminal.fact("shadow", f"{table.bundle}, which decides nothing")
    else:
        words = f"{table.bundle} may not run here; shadow-refused in the log says why"
        terminal.fact("shadow", words, "yellow")


def _conclude(plant: Plant, terminal: Terminal) -> None:
    counts = plant.station.tally.counts()
    verdicts = {verdict.value: number for verdict, number in counts.verdicts.items()}
    if terminal.as_json:
        terminal.emit({"station": plant.config.station, "triggers": counts.triggers, **verdicts})
        return
    terminal.fact("parts", f"{counts.triggers}", "bold")
    terminal.fact("verdicts", ", ".join(f"{number} {name}" for name, number in verdicts.items()))
