"""What a station needs: all of it is there, or all that is not is said at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.station.lines import camera, plan, running, shots

from keenline.devices.camera import CameraFacts
from keenline.devices.simulated import SimulatedCamera
from keenline.errors import Code, ImageError, StationError


class Sized(SimulatedCamera):
    """A camera that says how large its frames are, as a real one does."""

    def open(self) -> CameraFacts:
        return replace(super().open(), size=(48, 32))


def sized() -> SimulatedCamera:
    return Sized("top", shots(), latency_ms=2.0)


def test_a_camera_of_another_size_than_was_learnt_is_a_reason_not_to_start(
    bundle: Path, tmp_path: Path
):
    with (
        pytest.raises(StationError) as caught,
        running(plan(bundle, sized()), tmp_path),
    ):
        pass
    assert caught.value.code is Code.STATION_START
    (told,) = caught.value.problems
    assert "[KL1108]" in told
    assert "48 x 32 px" in told


def test_an_engine_that_cannot_start_is_told_with_what_else_is_wrong(bundle: Path, tmp_path: Path):
    wrong = plan(bundle, camera("top", period_ms=20.0), inspector="no_such_module:inspect")
    wrong.cameras.append((Untriggered(), "software"))  # type: ignore[attr-defined]
    with pytest.raises(StationError) as caught, running(wrong, tmp_path):
        pass
    codes = {told.split("[KL")[1][:4] for told in caught.value.problems}
    assert codes == {str(int(Code.CAMERA_NO_TRIGGER)), str(int(Code.ENGINE_COMPILE))}


class Untriggered:
    """A camera that nobody can fire from here."""

    name = "side"

    def __init__(self) -> None:
        self.inner = camera("side")

    def open(self):
        return self.inner.open()

    def close(self) -> None:
        self.inner.close()

    def start(self) -> None:
        self.inner.start()

    def stop(self) -> None:
        self.inner.stop()

    def grab(self, timeout_s: float):
        return self.inner.grab(timeout_s)


def test_a_bundle_for_another_size_is_refused_while_the_old_one_goes_on(
    bundle: Path, tmp_path: Path
):
    small = Path(__file__).parents[1] / "golden" / "memory_bank.keen"
    with running(plan(small, sized()), tmp_path) as watched:
        before = watched.station.programme
        with pytest.raises(ImageError, match="KL1108"):
            watched.station.change(bundle)
        assert watched.station.programme is before
