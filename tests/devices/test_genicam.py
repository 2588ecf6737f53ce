"""Cameras behind a GenTL producer: the one that the `genicam` package brings, of bouncing balls."""

from __future__ import annotations

import inspect
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.devices.camera_contract import CameraContract, CameraRig, one_frame
from tests.peers import require_peer

from keenline.devices.camera import SoftwareTriggered
from keenline.devices.genicam import GenicamCamera, GenicamSettings
from keenline.devices.genicam_nodes import FAULTS, answers, load
from keenline.devices.genicam_producer import Producers
from keenline.devices.genicam_stream import Grabbed, Stream
from keenline.errors import CameraError, Code, EnvironmentMissing, FrameBroken

FAST, SLOW = {"AcquisitionFrameRate": 100.0}, {"AcquisitionFrameRate": 1.0}


@pytest.fixture(scope="session", autouse=True)
def producer() -> str:
    try:
        sdk = load()
    except EnvironmentMissing as error:
        require_peer(f"needs harvesters and genicam: {error.got}")
    return str(Path(sdk.gentl.__file__).with_name("viky.cti"))


def settings(file: str, /, **keys: object) -> GenicamSettings:
    base = {"name": "top", "kind": "genicam", "producer": (file,), "serial": "1"}
    size = {"width": 200, "height": 160, "trigger": "free", "nodes": FAST}
    return GenicamSettings.model_validate(base | size | keys)


@pytest.fixture
def camera(request, producer) -> Iterator[GenicamCamera]:
    made = settings(producer, **getattr(request, "param", {})).build()
    made.open()
    made.start()
    yield made
    made.close()


class TestFree(CameraContract):
    """These devices have no trigger and are never silent, only slow: one frame a second."""

    nodes = FAST

    @pytest.fixture
    def rig(self, producer):
        absent = settings(producer, serial="99").build()
        made = settings(producer, nodes=self.nodes).build()
        return CameraRig(made, lambda _: None, absent=absent, size=(200, 160))

    # What the contract asks of a silent camera, asked between two frames of a slow one below.
    test_no_frame_in_time_is_a_timeout = None
    test_a_timeout_costs_no_later_frame = None
    test_a_waiting_grab_ends_after_stop = None
    test_it_starts_anew_and_brings_no_old_frame = None


class TestSlow(TestFree):
    nodes = SLOW

    def test_no_frame_in_time_is_a_timeout(self, running):
        one_frame(running)
        CameraContract.test_no_frame_in_time_is_a_timeout(self, running)

    def test_a_timeout_costs_no_later_frame(self, running):
        first = one_frame(running).number
        with pytest.raises(CameraError):
            running.camera.grab(0.05)
        assert one_frame(running).number == first + 1

    def test_a_waiting_grab_ends_after_stop(self, running):
        one_frame(running)
        CameraContract.test_a_waiting_grab_ends_after_stop(self, running)

    def test_it_starts_anew_and_brings_no_old_frame(self, running):
        one_frame(running)
        time.sleep(1.2)  # one more waits
        running.camera.stop()
        running.camera.start()
        before = time.monotonic_ns()
        frame = one_frame(running)
        assert frame.number == 1
        assert frame.received_ns > before

    test_it_says_what_it_is = None
    test_numbers_and_times_rise = None
    test_a_frame_keeps_its_pixels_while_others_come = None
    test_it_opens_again_after_close = None
    test_nothing_is_left_behind = None


def test_it_is_found_by_serial_id_or_model_and_else_the_first(producer):
    for way, serial in (
        ({"serial": None}, "0"),
        ({"serial": "2"}, "2"),
        ({"serial": None, "id": "VikyTL_DEV_green"}, "1"),
        ({"serial": None, "model": "Viky"}, "0"),
    ):
        camera = settings(producer, **way).build()
        facts = camera.open()
        camera.close()
        assert (facts.vendor, facts.model) == ("Machine Vision Games Ltd.", "Viky")
        assert facts.serial == serial
        assert facts.size == (200, 160)


