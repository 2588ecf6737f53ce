"""Turns what any GenICam camera sends, through its maker's GenTL producer, into frames.

A producer is a `.cti` file that comes with the camera's driver (EMVA "GenICam GenTL Standard"
1.6); harvesters finds the devices behind it and reads their description.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from keenline.devices import sfnc
from keenline.devices.camera import CameraFacts
from keenline.devices.camera_errors import (
    broken,
    gone,
    missing,
    no_trigger,
    timed_out,
    unknown_pixels,
)
from keenline.devices.frame_numbers import FrameNumbers
from keenline.devices.genicam_nodes import GenApiNodes, Sdk, load, translated
from keenline.devices.genicam_stream import Stream
from keenline.devices.pixel_formats import known, to_rgb
from keenline.errors import CameraError
from keenline.strict_toml import content_fault
from keenline.types import Frame

_LOOK_EVERY_S = 0.0005
_PATH = "GENICAM_GENTL64_PATH"  # GenTL 1.6, 2.1.2: folders in which producers are found
_COUNT_FROM_0 = "U3V"  # USB3 Vision counts frames from 0, GigE Vision from 1


class GenicamSettings(sfnc.SfncSettings):
    """`kind = "genicam"`: a camera behind a GenTL producer; the first, or the one named.

    At most one of `serial`, `id` and `model` may be given.
    """

    kind: Literal["genicam"]
    producer: tuple[str, ...] = Field(default=(), strict=False)
    """`.cti` files; without any, those in the folders of the variable GENICAM_GENTL64_PATH."""
    serial: str | None = Field(default=None, min_length=1)
    id: str | None = Field(default=None, min_length=1)
    """As the producer names the device."""
    model: str | None = Field(default=None, min_length=1)
    is_simulated: bool = False
    """The producer makes its images up: marks each frame and record."""

    @model_validator(mode="after")
    def _one_way_to_find_it(self) -> GenicamSettings:
        if sum(each is not None for each in (self.serial, self.id, self.model)) > 1:
            raise content_fault("allowed: one of serial, id and model", "serial")
        return self

    def build(self) -> GenicamCamera:
        return GenicamCamera(self)


class GenicamCamera:
    """A `Camera`; software-triggered and exposure-adjustable where its nodes are."""

    def __init__(self, settings: GenicamSettings) -> None:
        self.name = settings.name
        self._settings = settings
        self._sdk: Sdk | None = None
        self._harvester: Any = None
        self._device: Any = None
        self._nodes: GenApiNodes | None = None
        self._stream: Stream | None = None
        self._facts = CameraFacts("", "", "", None)
        self._numbers = FrameNumbers(1)
        self._first_id = 1
        self._is_running = False
        self._in_use = threading.Lock()  # its buffers are not freed while one is being copied
        self._exposure_us: float | None = None
        self._gain_db: float | None = None

    def open(self) -> CameraFacts:
        self.close()
        sdk = self._sdk = load()
        producers = self._producers()
        self._harvester = sdk.harvesters.Harvester()
        for each in producers:
            self._harvester.add_file(each)
        try:
            with translated(sdk, self.name, opening=True):
                self._harvester.update()
                info = self._found(producers)
                self._device = info.create_device()
                self._device.open(sdk.gentl.DEVICE_ACCESS_FLAGS_LIST.DEVICE_ACCESS_EXCLUSIVE)
                owner = sdk.harvesters.Device(module=self._device, parent=info.parent)
                remote = sdk.harvesters.RemoteDevice(module=self._device, parent=owner)
                self._nodes = GenApiNodes(sdk, remote.node_map, self.name)
            self._facts = self._set_up(sdk, info)
        except CameraError:
            self.close()
            raise
        return self._facts

    def start(self) -> None:
        self.stop()
        sdk, nodes, stream = self._present()
        with translated(sdk, self.name):
            payload = int(nodes.read("PayloadSize")) if nodes.has("PayloadSize") else 0
            if nodes.has("TLParamsLocked"):  # SFNC: no format changes while images flow
                nodes.write("TLParamsLocked", 1)
            stream.start(payload)
            self._numbers = FrameNumbers(self._first_id)
            nodes.write("AcquisitionStart", True)
        self._is_running = True

    def grab(self, timeout_s: float) -> Frame:
        """Copies the frame, so that its buffer is free again when this returns."""
        sdk, _, stream = self._present()
        end = time.monotonic() + timeout_s
        while True:
            with self._in_use, translated(sdk, self.name):
                if not self._is_running:
                    raise timed_out(self.name, timeout_s, "it is stopped")
                buffer = stream.next()
                if buffer is not None:
                    return self._frame(stream, buffer)
            if time.monotonic() > end:
                raise timed_out(self.name, timeout_s, "nothing")
            time.sleep(_LOOK_EVERY_S)

    def fire(self) -> None:
        """Raises CameraError: CAMERA_GONE, CAMERA_NO_TRIGGER when it is not set to
        `trigger = "software"`."""
        _, nodes, _ = self._present()
        if self._settings.trigger != "software":
            raise no_trigger(self.name, "software", f'trigger = "{self._settings.trigger}"')
        nodes.write("TriggerSoftware", True)

    @property
    def exposure_range_us(self) -> tuple[float, float]:
        return sfnc.exposure_range_us(self._present()[1])

    def set_exposure(self, microseconds: float) -> float:
        """Brings it into the range of the camera."""
        self._exposure_us = sfnc.change_exposure(self._present()[1], microseconds)
        return self._exposure_us

    def stop(self) -> None:
        nodes, stream = self._nodes, self._stream
        with self._in_use:
            was_running, self._is_running = self._is_running, False
            if nodes is None or stream is None or not was_running:
                return
            for name, value in (("AcquisitionStop", True), ("TLParamsLocked", 0)):
                with suppress(CameraError):  # of a camera that is gone
                    if nodes.has(name):
                        nodes.write(name, value)
            stream.stop()

    def close(self) -> None:
        self.stop()
        device, self._device = self._device, None
        harvester, self._harvester = self._harvester, None
        stream, self._stream, self._nodes = self._stream, None, None
        if stream is not None:
            stream.close()
        if self._sdk is None:
            return
        for step in ([device.close] if device else []) + ([harvester.reset] if harvester else []):
            with suppress(*self._sdk.faults):  # of a camera that is gone
                step()

    def _producers(self) -> list[str]:
        """The `.cti` files; raises CameraError CAMERA_MISSING for one that is not there."""
        named = self._settings.producer
        for each in named:
            if not Path(each).is_file():
                raise missing(self.name, f"the producer {each}", ("no such file",))
        if named:
            return list(named)
        folders = [each for each in os.environ.get(_PATH, "").split(os.pathsep) if each]
        found = [str(file) for folder in folders for file in sorted(Path(folder).glob("*.cti"))]
        if not found:
            raise missing(self.name, f"`producer`, or .cti files in {_PATH}", folders)
        return found

    def _found(self, producers: list[str]) -> Any:
        devices = list(self._harvester.device_info_list)
        settings = self._settings
        for key, asked in (
            ("serial_number", settings.serial),
            ("id_", settings.id),
            ("model", settings.model),
        ):
            if asked is not None:
                devices = [each for each in devices if self._told(each, key) == asked]
        if devices:
            return devices[0]
        there = [
            f"{self._told(each, 'model')} {self._told(each, 'serial_number')}"
            for each in self._harvester.device_info_list
        ]
        asked = settings.serial or settings.id or settings.model or "any camera"
        raise missing(self.name, f"{asked} behind {', '.join(producers)}", there)

    def _told(self, info: Any, key: str) -> str:
        assert self._sdk is not None
        try:
            return str(getattr(info, key))
        except self._sdk.faults:  # optional: some producers do not tell
            return ""

    def _set_up(self, sdk: Sdk, info: Any) -> CameraFacts:
        nodes = self._nodes
        assert nodes is not None
        sfnc.apply_settings(nodes, self._settings)
        if self._settings.trigger == "software" and not nodes.is_command("TriggerSoftware"):
            raise no_trigger(self.name, "software", "the camera has no node TriggerSoftware")
        if not known(nodes.pixel_code()):
            raise unknown_pixels(self.name, nodes.read("PixelFormat"))
        with translated(sdk, self.name, opening=True):
            self._stream = Stream(sdk, self._device, self._settings.buffers)
            self._first_id = 0 if self._told(info, "tl_type") == _COUNT_FROM_0 else 1
        self._exposure_us, self._gain_db = sfnc.exposure_us(nodes), sfnc.gain_db(nodes)
        return CameraFacts(
            self._told(info, "vendor"),
            self._told(info, "model"),
            self._told(info, "serial_number") or self._told(info, "id_"),
            (int(nodes.read("Width")), int(nodes.read("Height"))),
            self._settings.is_simulated,
        )

    def _frame(self, stream: Stream, buffer: Any) -> Frame:
        received_ns = time.monotonic_ns()
        try:
            grabbed = stream.look(buffer)
            number = self._numbers.number(grabbed.frame_id)
            if not grabbed.is_complete:
                raise broken(self.name, number, "the producer says: incomplete")
            try:
                image = to_rgb(
                    grabbed.data,
                    grabbed.pixel_code,
                    grabbed.width,
                    grabbed.height,
                    grabbed.padding,
                )
            except ValueError as error:
                raise broken(self.name, number, error) from error
        finally:
            stream.give_back(buffer)
        return Frame(
            image,
            self.name,
            self._facts.serial,
            number,
            received_ns,
            grabbed.time_ns,
            self._exposure_us,
            self._gain_db,
            is_simulated=self._facts.is_simulated,
        )

    def _present(self) -> tuple[Sdk, GenApiNodes, Stream]:
        if self._sdk is None or self._nodes is None or self._stream is None:
            raise gone(self.name, "it is not open")
        return self._sdk, self._nodes, self._stream
