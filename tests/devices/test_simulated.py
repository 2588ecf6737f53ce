"""The simulated camera: the contract, its order, its response to light, and each of its faults."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from tests.devices.camera_contract import CameraContract, CameraRig
from tests.small_parts import save_image

from keenline.devices.simulated import Exposed, SimulatedCamera
from keenline.devices.simulated import SimulatedSettings as Settings
from keenline.devices.simulated_faults import FaultKind, FaultSettings
from keenline.devices.simulated_images import Shot, rendered_shots, shots_of
from keenline.errors import CameraError, Code, FrameBroken


def flat(grey: int, height: int = 24, width: int = 32) -> np.ndarray:
    return np.full((height, width, 3), grey, np.uint8)


SHOTS = tuple(Shot(flat(10 * number), f"p{number}") for number in range(1, 6))


def simulated(**options: object) -> SimulatedCamera:
    return SimulatedCamera("top", lambda: SHOTS, **{"latency_ms": 2.0} | options)  # type: ignore[arg-type]


@pytest.fixture
def started(request):
    camera = simulated(**getattr(request, "param", {}))
    camera.open()
    camera.start()
    yield camera
    camera.close()


def absent(tmp_path: Path) -> SimulatedCamera:
    return Settings(name="none", kind="simulated", folder=str(tmp_path / "none")).build()


class TestFired(CameraContract):
    @pytest.fixture
    def rig(self, tmp_path):
        return CameraRig(simulated(), absent=absent(tmp_path), size=(32, 24))


class TestPulsed(CameraContract):
    @pytest.fixture
    def rig(self, tmp_path):
        camera = simulated(trigger="line")

        def produce(count: int) -> None:
            for _ in range(count):
                camera.pulse()

        return CameraRig(camera, produce, absent=absent(tmp_path), size=(32, 24))


def greys(camera: SimulatedCamera, count: int) -> list[int]:
    values = []
    for _ in range(count):
        camera.fire()
        values.append(int(camera.grab(1.0).image[0, 0, 0]))
    return values


def test_images_come_in_their_order_and_begin_anew_after_the_last(started):
    assert greys(started, 7) == [10, 20, 30, 40, 50, 10, 20]


def test_a_pulse_shows_the_part_that_it_names(started):
    for part in ("p4", "unknown", "p1"):
        started.pulse(part)
    assert [int(started.grab(1.0).image[0, 0, 0]) for _ in range(3)] == [40, 50, 10]


def test_every_exposure_is_told_also_of_frames_that_never_come(started):
    told: list[Exposed] = []
    started.on_exposed = told.append
    started.inject(FaultKind.SKIP)
    started.pulse("p2")
    started.pulse("p3")
    assert started.grab(1.0).number == 2
    found = [(one.number, one.part_id, one.fault) for one in told]
    assert found == [(1, "p2", FaultKind.SKIP), (2, "p3", None)]


def test_only_a_camera_that_runs_free_names_its_parts(started):
    started.fire()
    assert started.grab(1.0).part_id == ""
    free = simulated(trigger="free", period_ms=5.0)
    free.open()
    free.start()
    assert [free.grab(1.0).part_id for _ in range(3)] == ["p1", "p2", "p3"]
    free.close()


def test_a_free_camera_keeps_its_pace():
    camera = simulated(trigger="free", period_ms=20.0)
    camera.open()
    camera.start()
    times = [camera.grab(1.0).device_time_ns for _ in range(5)]
    camera.close()
    assert np.diff(times).tolist() == [20_000_000] * 4


def test_a_frame_comes_after_the_latency():
    camera = simulated(latency_ms=60.0)
    camera.open()
    camera.start()
    fired = time.monotonic_ns()
    camera.fire()
    frame = camera.grab(1.0)
    camera.close()
    assert frame.received_ns - fired >= 60_000_000
    assert time.monotonic_ns() >= frame.received_ns


@pytest.mark.parametrize(
    ("exposure", "recorded", "shown"), [(500, 50, 25), (2000, 50, 100), (6000, 50, 255)]
)
def test_grey_answers_to_exposure(exposure, recorded, shown):
    camera = SimulatedCamera("top", lambda: [Shot(flat(recorded), "a")])
    camera.open()
    camera.start()
    assert camera.set_exposure(exposure) == exposure
    camera.fire()
    frame = camera.grab(1.0)
    assert (frame.image == shown).all()
    assert frame.exposure_us == exposure
    camera.close()


def test_an_exposure_out_of_range_is_the_nearest_possible(started):
    assert started.set_exposure(1e9) == 100_000
    assert started.set_exposure(0.1) == 10
    assert started.set_exposure(123.4) == 123


def test_each_light_has_its_brightness():
    camera = simulated(brightness={"dark": 0.5})
    camera.open()
    camera.start()
    camera.select("dark")
    assert greys(camera, 2) == [5, 10]
    camera.select("bright")
    assert greys(camera, 1) == [30]
    camera.close()


# Faults


def test_a_skipped_frame_shows_as_a_gap(started):
    started.inject(FaultKind.SKIP)
    started.fire()
    started.fire()
    assert started.grab(1.0).number == 2


def test_a_broken_frame_has_its_number_and_the_next_is_whole(started):
    started.inject(FaultKind.BROKEN)
    started.fire()
    started.fire()
    with pytest.raises(FrameBroken) as caught:
        started.grab(1.0)
    assert caught.value.number == 1
    assert started.grab(1.0).number == 2


def test_wrong_size_and_black(started):
    started.inject(FaultKind.SIZE)
    started.inject(FaultKind.BLACK)
    started.fire()
    started.fire()
    assert started.grab(1.0).image.shape == (12, 16, 3)
    assert started.grab(1.0).image.max() == 0


def test_a_delayed_frame_holds_up_those_behind_it(started):
    started.inject(FaultKind.DELAY, 150)
    started.fire()
    started.fire()
    with pytest.raises(CameraError, match="KL5102"):
        started.grab(0.05)
    late, behind = started.grab(1.0), started.grab(1.0)
    assert (late.number, behind.number) == (1, 2)
    assert late.received_ns <= behind.received_ns


def test_a_camera_that_is_gone_stays_gone_until_it_is_opened_again(started):
    started.inject(FaultKind.GONE, 100)
    with pytest.raises(CameraError) as caught:
        started.fire()
    assert caught.value.code == Code.CAMERA_GONE
    with pytest.raises(CameraError, match="KL5101"):
        started.grab(0.05)
    started.close()
    with pytest.raises(CameraError, match="KL5100"):
        started.open()
    time.sleep(0.12)
    started.open()
    started.start()
    assert greys(started, 1) == [20]


@pytest.mark.parametrize("started", [{"buffers": 2}], indirect=True)
def test_frames_that_nobody_takes_are_lost_with_a_gap(started):
    for _ in range(4):
        started.fire()
    numbers = [started.grab(1.0).number for _ in range(2)]
    started.fire()
    assert [*numbers, started.grab(1.0).number] == [1, 2, 5]


def test_faults_of_the_settings_strike_when_they_say():
    faults = (
        FaultSettings(kind="black", at=2),
        FaultSettings(kind="broken", every=3),
    )
    camera = simulated(faults=faults)
    camera.open()
    camera.start()
    seen = []
    for _ in range(6):
        camera.fire()
        try:
            seen.append(int(camera.grab(1.0).image.max()))
        except FrameBroken:
            seen.append(-1)
    camera.close()
    assert seen == [10, 0, -1, 40, 50, -1]


# Where images come from


def test_files_come_in_the_order_a_person_counts(tmp_path):
    for name in ("part-10", "part-2", "part-1"):
        save_image(tmp_path / f"{name}.png", flat(50))
    (tmp_path / "notes.txt").write_text("no image")
    assert [shot.part_id for shot in shots_of(tmp_path)] == ["part-1", "part-2", "part-10"]


def test_a_file_that_cannot_be_read_is_a_broken_frame(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image at all")
    camera = Settings(name="top", kind="simulated", folder=str(tmp_path)).build()
    camera.open()
    camera.start()
    camera.fire()
    with pytest.raises(FrameBroken):
        camera.grab(1.0)
    camera.close()


def test_rendered_parts_say_what_they_are_and_repeat_with_their_seed():
    shots = rendered_shots(4, 7, every_bad=2, size=(96, 72))
    assert [shot.part_id for shot in shots] == [
        "0001-good",
        "0002-scratch",
        "0003-good",
        "0004-dent",
    ]
    again = rendered_shots(4, 7, every_bad=2, size=(96, 72))
    assert all(np.array_equal(a.pixels(), b.pixels()) for a, b in zip(shots, again, strict=True))