def test_producers_are_found_where_genicam_says(producer, monkeypatch):
    monkeypatch.setenv("GENICAM_GENTL64_PATH", f"/nowhere:{Path(producer).parent}")
    camera = settings(producer, producer=()).build()
    assert camera.open().serial == "1"
    camera.close()


def test_no_producer_at_all_is_a_missing_camera(producer, monkeypatch, tmp_path):
    monkeypatch.delenv("GENICAM_GENTL64_PATH", raising=False)
    damaged = tmp_path / "damaged.cti"
    damaged.write_bytes(b"not a library")
    for files, words in (
        ((), "GENICAM_GENTL64_PATH"),
        ((str(tmp_path / "none.cti"),), "none.cti"),
        ((str(damaged),), "damaged.cti"),
    ):
        with pytest.raises(CameraError, match=words) as caught:
            settings(producer, producer=files).build().open()
        assert caught.value.code == Code.CAMERA_MISSING


def test_a_missing_camera_says_which_are_there(producer):
    with pytest.raises(CameraError, match="Viky 0, Viky 1, Viky 2"):
        settings(producer, serial="99").build().open()


def test_two_cameras_run_side_by_side_and_one_is_not_opened_twice(producer):
    first = settings(producer, serial="0").build()
    second = settings(producer, serial="1").build()
    again = settings(producer, serial="0").build()
    for each in (first, second):
        each.open()
        each.start()
    with pytest.raises(CameraError) as caught:
        again.open()
    assert caught.value.code == Code.CAMERA_MISSING
    for _ in range(5):
        assert first.grab(1.0).serial == "0"
        assert second.grab(1.0).serial == "1"
    first.close()
    assert second.grab(1.0).serial == "1"
    second.close()


@pytest.mark.parametrize(
    ("keys", "node", "words"),
    [
        ({"width": 9999}, "Width", "100 to 800"),
        ({"exposure_us": 1000.0}, "ExposureTime", "no such node"),
        ({"gain_db": 3.0}, "Gain", "no such node"),
        ({"pixel_format": "Mono12"}, "PixelFormat", "RGBa8, Mono8"),
        ({"nodes": {"NoSuchNode": 1}}, "NoSuchNode", "no such node"),
        ({"nodes": {"ChunkModeActive": 1}}, "ChunkModeActive", ""),
        ({"nodes": {"BouncingBallSize": 1.5}}, "BouncingBallSize", " to "),
        ({"nodes": {"AcquisitionFrameRate": 900.0}}, "AcquisitionFrameRate", "1 to 200"),
        ({"nodes": {"AcquisitionFrameRate": "9"}}, "AcquisitionFrameRate", "1 to 200"),
        ({"nodes": {"ComponentIDValue": 7}}, "ComponentIDValue", ""),
        ({"nodes": {"FancyBallOperation": 7}}, "FancyBallOperation", "a command"),
    ],
)
def test_a_setting_that_the_camera_refuses_is_named_with_what_is_allowed(
    producer, keys, node, words
):
    with pytest.raises(CameraError) as caught:
        settings(producer, **keys).build().open()
    assert caught.value.code == Code.CAMERA_REFUSED
    assert caught.value.where == f"camera top, node {node}"
    assert words in (caught.value.expected or "")


@pytest.mark.parametrize("trigger", ["software", "line"])
def test_a_camera_without_trigger_nodes_says_so(producer, trigger):
    with pytest.raises(CameraError, match="TriggerMode") as caught:
        settings(producer, trigger=trigger).build().open()
    assert caught.value.code == Code.CAMERA_NO_TRIGGER


def test_a_free_camera_cannot_be_fired(camera):
    assert isinstance(camera, SoftwareTriggered)
    with pytest.raises(CameraError) as caught:
        camera.fire()
    assert caught.value.code == Code.CAMERA_NO_TRIGGER


@pytest.mark.parametrize("camera", [{"pixel_format": "RGBa8"}], indirect=True)
def test_colours_are_right(camera):
    """The device is called green: its ball is, on white."""
    image = camera.grab(1.0).image
    colours = {tuple(each) for each in image.reshape(-1, 3).tolist()}
    assert (255, 255, 255) in colours
    balls = [each for each in colours if each != (255, 255, 255)]
    assert balls
    assert all(green > red and green > blue for red, green, blue in balls)


