"""What every camera must do, as a class of tests: a file of tests inherits it and gives a rig.

    class TestFolder(CameraContract):
        @pytest.fixture
        def rig(self, tmp_path):
            yield CameraRig(...)

The camera of a rig is closed and stays silent until `produce` is called.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from keenline.devices.camera import Camera, CameraFacts, SoftwareTriggered
from keenline.errors import CameraError, Code, FrameBroken
from keenline.types import Frame


@dataclass
class CameraRig:
    """One camera with what a test needs to work it."""

    camera: Camera
    """Closed, and silent until `produce`."""
    produce: Callable[[int], None] | None = None
    """Make that many frames come, without waiting for them; None: fire that often."""
    absent: Camera | None = None
    """One of the same kind that is not there; None where a test cannot make one."""
    first_number: int | None = 1
    """Of the first frame after `start`; None where frames may be dropped from the start."""
    size: tuple[int, int] | None = None
    """Width and height of the frames; None: whatever the camera says."""
    wait_s: float = 5.0
    """For one frame."""
    stop_s: float = 1.0
    """Within which a waiting `grab` ends after `stop`."""
    keeps_waiting: bool = False
    """What was produced and not grabbed comes after the next start: a file must not be lost."""
    has_pauses: bool = False
    """`produce` is one at a time: wait for each frame before the next."""


class CameraContract:
    """Inherit it and define the fixture `rig`."""

    @pytest.fixture
    def rig(self) -> CameraRig:
        raise TypeError("a test of a camera defines its rig")

    @pytest.fixture
    def running(self, rig: CameraRig):
        rig.camera.open()
        rig.camera.start()
        yield rig
        rig.camera.stop()
        rig.camera.close()

    def test_it_says_what_it_is(self, rig: CameraRig):
        facts = rig.camera.open()
        try:
            assert isinstance(facts, CameraFacts)
            assert rig.camera.name
            assert facts.vendor
            assert facts.model
            assert facts.serial
            assert rig.size is None or facts.size in (None, rig.size)
        finally:
            rig.camera.close()

    def test_a_frame_is_an_rgb_image_with_what_is_known_of_it(self, running: CameraRig):
        before = time.monotonic_ns()
        frame = one_frame(running)
        assert frame.camera == running.camera.name
        assert frame.serial
        assert frame.image.dtype == np.uint8
        assert frame.image.ndim == 3
        assert frame.image.shape[2] == 3
        assert frame.image.flags.c_contiguous
        assert running.size is None or frame.image.shape[1::-1] == running.size
        assert before <= frame.received_ns <= time.monotonic_ns()
        assert frame.device_time_ns is None or frame.device_time_ns >= 0

    def test_numbers_and_times_rise(self, running: CameraRig):
        frames = some_frames(running, 4)
        numbers = [frame.number for frame in frames]
        times = [frame.received_ns for frame in frames]
        assert running.first_number in (None, numbers[0])
        if running.first_number is not None:
            assert numbers == list(range(numbers[0], numbers[0] + 4))
        assert numbers == sorted(set(numbers))
        assert times == sorted(times)
        devices = [frame.device_time_ns for frame in frames]
        if None not in devices:
            assert devices == sorted(devices, key=lambda each: each or 0)

    def test_a_frame_keeps_its_pixels_while_others_come(self, running: CameraRig):
        first = one_frame(running)
        kept = first.image.copy()
        some_frames(running, 3)
        assert np.array_equal(first.image, kept)

    def test_no_frame_in_time_is_a_timeout(self, running: CameraRig):
        for timeout_s in (0.05, 0.3):
            started = time.monotonic()
            with pytest.raises(CameraError) as caught:
                running.camera.grab(timeout_s)
            took = time.monotonic() - started
            assert caught.value.code == Code.CAMERA_TIMEOUT
            assert not isinstance(caught.value, FrameBroken)
            assert timeout_s * 0.9 <= took <= timeout_s + 0.5

    def test_a_timeout_costs_no_later_frame(self, running: CameraRig):
        with pytest.raises(CameraError):
            running.camera.grab(0.05)
        frame = one_frame(running)
        assert running.first_number in (None, frame.number)

    def test_a_waiting_grab_ends_after_stop(self, running: CameraRig):
        ended: list[tuple[float, CameraError]] = []

        def wait() -> None:
            try:
                running.camera.grab(30.0)
            except CameraError as error:
                ended.append((time.monotonic(), error))

        waiter = threading.Thread(target=wait)
        waiter.start()
        time.sleep(0.2)
        stopped = time.monotonic()
        running.camera.stop()
        waiter.join(running.stop_s + 5.0)
        assert ended, "grab went on after stop"
        assert ended[0][0] - stopped < running.stop_s
        assert ended[0][1].code in (Code.CAMERA_TIMEOUT, Code.CAMERA_GONE)

    def test_it_starts_anew_and_brings_no_old_frame(self, running: CameraRig):
        one_frame(running)
        request(running)
        time.sleep(0.2)
        running.camera.stop()
        running.camera.start()
        if running.keeps_waiting:
            waiting = running.camera.grab(running.wait_s)
            assert running.first_number in (None, waiting.number)
        with pytest.raises(CameraError) as caught:
            running.camera.grab(0.3)
        assert caught.value.code == Code.CAMERA_TIMEOUT
        if not running.keeps_waiting:
            assert running.first_number in (None, one_frame(running).number)

    def test_it_opens_again_after_close(self, rig: CameraRig):
        for _ in range(3):
            first = rig.camera.open()
            rig.camera.start()
            assert one_frame(rig).serial == first.serial
            rig.camera.stop()
            rig.camera.close()

    def test_stop_and_close_may_come_at_any_time_and_twice(self, rig: CameraRig):
        rig.camera.close()
        rig.camera.open()
        rig.camera.close()
        rig.camera.close()
        rig.camera.open()
        rig.camera.stop()
        rig.camera.start()
        rig.camera.stop()
        rig.camera.stop()
        rig.camera.close()
        rig.camera.stop()
        rig.camera.close()

    def test_close_without_stop_ends_it_too(self, rig: CameraRig):
        rig.camera.open()
        rig.camera.start()
        one_frame(rig)
        rig.camera.close()

    def test_one_that_is_not_there_is_missing(self, rig: CameraRig):
        if rig.absent is None:
            pytest.skip("this kind cannot be absent")
        with pytest.raises(CameraError) as caught:
            rig.absent.open()
        assert caught.value.code == Code.CAMERA_MISSING
        assert caught.value.where
        assert caught.value.next
        rig.absent.close()

    def test_nothing_is_left_behind(self, rig: CameraRig):
        def once() -> None:
            rig.camera.open()
            rig.camera.start()
            one_frame(rig)
            rig.camera.stop()
            rig.camera.close()

        once()  # what a library keeps for the whole process
        threads, files = living_threads(), open_files()
        for _ in range(3):
            once()
        assert soon(lambda: living_threads() <= threads), threading.enumerate()
        assert soon(lambda: open_files() <= files), f"{files} files before, {open_files()} after"


def request(rig: CameraRig, count: int = 1) -> None:
    """Make frames come, in the rig's way."""
    if rig.produce is not None:
        rig.produce(count)
        return
    assert isinstance(rig.camera, SoftwareTriggered)
    for _ in range(count):
        rig.camera.fire()


def one_frame(rig: CameraRig) -> Frame:
    request(rig)
    return rig.camera.grab(rig.wait_s)


def some_frames(rig: CameraRig, count: int) -> list[Frame]:
    if rig.has_pauses:
        return [one_frame(rig) for _ in range(count)]
    request(rig, count)
    return [rig.camera.grab(rig.wait_s) for _ in range(count)]


def living_threads() -> int:
    return threading.active_count()


def open_files() -> int:
    """File handles of this process; 0 where the system does not tell."""
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.is_dir() else 0  # noqa: PTH208 names only


def soon(holds: Callable[[], bool], within_s: float = 3.0) -> bool:
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
