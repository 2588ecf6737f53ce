"""Turns what a GigE Vision or USB3 Vision camera sends, through Aravis, into frames.

Aravis (aravisproject.github.io, LGPL) speaks both protocols itself: no driver of the maker is
needed. Its Python bindings come with the system, not from PyPI.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any, Literal

from pydantic import Field, model_validator

from keenline.devices import sfnc
from keenline.devices.aravis_nodes import AravisNodes, Bindings, load, translated
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
from keenline.errors import CameraError
from keenline.strict_toml import content_fault
from keenline.types import Frame

_SLICE_S = 0.05  # how soon a waiting `grab` sees that it was stopped or the camera is lost
_FAKE = ("Aravis", "Fake")  # vendor and model of the cameras that Aravis makes up


class AravisSettings(sfnc.SfncSettings):
    """`kind = "aravis"`: a GigE Vision or USB3 Vision camera; the first, or the one named.

    At most one of `serial` and `ip` may be given.
    """

    kind: Literal["aravis"]
    serial: str | None = Field(default=None, min_length=1)
    ip: str | None = Field(default=None, pattern=r"^\d{1,3}(\.\d{1,3}){3}$")
    packet_size: int | None = Field(default=None, ge=220, le=16_404)
    """GevSCPSPacketSize, bytes; GigE cameras only. 1500 without, 8192 with jumbo frames."""

    @model_validator(mode="after")
    def _one_way_to_find_it(self) -> AravisSettings:
        if self.serial is not None and self.ip is not None:
            raise content_fault("allowed: one of serial and ip", "serial")
        return self

    def build(self) -> AravisCamera:
        return AravisCamera(self)


class AravisCamera:
    """A `Camera`; software-triggered and exposure-adjustable where its nodes are."""

    def __init__(self, settings: AravisSettings) -> None:
        self.name = settings.name
        self._settings = settings
        self._bindings: Bindings | None = None
        self._camera: Any = None
        self._nodes: AravisNodes | None = None
        self._stream: Any = None
        self._facts = CameraFacts("", "", "", None)
        self._numbers = FrameNumbers(None)
        self._exposure_us: float | None = None
        self._gain_db: float | None = None
        self._lost = threading.Event()
        self._in_use = threading.Lock()  # the stream is not ended while a frame is being copied

    def open(self) -> CameraFacts:
        self.close()
        bindings = self._bindings = load()
        address = self._found(bindings)
        with translated(bindings, self.name, opening=True):
            self._camera = bindings.aravis.Camera.new(address)
        try:
            self._facts = self._set_up(bindings)
        except CameraError:
            self.close()
            raise
        return self._facts

    def start(self) -> None:
        self.stop()
        bindings, nodes = self._present()
        with translated(bindings, self.name):
            # A stream of its own each time: what waits in the one before ends with it.
            stream = self._camera.create_stream(None, None)
            if stream is None:
                raise gone(self.name, "it opens no stream")
            size = self._camera.get_payload()
            for _ in range(self._settings.buffers):
                stream.push_buffer(bindings.aravis.Buffer.new_allocate(size))
            self._stream = stream
            # Not all cameras begin anew with 1: what comes first counts as the first.
            self._numbers = FrameNumbers(None)
            nodes.write("AcquisitionStart", True)

    def grab(self, timeout_s: float) -> Frame:
        """Copies the frame, so that its buffer is free again when this returns.

        Aravis holds an incomplete frame back for a while, in case its packets still come. One
        behind which others have come is left out: its number is missing since then.
        """
        bindings, _ = self._present()
        end = time.monotonic() + timeout_s
        while True:
            left = end - time.monotonic()
            with self._in_use:
                if self._lost.is_set():
                    raise gone(self.name, "it does not answer any more")
                if self._stream is None:
                    raise timed_out(self.name, timeout_s, "it is stopped")
                slice_us = max(0, round(min(left, _SLICE_S) * 1e6))
                buffer = self._stream.timeout_pop_buffer(slice_us)
                frame = None if buffer is None else self._taken(bindings, buffer)
            if frame is not None:
                return frame
            if left <= _SLICE_S:
                raise timed_out(self.name, timeout_s, "nothing")

    def fire(self) -> None:
        """Raises CameraError: CAMERA_GONE, CAMERA_NO_TRIGGER when it is not set to
        `trigger = "software"`."""
        _, nodes = self._present()
        if self._settings.trigger != "software":
            raise no_trigger(self.name, "software", f'trigger = "{self._settings.trigger}"')
        if self._lost.is_set():
            raise gone(self.name, "it does not answer any more")
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
        with self._in_use:
            stream, self._stream = self._stream, None
        nodes = self._nodes
        if stream is None or nodes is None:
            return
        if not self._lost.is_set():  # it would wait for an answer until it gives up
            with suppress(CameraError):  # of a camera that is gone
                nodes.write("AcquisitionStop", True)
        del stream  # its thread ends and its buffers are freed with the last reference

    def close(self) -> None:
        """Aravis lets go of the camera with the last reference to it, which is dropped here."""
        self.stop()
        nodes, self._nodes, self._camera = self._nodes, None, None
        if nodes is not None:
            nodes.let_go()

    def _found(self, bindings: Bindings) -> str | None:
        """What Aravis opens it by; None: the first. Raises CameraError CAMERA_MISSING."""
        settings = self._settings
        if settings.ip is not None:
            return settings.ip
        aravis = bindings.aravis
        aravis.update_device_list()
        there = {
            aravis.get_device_serial_nbr(place): aravis.get_device_id(place)
            for place in range(aravis.get_n_devices())
        }
        if settings.serial in there:
            return str(there[settings.serial])
        if settings.serial is not None or not there:
            asked = settings.serial or "any GigE Vision or USB3 Vision camera"
            raise missing(self.name, asked, [str(each) for each in there.values()])
        return None

    def _set_up(self, bindings: Bindings) -> CameraFacts:
        with translated(bindings, self.name, opening=True):
            # No name here for camera or device: an error would keep them alive, and in control.
            nodes = self._nodes = AravisNodes(bindings, self._camera.get_device(), self.name)
            # Without a reference to this camera, which would keep it open for ever.
            lost = self._lost = threading.Event()
            self._camera.get_device().connect("control-lost", lambda *_: lost.set())
            vendor, model = self._camera.get_vendor_name(), self._camera.get_model_name()
            serial = self._camera.get_device_serial_number() or self._camera.get_device_id()
        if self._settings.packet_size is not None:
            sfnc.set_node(nodes, "GevSCPSPacketSize", self._settings.packet_size)
        sfnc.apply_settings(nodes, self._settings)
        if self._settings.trigger == "software" and not nodes.is_command("TriggerSoftware"):
            raise no_trigger(self.name, "software", "the camera has no node TriggerSoftware")
        if not known(nodes.pixel_code()):
            raise unknown_pixels(self.name, nodes.read("PixelFormat"))
        self._exposure_us, self._gain_db = sfnc.exposure_us(nodes), sfnc.gain_db(nodes)
        size = (int(nodes.read("Width")), int(nodes.read("Height")))
        return CameraFacts(vendor, model, serial, size, (vendor, model) == _FAKE)

    def _taken(self, bindings: Bindings, buffer: Any) -> Frame | None:
        """The frame; None for a late one. The buffer is free again in any case."""
        received_ns = time.monotonic_ns()
        newest = self._numbers.newest
        number = self._numbers.number(int(buffer.get_frame_id()))
        try:
            return None if number <= newest else self._frame(bindings, buffer, number, received_ns)
        finally:
            self._stream.push_buffer(buffer)

    def _frame(self, bindings: Bindings, buffer: Any, number: int, received_ns: int) -> Frame:
        status = buffer.get_status()
        if status != bindings.aravis.BufferStatus.SUCCESS:
            raise broken(self.name, number, status.value_nick)
        try:
            image = to_rgb(
                buffer.get_image_data(),
                buffer.get_image_pixel_format(),
                buffer.get_image_width(),
                buffer.get_image_height(),
                buffer.get_image_padding().x_padding,
            )
        except ValueError as error:
            raise broken(self.name, number, error) from error
        return Frame(
            image,
            self.name,
            self._facts.serial,
            number,
            received_ns,
            int(buffer.get_timestamp()) or None,
            self._exposure_us,
            self._gain_db,
            is_simulated=self._facts.is_simulated,
        )

    def _present(self) -> tuple[Bindings, AravisNodes]:
        if self._bindings is None or self._nodes is None:
            raise gone(self.name, "it is not open")
        return self._bindings, self._nodes
