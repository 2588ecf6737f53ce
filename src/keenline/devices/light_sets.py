"""Single images, by number, turned into whole sets of one image for each light, or broken ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from keenline.devices.camera import Camera, LightSettings, SoftwareTriggered
from keenline.errors import CameraError, Code, FrameBroken
from keenline.types import Frame, Image

_NEVER = float("inf")


class FiredSets:
    """Sets of a camera that is fired: light after light, as the images come.

    Whenever an image is missing, late, broken or has an unexpected number, its set is broken and
    acquisition starts anew, after which no image of it can come: numbers begin at 1 again.
    """

    def __init__(
        self, camera: Camera, settings: LightSettings, switch: Callable[[str], None]
    ) -> None:
        self._camera = camera
        self._channels = settings.channels
        self._timeout_s = settings.timeout_ms / 1000
        self._switch = switch
        self._lock = threading.RLock()
        self.is_running = False
        self.deadline = _NEVER
        """Monotonic seconds at which the image that is awaited is late."""
        self._frames: list[Frame] = []
        self._wanted = self._number = self._fired = 0

    def start(self) -> None:
        with self._lock:
            self._wanted = self._number = 0
            self._restart()
            self.is_running = True

    def stop(self) -> None:
        with self._lock:
            self.is_running = False
            self.deadline = _NEVER
            self._camera.stop()

    def fire(self) -> None:
        with self._lock:
            self._wanted += 1
            if self._wanted == 1:
                self._begin()

    def add(self, frame: Frame) -> Frame | None:
        """The whole set that `frame` completes. Raises FrameBroken."""
        with self._lock:
            if not self.is_running:
                return None
            if not self._wanted or frame.number != self._fired:
                self._give_up("an image with an unexpected number", f"number {frame.number}")
            self._frames.append(frame)
            if len(self._frames) < len(self._channels):
                self._light()
                return None
            frames, number = self._frames, self._number
            self._end()
        return combined(frames, self._channels, number)

    def add_broken(self, broken: FrameBroken) -> None:
        """An image came that cannot be used. Raises FrameBroken."""
        with self._lock:
            if self.is_running:
                self._give_up("a broken image", broken.what)

    def check_deadline(self) -> None:
        """Raises FrameBroken when the image that is awaited is late."""
        with self._lock:
            if self.is_running and time.monotonic() >= self.deadline:
                light = self._channels[len(self._frames)]
                self._give_up("an image that did not come in time", f"light {light}")

    def _begin(self) -> None:
        self._number += 1
        self._frames = []
        self._light()

    def _light(self) -> None:
        if not isinstance(self._camera, SoftwareTriggered):
            raise CameraError(
                Code.CAMERA_NO_TRIGGER,
                "This camera cannot be fired from here",
                where=f"camera {self._camera.name}",
                next='choose another trigger, with switched_by = "hardware"',
            )
        self._switch(self._channels[len(self._frames)])
        self._camera.fire()
        self._fired += 1
        self.deadline = time.monotonic() + self._timeout_s

    def _end(self) -> None:
        self.deadline = _NEVER
        self._wanted = max(0, self._wanted - 1)
        if self._wanted:
            self._begin()

    def _give_up(self, why: str, got: str) -> NoReturn:
        # A frame that nobody asked for: whose it is cannot be said, and its number neither.
        number = self._number if self._wanted else None
        self._restart()
        self._end()
        raise _broken(self._camera.name, number, why, got)

    def _restart(self) -> None:
        self._camera.stop()
        self._camera.start()
        self._frames, self._fired, self.deadline = [], 0, _NEVER


class CountedSets:
    """Sets of a camera that others trigger, with lights that switch themselves: by number alone."""

    def __init__(
        self, camera: Camera, settings: LightSettings, switch: Callable[[str], None]
    ) -> None:
        del switch  # by hardware
        self._camera = camera
        self._channels = settings.channels
        self._timeout_s = settings.timeout_ms / 1000
        self.is_running = False
        self.deadline = _NEVER
        self._number = 0
        self._frames: dict[int, Frame] = {}

    def start(self) -> None:
        self._number, self._frames, self.deadline = 0, {}, _NEVER
        self._camera.start()
        self.is_running = True

    def stop(self) -> None:
        self.is_running = False
        self._camera.stop()

    def fire(self) -> None:
        raise CameraError(
            Code.CAMERA_NO_TRIGGER,
            "This camera is triggered by hardware, not from here",
            where=f"camera {self._camera.name}",
            next='set trigger = "software" at the camera',
        )

    def add(self, frame: Frame) -> Frame | None:
        """The whole set that `frame` completes. Raises FrameBroken."""
        number, place = self._place(frame.number)
        before, had_frames = self._number, bool(self._frames)
        if number != before:
            self._number, self._frames = number, {}
        self._frames[place] = frame
        self.deadline = time.monotonic() + self._timeout_s
        if number != before and had_frames:
            raise _broken(self._camera.name, before, "an image that never came", "")
        if place < len(self._channels) - 1:
            return None
        return self._end()

    def add_broken(self, broken: FrameBroken) -> None:
        """An image came that cannot be used: its set fails when the last one comes, or is late."""
        if broken.number is None:
            number, self._frames, self.deadline = self._number, {}, _NEVER
            raise _broken(self._camera.name, None, "a broken image", f"after set {number}")
        number, place = self._place(broken.number)
        if number != self._number:
            incomplete = self._number if self._frames else 0
            self._number, self._frames = number, {}
            if incomplete:
                raise _broken(self._camera.name, incomplete, "an image that never came", "")
        self.deadline = time.monotonic() + self._timeout_s
        if place == len(self._channels) - 1:
            self._end()

    def check_deadline(self) -> None:
        """Raises FrameBroken when the rest of a set is late."""
        if self.is_running and time.monotonic() >= self.deadline:
            self._end()

    def _place(self, number: int) -> tuple[int, int]:
        """Which set, from 1, and which image of it, from 0."""
        sets, place = divmod(number - 1, len(self._channels))
        return sets + 1, place

    def _end(self) -> Frame:
        frames, self._frames, self.deadline = self._frames, {}, _NEVER
        if len(frames) < len(self._channels):
            missing = [name for place, name in enumerate(self._channels) if place not in frames]
            words = "an image that is missing or broken"
            raise _broken(self._camera.name, self._number, words, f"light {', '.join(missing)}")
        return combined([frames[place] for place in sorted(frames)], self._channels, self._number)


def combined(frames: list[Frame], channels: tuple[str, ...], number: int) -> Frame:
    """One frame of two or three; raises FrameBroken when their sizes differ."""
    greys = [_grey(frame.image) for frame in frames]
    if len({grey.shape for grey in greys}) > 1:
        sizes = ", ".join(f"{grey.shape[1]} x {grey.shape[0]}" for grey in greys)
        raise _broken(frames[0].camera, number, "images of different sizes", sizes)
    if len(greys) == 2:
        mean = (greys[0].astype(np.uint16) + greys[1] + 1) >> 1
        greys.append(mean.astype(np.uint8))
    return replace(
        frames[0],
        image=np.stack(greys, axis=2),
        number=number,
        received_ns=frames[-1].received_ns,
        lights=channels,
    )


def _grey(image: Image) -> NDArray[np.uint8]:
    first: NDArray[np.uint8] = image[..., 0]
    if np.array_equal(first, image[..., 1]) and np.array_equal(first, image[..., 2]):
        return first
    return np.asarray(np.rint(image.mean(axis=2, dtype=np.float32)), np.uint8)


def _broken(camera: str, number: int | None, why: str, got: str) -> FrameBroken:
    where = f"camera {camera}" + ("" if number is None else f", set {number}")
    facts = {"got": got} if got else {}
    return FrameBroken(f"A set of lights has {why}", number=number, where=where, **facts)
