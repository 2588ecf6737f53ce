"""Basler cameras against Basler's own emulator: triggers, settings, failures, removal."""

from __future__ import annotations

import inspect
import os
import statistics
import time
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from tests.devices.camera_contract import CameraContract, CameraRig
from tests.peers import require_peer

from keenline.devices.basler import BaslerCamera, BaslerSettings
from keenline.devices.basler_nodes import FAULTS, load, meaning
from keenline.devices.camera import ExposureAdjustable, SoftwareTriggered
from keenline.errors import CameraError, Code, EnvironmentMissing, FrameBroken

SERIAL = "0815-0001"
SMALL = {"width": 320, "height": 240, "exposure_us": 1000.0}


@pytest.fixture(scope="session", autouse=True)
def emulator() -> None:
    """Two emulated cameras; read by pylon once, when its transport layer starts."""
    os.environ["PYLON_CAMEMU"] = "2"
    try:
        load()
    except EnvironmentMissing as error:
        require_peer(f"needs pypylon: {error.got}")


def settings(**keys: object) -> BaslerSettings:
    return BaslerSettings.model_validate(
        {"name": "top", "kind": "basler", "serial": SERIAL} | SMALL | keys
    )


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


def device(camera: BaslerCamera):
    """pylon's own camera, to do what only a test does."""
    return camera._camera


def fired(camera: BaslerCamera):
    camera.fire()
    return camera.grab(2.0)


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


# Settings


@pytest.mark.parametrize("camera", [{"gain_db": 6.0, "exposure_us": 1500.0}], indirect=True)
def test_settings_are_in_the_camera_and_in_the_frame(camera):
    frame = fired(camera)
    assert device(camera).ExposureTime.GetValue() == 1500
    assert frame.exposure_us == 1500
    assert frame.gain_db == pytest.approx(6.0, abs=0.01)
    assert frame.device_time_ns is None
    assert frame.is_simulated


@pytest.mark.parametrize(
    ("keys", "node", "words"),
    [
        ({"width": 9999}, "Width", "1 to 4096"),
        ({"offset_x": 4000}, "OffsetX", "0 to 3776"),
        ({"exposure_us": 59e6}, "ExposureTime", "1 to 1e+07"),
        ({"gain_db": 90.0}, "Gain", "0 to 48"),
        ({"pixel_format": "Mono7"}, "PixelFormat", "Mono8, Mono10"),
        ({"pixel_format": "RGB16Packed", "nodes": {"Gamma": "x"}}, "Gamma", "0 to"),
        ({"nodes": {"NoSuchNode": 1}}, "NoSuchNode", "no such node"),
        ({"nodes": {"ReverseX": 3}}, "ReverseX", "bool"),
        ({"nodes": {"DigitalShift": 1.5}}, "DigitalShift", "int"),
        ({"nodes": {"SensorWidth": 10}}, "SensorWidth", ""),
        ({"nodes": {"TriggerSoftware": 3}}, "TriggerSoftware", "a command"),
        ({"heartbeat_ms": 1500}, "HeartbeatTimeout", "no such node"),
    ],
)
def test_a_setting_that_the_camera_refuses_is_named_with_what_is_allowed(keys, node, words):
    camera = settings(**keys).build()
    with pytest.raises(CameraError) as caught:
        camera.open()
    assert caught.value.code == Code.CAMERA_REFUSED
    assert caught.value.where == f"camera top, node {node}"
    assert words in (caught.value.expected or "")
    # It is let go, so that it can be opened by the next who tries.
    again = settings().build()
    again.open()
    again.close()


def test_a_line_that_the_camera_does_not_have_is_no_trigger():
    with pytest.raises(CameraError, match="Line1, Line2") as caught:
        settings(trigger="line", line="Line9").build().open()
    assert caught.value.code == Code.CAMERA_NO_TRIGGER


@pytest.mark.parametrize("camera", [{"trigger": "line"}], indirect=True)
def test_firing_a_camera_that_waits_for_its_line_is_no_trigger(camera):
    with pytest.raises(CameraError) as caught:
        camera.fire()
    assert caught.value.code == Code.CAMERA_NO_TRIGGER


def test_a_region_is_set_whatever_region_was_left():
    first = settings(width=4096, height=4096).build()
    first.open()
    first.close()
    for region in ((256, 128, 3840, 3968), (4096, 4096, 0, 0)):
        keys = dict(zip(("width", "height", "offset_x", "offset_y"), region, strict=True))
        camera = settings(**keys).build()
        assert camera.open().size == region[:2]
        camera.close()


# Pixels

COLOURS = np.zeros((48, 64, 3), np.uint8)
COLOURS[:, :32] = (200, 100, 40)
COLOURS[:, 32:] = (30, 60, 240)


def played(folder, pixel_format: str) -> dict[str, object]:
    """Settings with which the emulator shows the images of a folder."""
    nodes = {"TestImageSelector": "Off", "ImageFilename": str(folder), "ImageFileMode": "On"}
    return {"width": 64, "height": 48, "pixel_format": pixel_format, "nodes": nodes}


@pytest.mark.parametrize("pixel_format", ["RGB8Packed", "BGR8Packed", "BGRA8Packed"])
def test_colours_of_an_image_file_come_as_they_are(tmp_path, pixel_format):
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    camera = settings(**played(tmp_path, pixel_format)).build()
    camera.open()
    camera.start()
    assert np.array_equal(fired(camera).image, COLOURS)
    camera.close()


@pytest.mark.parametrize("pixel_format", ["Mono8", "Mono10", "Mono12", "Mono16"])
def test_grey_is_the_same_in_every_depth(tmp_path, pixel_format):
    ramp = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))
    Image.fromarray(ramp).save(tmp_path / "a.png")
    camera = settings(**played(tmp_path, pixel_format)).build()
    camera.open()
    camera.start()
    frame = fired(camera)
    camera.close()
    assert np.array_equal(frame.image, np.repeat(ramp[..., None], 3, axis=2))


def test_images_of_a_folder_are_shown_one_after_the_other(tmp_path):
    for place in range(3):
        Image.fromarray(np.full((48, 64), 50 * place, np.uint8)).save(tmp_path / f"{place}.png")
    camera = settings(**played(tmp_path, "Mono8")).build()
    camera.open()
    camera.start()
    greys = [int(fired(camera).image[0, 0, 0]) for _ in range(4)]
    camera.close()
    assert [grey - greys[0] for grey in greys] in ([0, 50, 100, 0], [0, 50, -50, 0])


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
