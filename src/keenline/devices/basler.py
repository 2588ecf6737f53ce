"""Turns what a Basler camera sends, through pypylon, into frames; also the pylon emulator.

Basler's own terms: pylon C++ API and "Basler Product Documentation" (docs.baslerweb.com,
retrieved November 2026). The emulator (`PYLON_CAMEMU=1` in the environment) exposes every 10 ms.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Literal

from pydantic import Field, model_validator

from keenline.devices import sfnc
from keenline.devices.basler_nodes import PylonNodes, load, translated
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
from keenline.devices.pixel_formats import known, to_rgb
from keenline.errors import CameraError, Code
from keenline.strict_toml import content_fault
from keenline.types import Frame

_SLICE_S = 0.1  # how soon a waiting `grab` sees that the camera was removed
_READY_S = 1.0  # beyond the exposure, for reading out the frame before
_EMULATOR = "BaslerCamEmu"
_GIGE = "BaslerGigE"


class BaslerSettings(sfnc.SfncSettings):
    """`kind = "basler"`: a Basler camera, GigE or USB; the first that is found, or the one named.

    At most one of `serial`, `ip` and `user_name` may be given.
    """

    kind: Literal["basler"]
    serial: str | None = Field(default=None, min_length=1)
    ip: str | None = Field(default=None, pattern=r"^\d{1,3}(\.\d{1,3}){3}$")
    user_name: str | None = Field(default=None, min_length=1)
    """SFNC DeviceUserID, as it was written into the camera."""
    packet_size: int | None = Field(default=None, ge=220, le=16_404)
    """GevSCPSPacketSize, bytes; GigE cameras only. 1500 without, 8192 with jumbo frames."""
    heartbeat_ms: int | None = Field(default=None, ge=500, le=60_000)
    """After which a GigE camera lets go of a station that died; GigE cameras only."""

    @model_validator(mode="after")
    def _one_way_to_find_it(self) -> BaslerSettings:
        if sum(each is not None for each in (self.serial, self.ip, self.user_name)) > 1:
            raise content_fault("allowed: one of serial, ip and user_name", "serial")
        return self

    def build(self) -> BaslerCamera:
        return BaslerCamera(self)


class BaslerCamera:
    """A `Camera`; software-triggered and exposure-adjustable."""

    def __init__(self, settings: BaslerSettings) -> None:
        self.name = settings.name
        self._settings = settings
        self._camera: Any = None
        self._pylon: Any = None
        self._genicam: Any = None
        self._facts = CameraFacts("", "", "", None)
        self._nodes: PylonNodes | None = None
        self._numbers = FrameNumbers(0)
        self._exposure_us: float | None = None
        self._gain_db: float | None = None
        self._tick_ns = 1.0

    def open(self) -> CameraFacts:
        self.close()
        self._pylon, self._genicam = load()
        with translated(self._genicam, self.name, opening=True):
            camera = self._pylon.InstantCamera(self._found())
            self._camera = camera
            camera.Open()
            camera.MaxNumBuffer.SetValue(self._settings.buffers)
        try:
            self._facts = self._set_up(camera)
        except CameraError:
            self.close()
            raise
        return self._facts

    def start(self) -> None:
        camera = self._present()
        camera_counts_from = 1 if camera.GetDeviceInfo().GetDeviceClass() == _GIGE else 0
        with translated(self._genicam, self.name):
            camera.StopGrabbing()
            self._numbers = FrameNumbers(camera_counts_from)
            camera.StartGrabbing(self._pylon.GrabStrategy_OneByOne)

    def grab(self, timeout_s: float) -> Frame:
        """Copies the frame, so that its buffer is free again when this returns."""
        camera = self._present()
        end = time.monotonic() + timeout_s
        while True:
            left = end - time.monotonic()
            with translated(self._genicam, self.name):
                if camera.IsCameraDeviceRemoved():
                    raise gone(self.name, "the camera was removed")
                result = camera.RetrieveResult(
                    max(0, round(min(left, _SLICE_S) * 1000)), self._pylon.TimeoutHandling_Return
                )
                if result.IsValid():
                    return self._frame(result)
                is_grabbing = camera.IsGrabbing()
            if left <= _SLICE_S or not is_grabbing:
                raise timed_out(self.name, timeout_s, "nothing" if is_grabbing else "it is stopped")

    def fire(self) -> None:
        """Waits until the camera can take a trigger, at most one exposure and 1 s.

        Raises CameraError: CAMERA_GONE, CAMERA_TIMEOUT when it does not become ready (as when its
        frames are not taken), CAMERA_NO_TRIGGER when it is not set to `trigger = "software"`.
        """
        camera = self._present()
        if self._settings.trigger != "software":
            raise no_trigger(self.name, "software", f'trigger = "{self._settings.trigger}"')
        bound_ms = round(_READY_S * 1000 + (self._exposure_us or 0) / 1000)
        with translated(self._genicam, self.name):
            if camera.IsCameraDeviceRemoved() or not camera.IsGrabbing():
                raise gone(self.name, "it is removed or stopped")
            if camera.CanWaitForFrameTriggerReady() and not camera.WaitForFrameTriggerReady(
                bound_ms, self._pylon.TimeoutHandling_Return
            ):
                raise CameraError(
                    Code.CAMERA_TIMEOUT,
                    "The camera is not ready for a trigger",
                    where=f"camera {self.name}",
                    expected=f"ready within {bound_ms} ms",
                    next="trigger less often, or shorten the exposure",
                )
            camera.ExecuteSoftwareTrigger()

    @property
    def exposure_range_us(self) -> tuple[float, float]:
        return sfnc.exposure_range_us(self._open_nodes())

    def set_exposure(self, microseconds: float) -> float:
        """Brings it into the range of the camera."""
        self._exposure_us = sfnc.change_exposure(self._open_nodes(), microseconds)
        return self._exposure_us

    def select(self, channel: str) -> None:
        """Light this channel and no other, by the outputs of the camera."""
        sfnc.select_light(self._open_nodes(), self._settings.light_outputs, channel)

    def stop(self) -> None:
        camera = self._camera
        if camera is not None:
            with suppress(self._genicam.GenericException):  # of a camera that is already gone
                camera.StopGrabbing()

    def close(self) -> None:
        camera, self._camera, self._nodes = self._camera, None, None
        if camera is None:
            return
        for step in (camera.StopGrabbing, camera.Close, camera.DestroyDevice):
            with suppress(self._genicam.GenericException):  # of a camera that is already gone
                step()

    def _found(self) -> Any:
        """The device that the settings name; raises CameraError CAMERA_MISSING."""
        wanted = self._pylon.DeviceInfo()
        settings = self._settings
        if settings.serial is not None:
            wanted.SetSerialNumber(settings.serial)
        if settings.ip is not None:
            wanted.SetIpAddress(settings.ip)
        if settings.user_name is not None:
            wanted.SetUserDefinedName(settings.user_name)
        factory = self._pylon.TlFactory.GetInstance()
        found = factory.EnumerateDevices([wanted])
        if not found:
            there = [each.GetSerialNumber() for each in factory.EnumerateDevices()]
            asked = settings.serial or settings.ip or settings.user_name
            raise missing(self.name, asked or "any Basler camera", there)
        return factory.CreateDevice(found[0])

    def _set_up(self, camera: Any) -> CameraFacts:
        nodes = self._nodes = PylonNodes(self._genicam, camera.GetNodeMap(), self.name)
        self._set_network(camera)
        sfnc.apply_settings(nodes, self._settings)
        code = nodes.pixel_code()
        if not known(code):
            raise unknown_pixels(self.name, nodes.read("PixelFormat"))
        self._exposure_us, self._gain_db = sfnc.exposure_us(nodes), sfnc.gain_db(nodes)
        # Without this node time stamps are in nanoseconds (USB, ace 2).
        if nodes.has("GevTimestampTickFrequency"):
            self._tick_ns = 1e9 / float(nodes.read("GevTimestampTickFrequency"))
        info = camera.GetDeviceInfo()
        return CameraFacts(
            info.GetVendorName(),
            info.GetModelName(),
            info.GetSerialNumber(),
            (int(nodes.read("Width")), int(nodes.read("Height"))),
            info.GetDeviceClass() == _EMULATOR,
        )

    def _set_network(self, camera: Any) -> None:
        settings = self._settings
        if settings.packet_size is not None:
            sfnc.set_node(self._open_nodes(), "GevSCPSPacketSize", settings.packet_size)
        if settings.heartbeat_ms is not None:
            layer = PylonNodes(self._genicam, camera.GetTLNodeMap(), self.name)
            sfnc.set_node(layer, "HeartbeatTimeout", settings.heartbeat_ms)

    def _frame(self, result: Any) -> Frame:
        received_ns = time.monotonic_ns()
        number = self._numbers.number(int(result.GetBlockID()))
        try:
            if not result.GrabSucceeded():
                raise broken(
                    self.name,
                    number,
                    f"{result.GetErrorDescription()} ({result.GetErrorCode():#x})",
                )
            stamp = int(result.GetTimeStamp())
            with result.GetMemoryView() as data:
                image = to_rgb(
                    data,
                    int(result.GetPixelType()),
                    int(result.GetWidth()),
                    int(result.GetHeight()),
                    int(result.GetPaddingX()),
                )
        except ValueError as error:
            raise broken(self.name, number, error) from error
        finally:
            result.Release()
        return Frame(
            image,
            self.name,
            self._facts.serial,
            number,
            received_ns,
            round(stamp * self._tick_ns) if stamp else None,  # the emulator always says 0
            self._exposure_us,
            self._gain_db,
            is_simulated=self._facts.is_simulated,
        )

    def _present(self) -> Any:
        camera = self._camera
        if camera is None:
            raise gone(self.name, "it is not open")
        return camera

    def _open_nodes(self) -> PylonNodes:
        if self._nodes is None:
            raise gone(self.name, "it is not open")
        return self._nodes
