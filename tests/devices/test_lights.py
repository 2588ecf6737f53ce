"""Lights: the contract, what the channels hold, and that images of two sets are never mixed."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.devices.camera_contract import CameraContract, CameraRig

from keenline.devices.camera import LightSettings
from keenline.devices.folder import FolderCamera
from keenline.devices.lights import Lights, LitCamera
from keenline.devices.simulated import SimulatedCamera, SimulatedSettings
from keenline.devices.simulated_faults import FaultKind
from keenline.devices.simulated_images import Shot
from keenline.errors import CameraError, Code, FrameBroken
from keenline.strict_toml import TomlFaults, parse_strictly
from keenline.types import Frame

BRIGHTNESS = {"bright": 1.0, "dark": 0.5, "side": 0.25}


def flat(grey: int) -> np.ndarray:
    return np.full((24, 32, 3), grey, np.uint8)


def simulated(**options: object) -> SimulatedCamera:
    shots = [Shot(flat(grey), f"p{grey}") for grey in range(4, 252, 4)]
    given = {"latency_ms": 1.0, "brightness": BRIGHTNESS} | options
    return SimulatedCamera("top", lambda: shots, **given)  # type: ignore[arg-type]


def lit(camera: SimulatedCamera, *channels: str, **keys: object) -> LitCamera:
    table = LightSettings(channels=channels, **keys)  # type: ignore[arg-type]
    is_fired = keys.get("switched_by") != "hardware"
    return LitCamera(camera, table, is_fired=is_fired)


def running(camera: LitCamera) -> LitCamera:
    camera.open()
    camera.start()
    return camera


class TestLit(CameraContract):
    @pytest.fixture
    def rig(self, tmp_path):
        nowhere = SimulatedSettings(name="no", kind="simulated", folder=str(tmp_path / "no"))
        return CameraRig(
            lit(simulated(), "bright", "dark"),
            absent=LitCamera(
                nowhere.build(), LightSettings(channels=("bright", "dark")), is_fired=True
            ),
            size=(32, 24),
        )


class TestSteppedByHardware(CameraContract):
    @pytest.fixture
    def rig(self):
        inside = simulated(trigger="line")

        def produce(count: int) -> None:
            for _ in range(2 * count):
                inside.pulse()

        return CameraRig(lit(inside, "bright", "dark", switched_by="hardware"), produce)


def taken(camera: LitCamera) -> Frame:
    camera.fire()
    return camera.grab(1.0)


# What a frame holds


def test_two_lights_are_red_and_green_and_blue_is_their_mean():
    camera = running(lit(simulated(), "bright", "dark"))
    for number in (1, 2, 3):
        frame = taken(camera)
        first, second = 4 * (2 * number - 1), 4 * 2 * number / 2
        assert frame.image[3, 3].tolist() == [first, second, (first + second + 1) // 2]
        assert frame.lights == ("bright", "dark")
        assert frame.number == number
    camera.close()


def test_three_lights_are_red_green_and_blue():
    camera = running(lit(simulated(), "bright", "dark", "side"))
    assert taken(camera).image[3, 3].tolist() == [4, 4, 3]
    camera.close()


def test_a_colour_camera_is_taken_as_grey():
    colours = np.zeros((24, 32, 3), np.uint8)
    colours[...] = (10, 20, 60)
    camera = SimulatedCamera("top", lambda: [Shot(colours, "a")], latency_ms=0)
    whole = running(lit(camera, "one", "two"))
    assert taken(whole).image[0, 0].tolist() == [30, 30, 30]
    whole.close()


def test_the_first_light_fires_at_once_and_the_frame_is_dated_by_its_exposure():
    camera = running(lit(simulated(), "bright", "dark"))
    before = time.monotonic_ns()
    camera.fire()
    after = time.monotonic_ns()
    time.sleep(0.1)
    frame = camera.grab(1.0)
    camera.close()
    assert before <= (frame.device_time_ns or 0) <= after
    assert frame.received_ns >= before + 100_000_000


def test_parts_that_come_while_a_set_is_taken_get_their_own():
    camera = running(lit(simulated(), "bright", "dark"))
    for _ in range(3):
        camera.fire()
    frames = [camera.grab(1.0) for _ in range(3)]
    camera.close()
    assert [frame.number for frame in frames] == [1, 2, 3]
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [4, 12, 20]


def test_a_set_survives_grabs_that_end_before_it():
    camera = running(lit(simulated(latency_ms=60.0), "bright", "dark"))
    camera.fire()
    timeouts = 0
    while True:
        try:
            frame = camera.grab(0.02)
            break
        except CameraError as error:
            assert error.code is Code.CAMERA_TIMEOUT  # noqa: PT017
            timeouts += 1
    camera.close()
    assert timeouts >= 3
    assert frame.image[0, 0].tolist() == [4, 4, 4]


# What must not be mixed


@pytest.mark.parametrize("fault", [FaultKind.SKIP, FaultKind.BROKEN])
@pytest.mark.parametrize("light", [0, 1])
def test_a_set_without_one_image_is_broken_and_the_next_is_whole(fault, light):
    inside = simulated()
    camera = running(lit(inside, "bright", "dark", timeout_ms=60))
    taken(camera)
    if light == 1:
        inside.inject(FaultKind.DELAY, 0)
    inside.inject(fault)
    camera.fire()
    with pytest.raises(FrameBroken) as caught:
        camera.grab(1.0)
    assert caught.value.number == 2
    frame = taken(camera)
    assert frame.number == 3
    red, green, _ = frame.image[0, 0].tolist()
    assert green == (red + 4) // 2
    camera.close()


def test_an_image_that_comes_late_is_not_taken_for_the_next_light():
    inside = simulated()
    camera = running(lit(inside, "bright", "dark", timeout_ms=50))
    inside.inject(FaultKind.DELAY, 120)
    camera.fire()
    with pytest.raises(FrameBroken) as caught:
        camera.grab(1.0)
    assert caught.value.number == 1
    camera.fire()
    time.sleep(0.15)
    frame = camera.grab(1.0)
    camera.close()
    red, green, _ = frame.image[0, 0].tolist()
    assert (red, green) == (8, 6)


def test_an_image_that_nobody_asked_for_is_told():
    inside = simulated()
    camera = running(lit(inside, "bright", "dark"))
    inside.fire()
    with pytest.raises(FrameBroken) as caught:
        camera.grab(1.0)
    assert caught.value.number is None
    assert taken(camera).image[0, 0].tolist()[:2] == [8, 6]
    camera.close()


def test_images_of_different_sizes_are_no_set():
    inside = simulated()
    camera = running(lit(inside, "bright", "dark"))
    inside.inject(FaultKind.SIZE)
    camera.fire()
    with pytest.raises(FrameBroken, match="sizes"):
        camera.grab(1.0)
    assert taken(camera).number == 2
    camera.close()


def test_a_camera_that_goes_is_gone_in_the_middle_of_a_set_too():
    inside = simulated()
    camera = running(lit(inside, "bright", "dark"))
    inside.inject(FaultKind.DELAY, 0)
    inside.inject(FaultKind.GONE)
    camera.fire()
    with pytest.raises(CameraError) as caught:
        camera.grab(1.0)
    assert caught.value.code is Code.CAMERA_GONE
    camera.close()
    running(camera)
    assert taken(camera).number == 1
    camera.close()


@given(faults=st.lists(st.sampled_from([None, None, *FaultKind]), max_size=12))
@settings(max_examples=40, deadline=None)
def test_whatever_goes_wrong_no_frame_mixes_two_sets(faults):
    inside = simulated(latency_ms=0)
    camera = running(lit(inside, "bright", "dark", timeout_ms=15))
    for fault in faults:
        inside.inject(fault or FaultKind.DELAY, 30 if fault is FaultKind.DELAY else 0)
    frames, ended = 0, time.monotonic() + 5
    while frames < 8 and time.monotonic() < ended:
        try:
            camera.fire()
            frame = camera.grab(0.3)
        except FrameBroken:
            continue
        except CameraError:
            running(camera)
            continue
        frames += 1
        red, green, blue = frame.image[0, 0].tolist()
        is_black = 0 in (red, green)
        is_next = green == (red % 248 + 4) // 2
        assert is_black or is_next, (red, green)
        assert blue == (red + green + 1) // 2
    camera.close()
    assert frames == 8


def test_firing_from_another_thread_all_the_time_mixes_nothing():
    inside = simulated(latency_ms=0.5)
    camera = running(lit(inside, "bright", "dark"))

    def fire() -> None:
        for _ in range(50):
            camera.fire()
            time.sleep(0.001)

    firing = threading.Thread(target=fire)
    firing.start()
    frames = [camera.grab(2.0) for _ in range(50)]
    firing.join()
    camera.close()
    assert [frame.number for frame in frames] == list(range(1, 51))
    for frame in frames:
        red, green, _ = frame.image[0, 0].tolist()
        assert green == (red + 4) // 2


# Lights that switch themselves


def stepped() -> tuple[SimulatedCamera, LitCamera]:
    inside = simulated(trigger="line")
    return inside, running(lit(inside, "one", "two", switched_by="hardware", timeout_ms=50))


def outcomes(camera: LitCamera, count: int) -> list[tuple[int | None, int]]:
    """Number and first grey of each set; grey -1 for a broken one."""
    seen: list[tuple[int | None, int]] = []
    for _ in range(count):
        try:
            frame = camera.grab(1.0)
            seen.append((frame.number, int(frame.image[0, 0, 0])))
        except FrameBroken as broken:
            seen.append((broken.number, -1))
    return seen


@pytest.mark.parametrize("lost", [1, 2])
def test_a_gap_breaks_its_set_and_keeps_the_rest_in_step(lost):
    inside, camera = stepped()
    for number in range(6):
        if number == 1 + lost:
            inside.inject(FaultKind.SKIP)
        inside.pulse()
    assert outcomes(camera, 3) == [(1, 4), (2, -1), (3, 20)]
    camera.close()


def test_the_first_image_may_be_the_one_that_is_missing():
    inside, camera = stepped()
    inside.inject(FaultKind.SKIP)
    for _ in range(4):
        inside.pulse()
    assert outcomes(camera, 2) == [(1, -1), (2, 12)]
    camera.close()


@pytest.mark.parametrize("broken", [1, 2])
def test_a_broken_image_breaks_its_set_only(broken):
    inside, camera = stepped()
    for number in range(6):
        if number == 1 + broken:
            inside.inject(FaultKind.BROKEN)
        inside.pulse()
    assert outcomes(camera, 3) == [(1, 4), (2, -1), (3, 20)]
    camera.close()


def test_half_a_set_is_broken_after_its_time():
    inside, camera = stepped()
    inside.pulse()
    assert outcomes(camera, 1) == [(1, -1)]
    inside.pulse()
    inside.pulse()
    inside.pulse()
    assert outcomes(camera, 2) == [(1, -1), (2, 12)]
    camera.close()


def test_a_camera_that_others_trigger_is_not_fired():
    _, camera = stepped()
    with pytest.raises(CameraError) as caught:
        camera.fire()
    camera.close()
    assert caught.value.code is Code.CAMERA_NO_TRIGGER


# Who switches


class Controller:
    """A light controller of its own, which tells what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def select(self, channel: str) -> None:
        self.asked.append(channel)


