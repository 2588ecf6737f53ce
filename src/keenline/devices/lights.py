"""Frames taken one after the other under different lights turned into one frame for the part.

Two lights: red is the first image, green the second, blue their mean (halves up). Three: red,
green and blue are the first, second and third. Each image is taken as grey; of a colour camera,
the mean of its channels. A part must not move between its images.

A frame never holds images of different sets: each image must have the number that follows from
how often the camera was fired, or the whole set is broken.
"""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable

from keenline.devices.camera import Camera, CameraFacts, LightSettings
from keenline.devices.light_sets import CountedSets, FiredSets
from keenline.errors import CameraError, Code, FrameBroken
from keenline.types import Frame


@runtime_checkable
class Lights(Protocol):
    """A switch for light channels: a controller, or a camera by its outputs."""

    def select(self, channel: str) -> None:
        """Light `channel` and no other with the next exposure; callable from any thread.

        Raises CameraError when it cannot be switched.
        """


class LitCamera:
    """A camera with its lights, as one camera. Numbers count sets of images.

    It takes the trigger mode of the camera inside: fired, it takes a whole set each time; with
    line or free triggers it sorts what comes by number, so that the first image of a set is that
    with number 1, and for n lights, n + 1, 2n + 1, ...
    """

    def __init__(
        self,
        camera: Camera,
        settings: LightSettings,
        *,
        is_fired: bool,
        lights: Lights | None = None,
    ) -> None:
        """`is_fired`: the camera's trigger is `software`. `lights`: who switches; without it, the
        camera itself, unless the settings leave it to hardware."""
        self.name = camera.name
        self.camera = camera
        self._settings = settings
        self._lights = lights
        self._sets: FiredSets | CountedSets = (FiredSets if is_fired else CountedSets)(
            camera, settings, self._switch
        )

    def open(self) -> CameraFacts:
        """As the camera's own; CAMERA_REFUSED also where it can switch no light."""
        facts = self.camera.open()
        if self._settings.switched_by == "camera" and self._lights is None:
            if not isinstance(self.camera, Lights):
                self.camera.close()
                raise CameraError(
                    Code.CAMERA_REFUSED,
                    "This kind of camera cannot switch lights",
                    where=f"camera {self.name}",
                    next='use a controller that switches by itself: switched_by = "hardware"',
                )
            self._lights = self.camera
        return facts

    def start(self) -> None:
        self._sets.start()

    def fire(self) -> None:
        """Take one set; the first light at once, the others as images come. Raises CameraError
        CAMERA_GONE, CAMERA_NO_TRIGGER."""
        self._sets.fire()

    def grab(self, timeout_s: float) -> Frame:
        """As `Camera.grab`. FrameBroken: an image of the set is missing, late or broken."""
        end = time.monotonic() + timeout_s
        while True:
            frame = self._image(end)
            whole = None if frame is None else self._sets.add(frame)
            if whole is not None:
                return whole

    def stop(self) -> None:
        self._sets.stop()

    def close(self) -> None:
        self.stop()
        self.camera.close()

    def _image(self, end: float) -> Frame | None:
        """One image; None when none came before the set was due, or one that is broken."""
        try:
            left = min(end, self._sets.deadline) - time.monotonic()
            return self.camera.grab(max(0.0, left))
        except FrameBroken as broken:
            self._sets.add_broken(broken)
        except CameraError as error:
            if error.code is not Code.CAMERA_TIMEOUT:
                raise
            self._sets.check_deadline()
            if time.monotonic() >= end or not self._sets.is_running:
                raise
        return None

    def _switch(self, channel: str) -> None:
        if self._lights is not None and self._settings.switched_by == "camera":
            self._lights.select(channel)
            if self._settings.settle_ms:
                time.sleep(self._settings.settle_ms / 1000)
