"""`keenline expose`: the exposure at which a camera of a station shows a part at a grey level."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.cli.station_config import StationConfig
    from keenline.devices.camera import CameraSettings
    from keenline.devices.exposure import Calibration, GreyGoal


def expose(
    config: Annotated[
        Path, typer.Argument(help="What stands here.", metavar="STATION.toml", show_default=False)
    ],
    camera: Annotated[
        str | None,
        typer.Option("--camera", help="Its name; the first one when left out.", metavar="NAME"),
    ] = None,
    grey: Annotated[
        float, typer.Option("--grey", min=1, max=250, help="Mean grey level to reach.")
    ] = 120.0,
    tolerance: Annotated[
        float, typer.Option("--tolerance", min=0.1, help="Grey levels beside it.")
    ] = 3.0,
    saturated: Annotated[
        float,
        typer.Option("--saturated", min=0, max=1, help="Share of pixels that may be clipped."),
    ] = 0.005,
    as_json: Json = False,
) -> None:
    """Find the exposure for a grey level, with a good part in front of the camera.

    The camera must be free: stop the station first. What is found is set until the camera is
    closed; write it into the configuration to keep it.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        from keenline.cli.station_config import load_station
        from keenline.devices.exposure import GreyGoal

        loaded = load_station(config)
        os.chdir(config.resolve().parent)  # where every relative path in it begins
        settings = _chosen(loaded, camera, config)
        with terminal.waiting(f"taking images with {settings.name}"):
            found = _calibrate(settings, GreyGoal(grey, tolerance, saturated))
        _tell(settings.name, found, terminal)


def _chosen(config: StationConfig, name: str | None, path: Path) -> CameraSettings:
    from keenline.errors import CameraError, Code

    names = [table.name for table in config.cameras]
    if name is not None and name not in names:
        raise CameraError(
            Code.CAMERA_MISSING,
            "The configuration has no such camera",
            where=path,
            expected=" or ".join(names),
            got=name,
        )
    return config.cameras[0 if name is None else names.index(name)]


def _calibrate(settings: CameraSettings, goal: GreyGoal) -> Calibration:
    from keenline.devices.exposure import calibrate_exposure

    camera = settings.build()
    camera.open()
    try:
        camera.start()
        return calibrate_exposure(camera, goal)
    finally:
        camera.close()


def _tell(name: str, found: Calibration, terminal: Terminal) -> None:
    if terminal.as_json:
        terminal.emit(
            {
                "camera": name,
                "exposure_us": found.exposure_us,
                "grey": found.grey,
                "saturated": found.saturated,
                "images": len(found.readings),
            }
        )
        return
    terminal.fact("camera", name, "bold")
    terminal.fact("exposure", f"{found.exposure_us:g} µs")
    clipped = f"{100 * found.saturated:.2f} % of the pixels clipped"
    terminal.fact("grey", f"{found.grey:.1f} of 255, {clipped}")
    terminal.say()
    terminal.say(f"Into [[cameras]] of {name}:  exposure_us = {found.exposure_us:g}")
