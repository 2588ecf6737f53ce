"""A GigE Vision camera is killed while parts go by: nothing passes until it is back."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.devices.test_aravis import SERIAL, Peer, bindings  # noqa: F401
from tests.faults.line import fault_line
from tests.small_parts import recipe, save_image, tiny_backbone
from tests.station.lines import until

import keenline
from keenline.devices.aravis import AravisCamera, AravisSettings
from keenline.errors import Code
from keenline.station.opening import StationPlan
from keenline.types import Verdict


def settings() -> AravisSettings:
    return AravisSettings.model_validate(
        {"name": "top", "kind": "aravis", "ip": "127.0.0.1", "width": 96, "height": 64}
        | {"exposure_us": 1000.0, "nodes": {"AcquisitionFrameRate": 100.0}}
    )


def learnt(camera: AravisCamera, folder: Path) -> Path:
    """A bundle of what this camera shows, which is always the same but for noise of ours."""
    chance = np.random.default_rng(1)
    camera.open()
    camera.start()
    for number in range(30):
        camera.fire()
        grey = camera.grab(2.0).image[..., :1].astype(int)
        noise = number % 5
        noisy = (
            (grey + chance.integers(-noise, noise + 1, grey.shape)).clip(0, 255).astype(np.uint8)
        )
        save_image(folder / "parts" / "good" / f"{number:02}.png", noisy)
    camera.close()
    chosen = recipe(backbone=tiny_backbone(folder), precision="f32")
    keenline.train(keenline.open_dataset(folder / "parts"), folder / "part.keen", recipe=chosen)
    return folder / "part.keen"


@pytest.mark.slow
@pytest.mark.usefixtures("bindings")
def test_nothing_passes_while_the_camera_is_dead(tmp_path: Path) -> None:
    peer = Peer()
    try:
        bundle = learnt(settings().build(), tmp_path)

        def real(plan: StationPlan) -> StationPlan:
            return replace(plan, cameras=[(settings().build(), "software")])

        with fault_line(tmp_path, bundle, plan=real, rate=5.0) as line:
            line.until_passes(5)
            peer.kill()
            died = time.monotonic()
            time.sleep(0.5)  # a frame that had been taken may still be on its way
            passed = line.passes()
            until(lambda: line.trouble_of("camera top"), 40)
            assert time.monotonic() - died < 30
            assert line.passes() == passed
            peer = Peer()
            line.until_works(30)
            line.until_passes(5)
            # The conveyor does not know what a real camera showed: the gate is checked below.
            line.conveyor.stop()
            line.plant.stop()
            line.check_records()
            accounts = line.conveyor.accounts()
    finally:
        peer.kill()
    assert accounts.presented == accounts.results == len(line.results)
    assert (accounts.unanswered, accounts.answered_twice, accounts.other_gate) == (0, 0, 0)
    assert 10 <= accounts.gates["pass"] <= accounts.verdicts[Verdict.PASS]
    # PART_PLC: firing a camera that does not answer holds the PLC's thread up, so triggers are
    # seen too late.
    codes = {one.code for one in line.results} - {None}
    assert codes <= {
        Code.PART_NO_IMAGE,
        Code.PART_FRAME_LOST,
        Code.PART_PLC,
        Code.PART_CAMERA_DOWN,
        Code.PART_UNCERTAIN_MATCH,
        Code.CAMERA_GONE,
        Code.CAMERA_MISSING,
    }
    assert SERIAL in {view.serial for one in line.results for view in one.views}