@pytest.mark.parametrize("camera", [{"pixel_format": "Mono8"}], indirect=True)
def test_grey_is_three_equal_channels(camera):
    image = camera.grab(1.0).image
    assert (np.ptp(image, axis=2) == 0).all()
    assert image.std() > 1


@pytest.mark.parametrize("camera", [{"buffers": 3}], indirect=True)
def test_frames_that_nobody_takes_are_a_gap(camera):
    camera.grab(1.0)
    time.sleep(0.3)
    numbers = [camera.grab(1.0).number for _ in range(6)]
    assert max(np.diff(numbers)) > 10


@pytest.mark.parametrize("camera", [{"nodes": SLOW}], indirect=True)
def test_other_threads_run_while_it_waits(camera):
    camera.grab(2.0)
    turns = 0
    done = threading.Event()

    def turn() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            time.sleep(0.001)

    other = threading.Thread(target=turn)
    other.start()
    with pytest.raises(CameraError):
        camera.grab(0.4)
    done.set()
    other.join()
    assert turns > 50


def test_ctrl_c_stays_with_the_program(producer):
    before = signal.getsignal(signal.SIGINT)
    camera = settings(producer).build()
    camera.open()
    assert signal.getsignal(signal.SIGINT) is before
    camera.close()


def test_an_incomplete_buffer_is_a_broken_frame_with_its_number(camera):
    """The producer makes none, so what it says of one is changed on the way."""

    class Incomplete(Stream):
        def look(self, buffer: object) -> Grabbed:
            seen = super().look(buffer)
            complete = seen.frame_id != 3
            data = seen.data[:100] if seen.frame_id == 4 else seen.data
            return Grabbed(
                seen.frame_id,
                complete,
                seen.width,
                seen.height,
                seen.pixel_code,
                seen.padding,
                seen.time_ns,
                data,
            )

    camera._stream.__class__ = Incomplete
    assert [camera.grab(1.0).number for _ in range(2)] == [1, 2]
    for number in (3, 4):
        with pytest.raises(FrameBroken) as caught:
            camera.grab(1.0)
        assert caught.value.number == number
    assert camera.grab(1.0).number == 5


def test_a_device_that_is_taken_away_is_gone_and_can_be_opened_again(camera):
    camera.grab(1.0)
    camera._device.close()  # as a producer does when its device is lost
    with pytest.raises(CameraError) as caught:
        [camera.grab(0.2) for _ in range(50)]
    assert caught.value.code == Code.CAMERA_GONE
    camera.close()
    camera.open()
    camera.start()
    assert camera.grab(1.0).number == 1


def test_a_device_that_says_nothing_any_more_is_gone(producer):
    """Its stream is silent rather than failing: one frame a second, and then no answer."""
    camera = settings(producer, nodes=SLOW).build()
    camera.open()
    camera.start()
    camera.grab(2.0)
    assert answers(load(), camera._device)
    with pytest.raises(CameraError) as caught:
        camera.grab(0.1)
    assert caught.value.code == Code.CAMERA_TIMEOUT
    camera.close()
    device = Producers(load(), [producer])
    lost = device.devices()[0].create_device()
    lost.open(load().gentl.DEVICE_ACCESS_FLAGS_LIST.DEVICE_ACCESS_EXCLUSIVE)
    lost.close()
    assert not answers(load(), lost)
    device.release()


def test_a_closed_camera_is_gone(producer):
    camera = settings(producer).build()
    for attempt in (camera.start, camera.fire, lambda: camera.grab(0.1)):
        with pytest.raises(CameraError) as caught:
            attempt()
        assert caught.value.code == Code.CAMERA_GONE


def test_every_exception_of_the_package_has_a_meaning():
    sdk = load()
    raised = {
        kind.__name__
        for module in (sdk.genapi, sdk.gentl)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, sdk.faults)
    }
    assert raised == set(FAULTS)
