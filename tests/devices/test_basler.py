"""Basler cameras against Basler's own emulator: triggers, settings, failures, removal."""

from __future__ import annotations

import inspect
import statistics
import time
from collections.abc import Iterator

import pytest
from tests.devices.basler_emulator import device, fired, settings, start_emulator
from tests.devices.camera_contract import CameraContract, CameraRig

from keenline.devices.basler import BaslerCamera
from keenline.devices.basler_nodes import FAULTS, meaning
from keenline.devices.camera import ExposureAdjustable, SoftwareTriggered
from keenline.errors import CameraError, Code, FrameBroken


@pytest.fixture(scope="session", autouse=True)
def emulator() -> None:
    start_emulator()


@pytest.fixture
def camera(request) -> Iterator[BaslerCamera]:
    made = settings(**getattr(request, "param", {})).build()
    made.open()
    made.start()
    yield made
    made.close()


def edge(camera: BaslerCamera, count: int = 1) -> None:
    """A stand-in for the edge of a line: the emulator takes a software trigger for it."""
    for _ in range(count):
        device(camera).WaitForFrameTriggerReady(1000)
        device(camera).TriggerSoftware.Execute()


class TestFired(CameraContract):
    @pytest.fixture
    def rig(self):
        absent = settings(serial="0000-9999").build()
        return CameraRig(settings().build(), absent=absent, size=(320, 240))


class TestLine(CameraContract):
    @pytest.fixture
    def rig(self):
        made = settings(trigger="line").build()
        absent = settings(serial=None, user_name="nobody").build()
        return CameraRig(made, lambda count: edge(made, count), absent=absent, size=(320, 240))


# What it is and how it is found


def test_the_first_camera_is_taken_where_none_is_named():
    camera = settings(serial=None).build()
    facts = camera.open()
    camera.close()
    assert (facts.vendor, facts.model, facts.serial) == ("Basler", "Emulation", "0815-0000")
    assert facts.is_simulated
    assert facts.size == (320, 240)


def test_a_missing_camera_says_which_are_there():
    with pytest.raises(CameraError, match="0815-0000, 0815-0001") as caught:
        settings(serial=None, ip="192.0.2.1").build().open()
    assert caught.value.code == Code.CAMERA_MISSING
    assert caught.value.expected == "192.0.2.1"


def test_it_is_named_in_one_way_only():
    with pytest.raises(ValueError, match="one of serial, ip and user_name"):
        settings(ip="192.0.2.1")


def test_it_can_be_fired_and_exposed(camera):
    assert isinstance(camera, SoftwareTriggered)
    assert isinstance(camera, ExposureAdjustable)
    assert camera.exposure_range_us == (1.0, 10_000_000.0)
    assert camera.set_exposure(2500) == 2500
    assert fired(camera).exposure_us == 2500
    assert camera.set_exposure(1e12) == 10_000_000


# Failures


def test_a_failed_buffer_is_a_broken_frame_with_its_number(camera):
    assert fired(camera).number == 1
    device(camera).ForceFailedBufferCount.SetValue(2)
    device(camera).ForceFailedBuffer.Execute()
    numbers = []
    for _ in range(2):
        camera.fire()
        with pytest.raises(FrameBroken) as caught:
            camera.grab(2.0)
        numbers.append(caught.value.number)
    assert numbers == [2, 3]
    assert fired(camera).number == 4


@pytest.mark.parametrize("camera", [{"trigger": "free"}], indirect=True)
def test_skipped_frames_are_a_gap_in_the_numbers(camera):
    from pypylon import pylon

    camera.stop()
    device(camera).StartGrabbing(pylon.GrabStrategy_LatestImageOnly)
    before = camera.grab(2.0).number
    time.sleep(0.3)
    assert camera.grab(2.0).number > before + 5


@pytest.mark.parametrize("camera", [{"buffers": 3}], indirect=True)
def test_frames_that_nobody_takes_end_in_a_camera_that_is_not_ready(camera):
    def fire_often() -> None:
        for _ in range(8):
            camera.fire()

    with pytest.raises(CameraError, match="not ready") as caught:
        fire_often()
    assert caught.value.code == Code.CAMERA_TIMEOUT
    assert [camera.grab(1.0).number for _ in range(3)] == [1, 2, 3]


def test_a_removed_camera_is_gone_and_can_be_opened_again(camera):
    fired(camera)
    device(camera).FirePnPCallback.Execute()
    for attempt in (lambda: camera.grab(5.0), camera.fire):
        started = time.monotonic()
        with pytest.raises(CameraError) as caught:
            attempt()
        assert caught.value.code == Code.CAMERA_GONE
        assert time.monotonic() - started < 1.0
    camera.close()
    camera.open()
    camera.start()
    assert fired(camera).number == 1


def test_a_closed_camera_is_gone():
    camera = settings().build()
    attempts = (camera.start, camera.fire, lambda: camera.grab(0.1), lambda: camera.set_exposure(1))
    for attempt in attempts:
        with pytest.raises(CameraError) as caught:
            attempt()
        assert caught.value.code == Code.CAMERA_GONE


def test_every_exception_of_pypylon_has_a_meaning():
    from pypylon import genicam, pylon

    raised = {
        kind
        for module in (genicam, pylon)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception)
    }
    assert {kind.__name__ for kind in raised} == set(FAULTS)
    assert meaning(genicam.OutOfRangeException("x", "f", 1)) == Code.CAMERA_REFUSED


# Time


@pytest.mark.slow
def test_a_fired_frame_is_here_within_two_ticks_of_the_emulator(camera):
    """The emulator exposes on a clock of 10 ms; pylon and Keenline add little to it."""
    milliseconds = []
    for _ in range(200):
        started = time.perf_counter()
        camera.fire()
        camera.grab(2.0)
        milliseconds.append((time.perf_counter() - started) * 1000)
    assert statistics.median(milliseconds) < 20