def test_a_controller_of_its_own_is_asked_for_each_light_in_turn():
    controller = Controller()
    assert isinstance(controller, Lights)
    table = LightSettings(channels=("one", "two"), settle_ms=5)
    camera = running(LitCamera(simulated(), table, is_fired=True, lights=controller))
    started = time.monotonic()
    taken(camera)
    taken(camera)
    camera.close()
    assert controller.asked == ["one", "two", "one", "two"]
    assert time.monotonic() - started >= 0.02


def test_a_camera_that_cannot_switch_lights_is_refused(tmp_path):
    table = LightSettings(channels=("one", "two"))
    camera = LitCamera(FolderCamera("in", tmp_path), table, is_fired=True)
    with pytest.raises(CameraError) as caught:
        camera.open()
    assert caught.value.code is Code.CAMERA_REFUSED


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('channels = ["one"]', "channels"),
        ('channels = ["one", "two", "three", "four"]', "channels"),
        ('channels = ["one", "one"]', "twice"),
    ],
)
def test_settings_of_lights_that_are_not_allowed(lines, words):
    text = f'name = "top"\nkind = "simulated"\n[lights]\n{lines}\n'
    with pytest.raises(TomlFaults) as caught:
        parse_strictly(text, SimulatedSettings)
    assert words in str(caught.value.faults[0])


def test_lights_are_switched_from_here_only_where_the_camera_is_fired_from_here():
    text = 'name = "top"\nkind = "simulated"\ntrigger = "line"\n[lights]\nchannels = ["a", "b"]\n'
    with pytest.raises(TomlFaults) as caught:
        parse_strictly(text, SimulatedSettings)
    assert caught.value.faults[0].key == "lights.switched_by"
    parse_strictly(text + 'switched_by = "hardware"\n', SimulatedSettings)
