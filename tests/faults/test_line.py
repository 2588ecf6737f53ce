"""Frames, engine and belt fail while parts go by: each fault costs its own parts and no other."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as PillowImage
from tests.faults.line import FaultLine, fault_line
from tests.small_parts import good_part
from tests.station.lines import until

from keenline.devices.simulated_faults import FaultKind
from keenline.devices.simulated_images import shots_of
from keenline.errors import Code
from keenline.station.conveyor import Belt
from keenline.station.opening import StationPlan
from keenline.types import Verdict


def invalid_codes(line: FaultLine, since: int = 0) -> set[int | None]:
    return {one.code for one in line.results[since:] if one.decision.verdict is Verdict.INVALID}


BAD_FRAMES = [
    (FaultKind.BROKEN, 0, Code.PART_FRAME_LOST),
    (FaultKind.SIZE, 0, Code.IMAGE_SIZE),
    (FaultKind.SKIP, 0, Code.PART_UNCERTAIN_MATCH),
    (FaultKind.DELAY, 150, Code.PART_UNCERTAIN_MATCH),
    (FaultKind.GONE, 600, Code.PART_CAMERA_DOWN),
]


def test_a_bad_frame_never_gives_its_verdict_to_another_part(bundle: Path, tmp_path: Path) -> None:
    """Corrupt, of a wrong size, lost, late, and with the camera gone: one after the other."""
    with fault_line(tmp_path, bundle) as line:
        for fault, ms, code in BAD_FRAMES:
            line.until_passes(2)
            before = len(line.results)
            line.camera.inject(fault, ms)
            until(lambda code=code, before=before: code in invalid_codes(line, before))
            line.until_works()
        line.until_passes(2)
        accounts = line.settle()
    assert accounts.verdicts[Verdict.INVALID] >= len(BAD_FRAMES)
    assert accounts.gates["pass"] == accounts.verdicts[Verdict.PASS]


def test_a_corrupt_file_of_an_image_is_a_bad_frame(bundle: Path, tmp_path: Path) -> None:
    """A camera whose images are files, one of which was cut short."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        PillowImage.fromarray(good_part(number)).save(folder / f"{number}-good.png")
    whole = (folder / "2-good.png").read_bytes()
    (folder / "2-good.png").write_bytes(whole[: len(whole) // 2])
    with fault_line(tmp_path, bundle, pictures=lambda: shots_of(folder)) as line:
        line.until_passes(6)
        accounts = line.settle()
    bad = [one for one in line.results if "2-good" in one.trigger.part_id]
    assert bad
    assert {one.decision.verdict for one in bad} == {Verdict.INVALID}
    assert {one.code for one in bad} == {Code.PART_FRAME_LOST}
    assert accounts.verdicts[Verdict.PASS] >= 6


def test_nan_from_the_graph_passes_nothing(other_bundle: Path, tmp_path: Path) -> None:
    with fault_line(tmp_path, other_bundle) as line:
        line.until_passes(3)
        for _ in range(3):
            line.camera.inject(FaultKind.BLACK)
        until(lambda: Code.ENGINE_NOT_FINITE in invalid_codes(line))
        line.until_passes(3)
        accounts = line.settle(sees_dents=False)
    black = [one for one in line.results if one.code == Code.ENGINE_NOT_FINITE]
    assert len(black) == 3
    assert {one.actuates for one in black} == {"reject"}
    assert accounts.gates["pass"] == accounts.verdicts[Verdict.PASS]


def test_an_engine_that_crashes_or_hangs_is_started_anew(bundle: Path, tmp_path: Path) -> None:
    with fault_line(tmp_path, bundle) as line:
        for count, fault in enumerate((signal.SIGKILL, signal.SIGSTOP), 1):
            line.until_passes(2)
            pid = line.station.opened.engine.pid
            assert pid is not None
            os.kill(pid, fault)
            until(lambda: line.trouble_of("engine"))
            line.until_works()
            assert line.metric("keenline_engine_restarts_total") == count
        line.until_passes(2)
        line.settle()
    assert Code.PART_ENGINE in invalid_codes(line)


def test_an_engine_that_is_started_anew_runs_what_was_verified(
    bundle: Path, other_bundle: Path, tmp_path: Path
) -> None:
    """The bundle's file was replaced, then broken, while the station ran, and nobody said so."""
    file = tmp_path / "part.keen"
    file.write_bytes(bundle.read_bytes())
    with fault_line(tmp_path, file) as line:
        line.until_passes(3)
        for content in (other_bundle.read_bytes(), b"no bundle"):
            file.write_bytes(content)
            pid = line.station.opened.engine.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            until(lambda: line.trouble_of("engine"))
            line.until_works()
            line.until_passes(3)
        # Black is NaN to the graph of the other bundle, and a score to this one.
        line.camera.inject(FaultKind.BLACK)
        until(lambda: line.results[-1].decision.verdict is Verdict.REVIEW)
        line.until_passes(2)
        line.settle()
    assert Code.ENGINE_NOT_FINITE not in invalid_codes(line)
    hashes = {one.bundle_sha256 for one in line.results}
    assert len(hashes) == 1


@pytest.mark.slow
def test_five_times_as_many_parts_for_ten_seconds(bundle: Path, tmp_path: Path) -> None:
    """The engine manages 25 parts a second; 40 come."""

    def slow(plan: StationPlan) -> StationPlan:
        return replace(plan, inspector="tests.faults.engines:slow")

    with fault_line(tmp_path, bundle, plan=slow, rate=8.0) as line:
        line.until_passes(4)
        line.conveyor.belt = Belt(40.0, 0.0)
        time.sleep(10)
        overloaded = line.station.tally.counts().codes.get(Code.PART_OVERLOAD, 0)
        assert overloaded > 50
        assert line.metric('keenline_invalid_total{code="KL5402"}') >= overloaded
        line.conveyor.belt = Belt(8.0, 0.0)
        time.sleep(1)
        begin = len(line.results)
        line.until_passes(6)
        assert line.notices_nothing(begin)
        accounts = line.settle()
    assert accounts.presented > 350
    assert accounts.verdicts[Verdict.PASS] > 100
    assert accounts.gates["pass"] <= accounts.verdicts[Verdict.PASS]
