"""Exposure: the search over many made-up cameras, and the calibration of a simulated one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keenline.devices.exposure import (
    GreyGoal,
    Reading,
    calibrate_exposure,
    next_exposure,
    read_grey,
)
from keenline.devices.folder import FolderCamera
from keenline.devices.simulated import SimulatedCamera
from keenline.devices.simulated_faults import FaultKind
from keenline.devices.simulated_images import Shot
from keenline.errors import CameraError, Code
from keenline.types import Box

GOAL = GreyGoal()


def simulated(recorded: np.ndarray, **options: object) -> SimulatedCamera:
    camera = SimulatedCamera("top", lambda: [Shot(recorded, "a")], latency_ms=0, **options)  # type: ignore[arg-type]
    camera.open()
    camera.start()
    return camera


def flat(grey: int) -> np.ndarray:
    return np.full((20, 30, 3), grey, np.uint8)


# The search


def searched(response, limits: tuple[float, float], start: float, goal: GreyGoal = GOAL):
    """Readings until the goal is met or nothing is left to try."""
    readings: list[Reading] = []
    proposed: float | None = start
    while proposed is not None and len(readings) < 40:
        assert limits[0] <= proposed <= limits[1]
        readings.append(response(proposed))
        if readings[-1].meets(goal):
            break
        proposed = next_exposure(readings, goal, limits)
    return readings


@given(
    gain=st.floats(1e-3, 10.0),
    black=st.floats(0.0, 30.0),
    gamma=st.sampled_from([1.0, 0.45, 0.7]),
    start=st.floats(10.0, 100_000.0),
    goal=st.floats(60.0, 200.0),
)
def test_the_goal_is_found_quickly_wherever_it_can_be(gain, black, gamma, start, goal):
    wanted = GreyGoal(grey=goal)

    def response(exposure: float) -> Reading:
        grey = black + 255 * (gain * exposure / 1000) ** gamma
        return Reading(exposure, min(round(grey, 1), 255.0), float(grey > 253.5))

    best = ((goal - black) / 255) ** (1 / gamma) * 1000 / gain
    readings = searched(response, (10.0, 100_000.0), start, wanted)
    if 10.0 <= best <= 100_000.0:
        assert readings[-1].meets(wanted)
        assert len(readings) <= 13
    elif response(10.0).grey > goal + 3 or response(100_000.0).grey < goal - 3:
        assert not readings[-1].meets(wanted)
        assert len(readings) < 25


def test_a_straight_line_with_a_black_level_takes_a_few_steps():
    def response(exposure: float) -> Reading:
        return Reading(exposure, min(10 + exposure / 50, 255.0), float(exposure > 12_200))

    assert len(searched(response, (10, 100_000), 1000)) <= 3


def test_from_full_saturation_it_finds_back():
    def response(exposure: float) -> Reading:
        grey = exposure / 10
        return Reading(exposure, min(grey, 255.0), float(grey >= 254))

    readings = searched(response, (10, 100_000), 100_000)
    assert readings[-1].meets(GOAL)
    assert len(readings) <= 8


def test_a_camera_with_coarse_steps_ends():
    def response(exposure: float) -> Reading:
        taken = max(10.0, round(exposure / 5000) * 5000)
        return Reading(taken, min(taken / 100, 255.0), float(taken > 25_000))

    readings = searched(response, (10, 100_000), 20_000)
    assert not readings[-1].meets(GOAL)
    assert len(readings) < 8


def test_grey_and_clipping_are_measured_in_the_region():
    image = flat(100)
    image[:10] = 255
    assert read_grey(image, 1.0) == Reading(1.0, 177.5, 0.5)
    assert read_grey(image, 1.0, Box(0, 10, 30, 10)) == Reading(1.0, 100.0, 0.0)
    image[15, 3, 1] = 254
    assert read_grey(image, 1.0, Box(0, 10, 30, 10)).saturated == pytest.approx(1 / 300)


# A camera


@pytest.mark.parametrize("recorded", [3, 40, 120, 250])
@pytest.mark.parametrize("start", [10.0, 1000.0, 100_000.0])
def test_a_camera_is_brought_to_the_target(recorded, start):
    camera = simulated(flat(recorded), exposure_us=start)
    found = calibrate_exposure(camera, GOAL)
    assert abs(found.grey - 120) <= 3
    assert found.exposure_us == pytest.approx(1000 * 120 / recorded, rel=0.05)
    camera.fire()
    frame = camera.grab(1.0)
    camera.close()
    assert frame.exposure_us == found.exposure_us
    assert abs(float(frame.image.mean()) - 120) <= 3


def refused(camera: SimulatedCamera, goal: GreyGoal = GOAL, **options: object) -> CameraError:
    before = 700.0
    camera.set_exposure(before)
    with pytest.raises(CameraError) as caught:
        calibrate_exposure(camera, goal, **options)  # type: ignore[arg-type]
    camera.fire()
    assert camera.grab(1.0).exposure_us == before
    camera.close()
    assert caught.value.code is Code.EXPOSURE_NOT_REACHED
    return caught.value


def test_too_little_light_is_told():
    assert "too dark" in str(refused(simulated(flat(1))))


def test_too_much_light_is_told():
    error = refused(simulated(flat(255), nominal_exposure_us=10.0))
    assert "too bright" in str(error)
    assert math.isfinite(float(str(error.got).split()[0]))


def test_gloss_that_clips_before_the_mean_is_reached_is_told():
    image = flat(10)
    image[:, :6] = 250
    assert "clipped" in str(refused(simulated(image)))
    camera = simulated(image)
    assert calibrate_exposure(camera, GOAL, region=Box(8, 0, 22, 20)).grey == pytest.approx(
        120, abs=3
    )
    camera.close()


def test_broken_frames_on_the_way_do_no_harm():
    camera = simulated(flat(60))
    camera.inject(FaultKind.BROKEN)
    camera.inject(FaultKind.BROKEN)
    assert abs(calibrate_exposure(camera).grey - 120) <= 3
    camera.close()


def test_a_camera_that_stays_silent_is_a_timeout():
    camera = simulated(flat(60))
    camera.inject(FaultKind.SKIP)
    with pytest.raises(CameraError) as caught:
        calibrate_exposure(camera, timeout_s=0.1)
    camera.close()
    assert caught.value.code is Code.CAMERA_TIMEOUT


def test_the_light_that_counts_is_switched_on_first():
    camera = simulated(flat(100), brightness={"dark": 0.25})
    found = calibrate_exposure(camera, prepare=lambda: camera.select("dark"))
    camera.close()
    assert found.exposure_us == pytest.approx(4800, rel=0.05)


def test_a_camera_without_an_exposure_says_so(tmp_path):
    with pytest.raises(CameraError) as caught:
        calibrate_exposure(FolderCamera("in", tmp_path))
    assert caught.value.code is Code.CAMERA_REFUSED
