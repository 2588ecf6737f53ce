"""Turns camera settings into GenICam nodes, in an order that cameras accept, and reads them back.

Names of nodes: EMVA/A3 "GenICam Standard Features Naming Convention" 2.7; for cameras of before
SFNC 2.0 their older names are tried next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, Self, TypeAlias

from pydantic import Field, model_validator

from keenline.devices.camera import CameraSettings, TriggerMode
from keenline.devices.camera_errors import no_trigger, refused
from keenline.strict_toml import content_fault

NodeValue: TypeAlias = bool | int | float | str

_EXPOSURE = ("ExposureTime", "ExposureTimeAbs")
_GAIN = ("Gain", "GainAbs")
_ROUNDING = 0.1
"""A camera rounds exposure to its line time and gain to its steps; more than this share is not
what was asked for."""
_FRAME_START = "FrameStart"


class SfncSettings(CameraSettings):
    """Keys of every camera that speaks GenICam; what is not set stays as the camera has it."""

    exposure_us: float | None = Field(default=None, gt=0, le=60_000_000)
    """SFNC ExposureTime, microseconds; turns ExposureAuto off."""
    gain_db: float | None = Field(default=None, ge=-40, le=100)
    """SFNC Gain; turns GainAuto off. In the unit of the camera, which is dB in SFNC 2."""
    pixel_format: str | None = Field(default=None, min_length=1)
    """SFNC PixelFormat, such as `Mono8`, `Mono12`, `BayerRG8`, `RGB8`."""
    width: int | None = Field(default=None, ge=2)
    height: int | None = Field(default=None, ge=2)
    """Of the region that is read out, in pixels."""
    offset_x: int | None = Field(default=None, ge=0)
    offset_y: int | None = Field(default=None, ge=0)
    """Of its upper left corner."""
    line: str = Field(default="Line1", min_length=1)
    """With `trigger = "line"`: SFNC TriggerSource."""
    edge: Literal["RisingEdge", "FallingEdge", "AnyEdge", "LevelHigh", "LevelLow"] = "RisingEdge"
    """With `trigger = "line"`: SFNC TriggerActivation."""
    light_outputs: dict[str, str] = Field(default_factory=dict)
    """SFNC UserOutputSelector of each light channel, such as `UserOutput1`; the line that leads to
    the light is set to it by `nodes`. For `lights` with `switched_by = "camera"`."""
    buffers: int = Field(default=16, ge=3, le=256)
    """Frames that may wait in memory; with more, the newest are lost and their numbers missing."""
    nodes: dict[str, NodeValue] = Field(default_factory=dict)
    """Any other node and its value, set in this order after all others and read back; true sets a
    boolean or executes a command."""

    @model_validator(mode="after")
    def _every_light_has_its_output(self) -> Self:
        if self.lights is not None and self.lights.switched_by == "camera":
            missing = [each for each in self.lights.channels if each not in self.light_outputs]
            if missing:
                raise content_fault(f"has no output for: {', '.join(missing)}", "light_outputs")
        return self


class Nodes(Protocol):
    """The nodes of one open camera."""

    camera: str
    """Its name in the station configuration."""

    def has(self, name: str) -> bool:
        """Whether the node exists, is implemented and available."""

    def read(self, name: str) -> NodeValue: ...

    def write(self, name: str, value: NodeValue) -> None:
        """Raises CameraError: CAMERA_REFUSED or CAMERA_GONE."""

    def is_command(self, name: str) -> bool: ...

    def choices(self, name: str) -> tuple[str, ...]:
        """Of an enumeration; () for any other node."""

    def limits(self, name: str) -> tuple[float, float, float] | None:
        """Lowest and highest value and the step, 0 without one; None for what is no number."""


def apply_settings(nodes: Nodes, settings: SfncSettings) -> None:
    """Bring the camera into the state that the settings ask for.

    Raises CameraError: CAMERA_REFUSED naming node, value and what is allowed, CAMERA_NO_TRIGGER
    where the trigger mode has no node.
    """
    _ensure(nodes, "AcquisitionMode", "Continuous")
    if settings.pixel_format is not None:
        set_node(nodes, "PixelFormat", settings.pixel_format)
    _set_region(nodes, settings)
    if settings.exposure_us is not None:
        _turn_off(nodes, "ExposureAuto")
        set_node(nodes, exposure_node(nodes) or _EXPOSURE[0], settings.exposure_us)
    if settings.gain_db is not None:
        _turn_off(nodes, "GainAuto")
        set_node(nodes, _present(nodes, _GAIN) or _GAIN[0], settings.gain_db)
    set_trigger(nodes, settings.trigger, settings.line, settings.edge)
    for name, value in settings.nodes.items():
        set_node(nodes, name, value)


def set_trigger(nodes: Nodes, mode: TriggerMode, line: str, edge: str) -> None:
    """One frame for each firing, for each edge of a line, or frames without end."""
    if not nodes.has("TriggerMode"):
        if mode != "free":
            raise no_trigger(nodes.camera, mode, "the camera has no node TriggerMode")
        return
    for selector in nodes.choices("TriggerSelector") if nodes.has("TriggerSelector") else ():
        if selector != _FRAME_START:  # such as AcquisitionStart, that would hold up all frames
            nodes.write("TriggerSelector", selector)
            _turn_off(nodes, "TriggerMode")
    _ensure(nodes, "TriggerSelector", _FRAME_START)
    if mode == "free":
        _ensure(nodes, "TriggerMode", "Off")
        return
    source = "Software" if mode == "software" else line
    if source not in nodes.choices("TriggerSource"):
        known = ", ".join(nodes.choices("TriggerSource"))
        raise no_trigger(nodes.camera, mode, f"TriggerSource knows: {known}, not {source}")
    set_node(nodes, "TriggerMode", "On")
    set_node(nodes, "TriggerSource", source)
    if mode == "line":
        _ensure(nodes, "TriggerActivation", edge)


def set_node(nodes: Nodes, name: str, value: NodeValue) -> None:
    """Write one node and read it back; raises CameraError CAMERA_REFUSED."""
    if not nodes.has(name):
        raise refused(nodes.camera, name, value, "the camera has no such node, or not now")
    if nodes.is_command(name):
        if value is not True:
            raise refused(nodes.camera, name, value, "a command: true")
        nodes.write(name, value)
        return
    limits = nodes.limits(name)
    if limits is not None and not _is_within(value, limits):
        raise refused(nodes.camera, name, value, allowed(nodes, name))
    choices = nodes.choices(name)
    if choices and value not in choices:
        raise refused(nodes.camera, name, value, allowed(nodes, name))
    nodes.write(name, value)
    taken = nodes.read(name)
    if not _is_same(value, taken, limits):
        raise refused(nodes.camera, name, value, allowed(nodes, name), f"it took {taken}")


def select_light(nodes: Nodes, outputs: Mapping[str, str], channel: str) -> None:
    """Switch the output of this light on and those of all others off.

    Raises CameraError CAMERA_REFUSED, also for a channel without an output.
    """
    if channel not in outputs:
        raise refused(nodes.camera, "UserOutputValue", channel, ", ".join(outputs) or "no light")
    # Off before on: two lights at once would show the part as neither does.
    for name in sorted(outputs, key=lambda each: each == channel):
        set_node(nodes, "UserOutputSelector", outputs[name])
        set_node(nodes, "UserOutputValue", name == channel)


def exposure_node(nodes: Nodes) -> str | None:
    """The node of the exposure in microseconds; None where the camera has none."""
    return _present(nodes, _EXPOSURE)


def exposure_us(nodes: Nodes) -> float | None:
    """As the camera has it; None where it has no such node or changes it by itself."""
    return _reading(nodes, _EXPOSURE, "ExposureAuto")


def gain_db(nodes: Nodes) -> float | None:
    """As the camera has it; None where it has no such node or changes it by itself."""
    return _reading(nodes, _GAIN, "GainAuto")


def exposure_range_us(nodes: Nodes) -> tuple[float, float]:
    """Shortest and longest; raises CameraError CAMERA_REFUSED where exposure is no number."""
    name = exposure_node(nodes) or _EXPOSURE[0]
    limits = nodes.limits(name) if nodes.has(name) else None
    if limits is None:
        raise refused(nodes.camera, name, "its range", "the camera has no such node")
    return limits[0], limits[1]


def change_exposure(nodes: Nodes, microseconds: float) -> float:
    """Set the exposure, brought into its range; answers with what the camera took."""
    shortest, longest = exposure_range_us(nodes)
    name = exposure_node(nodes) or _EXPOSURE[0]
    _turn_off(nodes, "ExposureAuto")
    nodes.write(name, min(max(microseconds, shortest), longest))
    return float(nodes.read(name))


def allowed(nodes: Nodes, name: str) -> str:
    """What a node takes, in words."""
    choices = nodes.choices(name)
    if choices:
        return ", ".join(choices)
    limits = nodes.limits(name)
    if limits is None:
        return "what the camera accepts"
    lowest, highest, step = limits
    return f"{lowest:g} to {highest:g}" + (f", in steps of {step:g}" if step else "")


def _set_region(nodes: Nodes, settings: SfncSettings) -> None:
    offsets = {"OffsetX": settings.offset_x, "OffsetY": settings.offset_y}
    sizes = {"Width": settings.width, "Height": settings.height}
    if all(value is None for value in (offsets | sizes).values()):
        return
    # An offset left by someone before limits the size, so each goes to its smallest first.
    for name in offsets:
        if nodes.has(name) and (limits := nodes.limits(name)) is not None:
            nodes.write(name, int(limits[0]))
    for name, value in _given(sizes | offsets).items():
        set_node(nodes, name, value)


def _given(values: Mapping[str, int | None]) -> dict[str, int]:
    return {name: value for name, value in values.items() if value is not None}


def _ensure(nodes: Nodes, name: str, value: str) -> None:
    """Where there is such a node; one that has only this value may be read-only."""
    if nodes.has(name) and nodes.read(name) != value:
        set_node(nodes, name, value)


def _present(nodes: Nodes, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if nodes.has(name)), None)


def _turn_off(nodes: Nodes, name: str) -> None:
    if nodes.has(name) and "Off" in nodes.choices(name):
        nodes.write(name, "Off")


def _reading(nodes: Nodes, names: tuple[str, ...], auto: str) -> float | None:
    name = _present(nodes, names)
    if name is None or (nodes.has(auto) and nodes.read(auto) != "Off"):
        return None
    return float(nodes.read(name))


def _is_within(value: NodeValue, limits: tuple[float, float, float]) -> bool:
    if isinstance(value, bool | str):
        return False
    return limits[0] <= value <= limits[1]


def _is_same(asked: NodeValue, taken: NodeValue, limits: tuple[float, float, float] | None) -> bool:
    if isinstance(taken, float) and not isinstance(asked, str):
        step = 0.0 if limits is None else limits[2]
        return abs(taken - asked) <= max(_ROUNDING * abs(asked), step, 1e-6)
    return asked == taken
