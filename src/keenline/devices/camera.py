"""The port through which frames come: whatever stands behind it, a `Frame` comes out.

A new camera is one file with a `CameraSettings` and a class with these methods, and one line in
`cli/devices.py`. A trigger mode or a setting is supported where its method is implemented.
Methods of one camera are called from one thread at a time, `fire` and `stop` from any.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol, runtime_checkable

from pydantic import Field, field_validator, model_validator

from keenline.strict_toml import StrictTable, content_fault
from keenline.types import Frame

TriggerMode = Literal["software", "line", "free"]
"""`software`: the station fires; `line`: hardware fires, each frame is a part; `free`: frames come
by themselves and each is a part (a folder, uploads, a video). SFNC: TriggerMode, TriggerSource."""


class LightSettings(StrictTable):
    """`[cameras.lights]`: two or three lights, taken one after the other, make one frame
    (`keenline.devices.lights`)."""

    channels: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = Field(
        strict=False, min_length=2, max_length=3
    )
    """Names of the lights in their order. Two make red, green and their mean; three RGB."""
    switched_by: Literal["camera", "hardware"] = "camera"
    """`camera`: from here, by outputs of the camera; `hardware`: a controller that goes on to the
    next light by itself with each exposure, and to the first when acquisition starts."""
    settle_ms: float = Field(default=0.0, ge=0, le=1000)
    """From switching a light to the exposure."""
    timeout_ms: float = Field(default=1000.0, ge=10, le=60_000)
    """From one exposure to its frame; later, the set counts as broken."""

    @field_validator("channels")
    @classmethod
    def _each_once(cls, channels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(channels)) < len(channels):
            raise content_fault("names a light twice")
        return channels


class CameraSettings(StrictTable):
    """What every `[[cameras]]` table has; each kind adds its own keys and a literal `kind`."""

    name: str = Field(min_length=1, max_length=64)
    """How the station, its records and its messages call this camera."""
    trigger: TriggerMode = "software"
    lights: LightSettings | None = None

    @model_validator(mode="after")
    def _lights_can_be_switched(self) -> CameraSettings:
        if self.lights and self.lights.switched_by == "camera" and self.trigger != "software":
            raise content_fault(
                'allowed only with trigger = "software"; nobody here knows when the others expose',
                "lights",
                "switched_by",
            )
        return self

    def build(self) -> Camera:
        """The camera, not yet open; each kind of settings has its own."""
        raise TypeError(f"{type(self).__name__} does not say how its camera is built")


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """What a camera says of itself once it is open."""

    vendor: str
    model: str
    serial: str
    size: tuple[int, int] | None
    """Width and height of its frames in pixels; None where each may differ."""
    is_simulated: bool = False


class Camera(Protocol):
    """A source of frames."""

    name: str

    def open(self) -> CameraFacts:
        """Connect and apply the settings; also after `close`, to connect again.

        Raises CameraError: CAMERA_MISSING, or CAMERA_REFUSED when a setting is not accepted;
        EnvironmentMissing when its package is not installed.
        """

    def start(self) -> None:
        """Begin acquisition. Frame numbers begin anew, and no frame from before comes after it."""

    def grab(self, timeout_s: float) -> Frame:
        """Wait for the next frame.

        Raises CameraError CAMERA_TIMEOUT when none came in time, FrameBroken for one that came
        incomplete (the next may be whole), CameraError CAMERA_GONE when the camera is lost: it
        must then be closed and opened again.
        """

    def stop(self) -> None:
        """End acquisition; a `grab` that waits ends soon with CAMERA_TIMEOUT or CAMERA_GONE."""

    def close(self) -> None:
        """Let the camera go; never raises for one that is already gone."""


@runtime_checkable
class SoftwareTriggered(Protocol):
    """A camera that can be fired from here (SFNC: TriggerSoftware)."""

    def fire(self) -> None:
        """Take one frame now; returns before it is here. Raises CameraError CAMERA_GONE."""


@runtime_checkable
class HoldsBack(Protocol):
    """A camera whose images lie there until they are asked for; a busy station asks later."""

    holds_back: bool


@runtime_checkable
class ExposureAdjustable(Protocol):
    """A camera whose exposure can be set (SFNC: ExposureTime)."""

    @property
    def exposure_range_us(self) -> tuple[float, float]:
        """Shortest and longest exposure in microseconds."""

    def set_exposure(self, microseconds: float) -> float:
        """Set it; answers with the exposure that the camera took. Raises CameraError."""
