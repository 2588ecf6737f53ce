"""Turns what any GenICam camera sends, through its maker's GenTL producer, into frames.

A producer is a `.cti` file that comes with the camera's driver (EMVA "GenICam GenTL Standard"
1.6); harvesters reads the descriptions of the devices behind it.
"""

from __future__ import annotations

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
from keenline.devices.genicam_nodes import GenApiNodes, Sdk, answers, load, translated
from keenline.devices.genicam_producer import Producers, producer_files
from keenline.devices.genicam_stream import Stream
from keenline.devices.pixel_formats import known, to_rgb
from keenline.errors import CameraError
from keenline.strict_toml import content_fault
from keenline.types import Frame

_LOOK_EVERY_S = 0.0005
_ASK_EVERY_S = 1.0
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
        self._producers: Producers | None = None
        self._device: Any = None
        self._nodes: GenApiNodes | None = None
        self._stream: Stream | None = None
        self._facts = CameraFacts("", "", "", None)
        self._numbers = FrameNumbers(1)
        self._first_id = 1
        self._is_running = False
        self._ask_again = 0.0
        self._in_use = threading.Lock()  # its buffers are not freed while one is being copied
        self._exposure_us: float | None = None
        self._gain_db: float | None = None

    def open(self) -> CameraFacts:
        self.close()
        sdk = self._sdk = load()
        files = producer_files(self._settings.producer)
        for each in files:
            if not Path(each).is_file():
                raise missing(self.name, f"the producer {each}", ("no such file",))
        try:
            with translated(sdk, self.name, opening=True):
                self._producers = Producers(sdk, files)
                info = self._found(files)
                self._device = info.create_device()
                self._device.open(sdk.gentl.DEVICE_ACCESS_FLAGS_LIST.DEVICE_ACCESS_EXCLUSIVE)
                owner = sdk.harvesters.Device(module=self._device, parent=None)
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
                self._check_presence(sdk)
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

    def select(self, channel: str) -> None:
        """Light this channel and no other, by the outputs of the camera."""
        sfnc.select_light(self._present()[1], self._settings.light_outputs, channel)

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
        stream, self._stream, self._nodes = self._stream, None, None
        device, self._device = self._device, None
        producers, self._producers = self._producers, None
        if stream is not None:
            stream.close()
        if device is not None and self._sdk is not None:
            with suppress(*self._sdk.faults):  # of a camera that is gone
                device.close()
        if producers is not None:
            producers.release()

    def _found(self, files: list[str]) -> Any:
        """The device that the settings name; raises CameraError CAMERA_MISSING."""
        assert self._producers is not None
        there = self._producers.devices()
        settings = self._settings
        keys = {"serial_number": settings.serial, "id_": settings.id, "model": settings.model}
        asked = {key: value for key, value in keys.items() if value is not None}
        for device in there:
            if all(self._told(device, key) == value for key, value in asked.items()):
                return device
        wanted = next(iter(asked.values()), "any camera")
        behind = ", ".join(files) or "no producer: neither `producer` nor GENICAM_GENTL64_PATH"
        names = [
            f"{self._told(each, 'model')} {self._told(each, 'serial_number')}" for each in there
        ]
        raise missing(self.name, f"{wanted} behind {behind}", names)

    def _check_presence(self, sdk: Sdk) -> None:
        """Raises CameraError CAMERA_GONE; at most once a second it asks the camera."""
        if time.monotonic() < self._ask_again:
            return
        self._ask_again = time.monotonic() + _ASK_EVERY_S
        if self._device is not None and not answers(sdk, self._device):
            raise gone(self.name, "it does not answer any more")

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
