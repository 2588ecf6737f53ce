"""Every kind of camera and PLC by name: the one place that knows concrete devices."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from keenline.devices.folder import FolderSettings
from keenline.devices.modbus import ModbusSettings
from keenline.devices.s7 import S7Settings
from keenline.devices.simulated import SimulatedSettings

CameraTable: TypeAlias = Annotated[
    FolderSettings | SimulatedSettings,
    Field(discriminator="kind"),
]
"""`[[cameras]]`."""

PlcTable: TypeAlias = Annotated[
    ModbusSettings | S7Settings,
    Field(discriminator="kind"),
]
"""`[plc]`."""
