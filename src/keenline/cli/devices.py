"""Every kind of camera and PLC by name: the one place that knows concrete devices."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, get_args

from pydantic import BaseModel, Field

from keenline.devices.aravis import AravisSettings
from keenline.devices.basler import BaslerSettings
from keenline.devices.camera import Camera, CameraSettings
from keenline.devices.ethernetip import EthernetIpSettings
from keenline.devices.folder import FolderSettings
from keenline.devices.genicam import GenicamSettings
from keenline.devices.lights import LitCamera
from keenline.devices.modbus import ModbusSettings
from keenline.devices.opcua import OpcUaSettings
from keenline.devices.plc_simulated import SimulatedPlcSettings
from keenline.devices.rest import RestSettings
from keenline.devices.s7 import S7Settings
from keenline.devices.simulated import SimulatedSettings
from keenline.devices.upload import UploadSettings
from keenline.devices.video import VideoSettings

CameraTable: TypeAlias = Annotated[
    AravisSettings
    | BaslerSettings
    | FolderSettings
    | GenicamSettings
    | SimulatedSettings
    | UploadSettings
    | VideoSettings,
    Field(discriminator="kind"),
]
"""`[[cameras]]`."""

PlcTable: TypeAlias = Annotated[
    EthernetIpSettings
    | ModbusSettings
    | OpcUaSettings
    | RestSettings
    | S7Settings
    | SimulatedPlcSettings,
    Field(discriminator="kind"),
]
"""`[plc]`."""


def kinds_of(tables: Any) -> dict[str, type[BaseModel]]:
    """The settings of each `kind` of `CameraTable` or `PlcTable`."""
    union = get_args(tables)[0]
    return {get_args(one.model_fields["kind"].annotation)[0]: one for one in get_args(union)}


def build_camera(settings: CameraSettings) -> Camera:
    """The camera of a `[[cameras]]` table, with its lights where it has any; not yet open."""
    camera = settings.build()
    if settings.lights is None:
        return camera
    return LitCamera(camera, settings.lights, is_fired=settings.trigger == "software")
