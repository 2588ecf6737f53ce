"""A GigE Vision camera is killed while parts go by: nothing passes until it is back."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

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
    """A bundle of what this camera shows."""
    camera.open()
    camera.start()
    for number in range(30):
        camera.fire()
        save_image(folder / "parts" / "good" / f"{number:02}.png", camera.grab(2.0).image)
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
            until(lambda: line.trouble_of("camera top"), 15)
            assert time.monotonic() - died < 15
            assert line.passes() == passed
            peer = Peer()
            line.until_works(30)
            line.until_passes(5)
            # The conveyor does not know what a real camera showed: the gate is checked below.
            line.conveyor.stop()
            line.plant.stop()
            line.left = line.recorded()
            by_part = {one.trigger.part_id: one for one in line.results}
            gated = line.conveyor.gated()
    finally:
        peer.kill()
    assert len(by_part) == len(line.results) == line.conveyor.presented
    for part in gated:
        if part.gate == "pass":
            assert by_part[part.part_id].decision.verdict is Verdict.PASS
    codes = {one.code for one in line.results}
    assert codes <= {None, *(Code.PART_NO_IMAGE, Code.PART_CAMERA_DOWN, Code.CAMERA_GONE)} | {
        Code.PART_UNCERTAIN_MATCH,
        Code.CAMERA_MISSING,
    }
    assert SERIAL in {view.serial for one in line.results for view in one.views}
