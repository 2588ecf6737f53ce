"""Starts Basler's emulator and the cameras that the tests of it use."""

from __future__ import annotations

import os
from typing import Any

from tests.peers import require_peer

from keenline.devices.basler import BaslerCamera, BaslerSettings
from keenline.devices.basler_nodes import load
from keenline.errors import EnvironmentMissing
from keenline.types import Frame

SERIAL = "0815-0001"


def start_emulator() -> None:
    """Two cameras; pylon reads the variable once, when its transport layer starts."""
    os.environ["PYLON_CAMEMU"] = "2"
    try:
        load()
    except EnvironmentMissing as error:
        require_peer(f"needs pypylon: {error.got}")


def settings(**keys: object) -> BaslerSettings:
    base = {"name": "top", "kind": "basler", "serial": SERIAL}
    small = {"width": 320, "height": 240, "exposure_us": 1000.0}
    return BaslerSettings.model_validate(base | small | keys)


def device(camera: BaslerCamera) -> Any:
    """pylon's own camera, to do what only a test does."""
    return camera._camera


def fired(camera: BaslerCamera) -> Frame:
    camera.fire()
    return camera.grab(2.0)
