"""A station with a simulated camera: every part gets its own verdict, whatever fails."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as PillowImage
from tests.small_parts import dented, good_part
from tests.station.lines import (
    BAD,
    Watched,
    camera,
    plan,
    running,
    shots,
    until,
)

from keenline.devices.folder import FolderCamera
from keenline.devices.simulated import SimulatedCamera
from keenline.devices.simulated_faults import FaultKind
from keenline.errors import Code, StationError
from keenline.station.settings import EngineTable, TriggerSettings
from keenline.station.states import State
from keenline.types import TriggerSource, Verdict


def of(watched: Watched, verdict: Verdict) -> int:
    return watched.station.tally.counts().verdicts[verdict]


def test_parts_are_inspected_one_after_the_other(bundle: Path, tmp_path: Path) -> None:
    with running(plan(bundle, camera()), tmp_path) as line:
        results = line.inspect(12)
        line.assert_accounts_balance()
    verdicts = [result.decision.verdict for result in results]
    assert verdicts == [Verdict.PASS, Verdict.PASS, Verdict.REVIEW] * 4
    assert [result.actuates for result in results[:3]] == ["pass", "pass", "divert"]
    for result in results:
        (view,) = result.views
        assert view.size == (96, 64)
        assert view.score is not None
        assert view.image_kept == (result.decision.verdict is Verdict.REVIEW)
        assert view.image_kept == (view.image_sha256 in line.keeper.images)
        timings = result.timings
        assert timings.acquired is not None
        assert timings.inspected is not None
        assert timings.decided is not None
        assert 0 < timings.acquired < timings.inspected < timings.decided
    assert line.kinds()[-2:] == ["state", "stopped"]


def test_the_engine_is_killed_and_comes_back(bundle: Path, tmp_path: Path) -> None:
    with running(plan(bundle, camera()), tmp_path) as line:
        line.inspect(2)
        killed = line.station.opened.engine.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        until(lambda: line.station.state is State.ERROR)
        (meanwhile,) = line.inspect()
        assert meanwhile.decision.verdict is Verdict.INVALID
        assert meanwhile.code == Code.PART_ENGINE
        until(lambda: line.station.state is State.CONTINUOUS_EXECUTION)
        (after,) = line.inspect()
        assert after.decision.verdict is not Verdict.INVALID
        assert line.station.opened.engine.restarts == 1
        line.assert_accounts_balance()


def test_the_engine_hangs_and_is_started_anew(bundle: Path, tmp_path: Path) -> None:
    with running(plan(bundle, camera()), tmp_path) as line:
        line.inspect(1)
        hung = line.station.opened.engine.pid
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        (result,) = line.inspect()
        assert result.decision.verdict is Verdict.INVALID
        assert result.code == Code.PART_ENGINE
        until(lambda: line.station.opened.engine.restarts == 1)
        until(lambda: line.station.state is State.CONTINUOUS_EXECUTION)
        assert line.inspect()[0].decision.verdict is not Verdict.INVALID
        line.assert_accounts_balance()


def test_a_graph_that_answers_nan_passes_nothing(
    bundle_failing_on_black: Path, tmp_path: Path
) -> None:
    top = camera()
    with running(plan(bundle_failing_on_black, top), tmp_path) as line:
        assert line.inspect()[0].decision.verdict is Verdict.PASS
        top.inject(FaultKind.BLACK)
        (black,) = line.inspect()
        assert black.decision.verdict is Verdict.INVALID
        assert black.code == Code.ENGINE_NOT_FINITE
        assert black.actuates == "reject"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (FaultKind.SKIP, Code.PART_NO_IMAGE),
        (FaultKind.BROKEN, Code.PART_FRAME_LOST),
        (FaultKind.SIZE, Code.IMAGE_SIZE),
        (FaultKind.GONE, Code.PART_CAMERA_DOWN),
    ],
)
def test_a_bad_frame_costs_its_own_part(
    fault: FaultKind, code: Code, bundle: Path, tmp_path: Path
) -> None:
    top = camera()
    made = plan(bundle, top, trigger=TriggerSettings(source="software", deadline_ms=300))
    with running(made, tmp_path) as line:
        line.inspect(3)
        top.inject(fault, 50.0)
        (bad,) = line.inspect()
        assert bad.decision.verdict is Verdict.INVALID
        assert bad.code == code
        until(lambda: line.station.state.inspects and line.station.line_is_in_step)
        after = line.inspect(3)
        assert all(one.decision.verdict is not Verdict.INVALID for one in after)
        line.assert_accounts_balance()


def test_a_skipped_frame_never_shifts_the_next_ones(bundle: Path, tmp_path: Path) -> None:
    """Parts and frames carry the same name here, so a shift shows."""
    shown: list[str] = []
    top = SimulatedCamera("top", shots(60), latency_ms=20.0)
    top.on_exposed = lambda exposed: shown.append(exposed.part_id)
    with running(plan(bundle, top), tmp_path) as line:
        line.inspect(1)
        for number in range(2, 40):
            if number % 7 == 0:
                top.inject(FaultKind.SKIP)
            line.trigger()
            time.sleep(0.012)
        until(lambda: line.station.tally.counts().in_work == 0)
        for result in line.results:
            if result.decision.verdict is Verdict.PASS:
                assert BAD not in shown[result.views[0].frame_number - 1]
        assert of(line, Verdict.INVALID) >= 5
        assert of(line, Verdict.PASS) >= 5
        line.assert_accounts_balance()


def test_more_parts_than_can_be_inspected_are_invalid_and_counted(
    bundle: Path, tmp_path: Path
) -> None:
    top = camera(latency_ms=80.0, buffers=200)
    trigger = TriggerSettings(source="software", deadline_ms=3000, frame_ms=3000, parts_at_once=8)
    with running(plan(bundle, top, trigger=trigger), tmp_path) as line:
        line.inspect(1)
        for _ in range(50):
            line.trigger()
        line.assert_accounts_balance()
        counts = line.station.tally.counts()
        assert counts.codes == {Code.PART_OVERLOAD: 42}
        assert counts.verdicts[Verdict.INVALID] == 42
        assert line.inspect()[0].decision.verdict is not Verdict.INVALID


def test_two_cameras_make_one_verdict(bundle: Path, tmp_path: Path) -> None:
    left = SimulatedCamera("left", shots(6, every_bad=3), latency_ms=2.0)
    right = SimulatedCamera("right", shots(6, every_bad=2), latency_ms=8.0)
    with running(plan(bundle, left, right), tmp_path) as line:
        results = line.inspect(6)
        right.inject(FaultKind.BROKEN)
        (blind,) = line.inspect()
        line.assert_accounts_balance()
    found = [result.decision.verdict is Verdict.REVIEW for result in results]
    assert found == [False, True, True, True, False, True]
    assert [view.camera for view in results[0].views] == ["left", "right"]
    assert blind.decision.verdict is Verdict.INVALID
    assert blind.actuates == "reject"


def test_the_bundle_is_changed_between_two_parts(
    bundle: Path, bundle_failing_on_black: Path, tmp_path: Path
) -> None:
    with running(plan(bundle, camera()), tmp_path) as line:
        before = line.inspect()[0]
        line.station.change(bundle_failing_on_black)
        after = line.inspect()[0]
        assert before.bundle_sha256 != after.bundle_sha256
        change = next(event for event in line.events if event.kind == "bundle-changed")
        assert change.facts["bundle_sha256"] == after.bundle_sha256
        line.assert_accounts_balance()


def test_a_bundle_that_cannot_be_used_changes_nothing(bundle: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.keen"
    broken.write_bytes(bundle.read_bytes()[:-100])
    with running(plan(bundle, camera()), tmp_path / "journal") as line:
        before = line.inspect()[0]
        with pytest.raises(Exception, match="KL21"):
            line.station.change(broken)
        after = line.inspect()[0]
        assert before.bundle_sha256 == after.bundle_sha256


def test_everything_that_cannot_be_opened_is_said_at_once(tmp_path: Path) -> None:
    gone = SimulatedCamera("gone", list)
    gone._absent_until_ns = time.monotonic_ns() + 10**12
    made = plan(tmp_path / "nowhere.keen", gone)
    with pytest.raises(StationError) as raised, running(made, tmp_path):
        pass
    assert raised.value.code is Code.STATION_START
    assert len(raised.value.problems) == 2
    assert "KL5100" in raised.value.problems[0]
    assert "KL2100" in raised.value.problems[1]


def test_one_job_after_a_pause(bundle: Path, tmp_path: Path) -> None:
    with running(plan(bundle, camera()), tmp_path) as line:
        line.station.health.pause("test")
        assert line.station.state is State.READY
        (refused,) = line.inspect()
        assert refused.code == Code.PART_NOT_READY
        number = line.station.single("part A").number
        until(lambda: line.result(number) is not None)
        until(lambda: line.station.state is State.READY)
        done = line.result(number)
        assert done is not None
        assert done.trigger.part_id == "part A"
        assert done.decision.verdict is not Verdict.INVALID
        line.station.health.resume("test")
        assert line.inspect()[0].decision.verdict is not Verdict.INVALID


def test_a_camera_that_triggers_makes_a_part_of_each_frame(bundle: Path, tmp_path: Path) -> None:
    top = SimulatedCamera("top", shots(6), trigger="free", latency_ms=1.0, period_ms=40.0)
    made = plan(
        bundle,
        cameras=[(top, "free")],
        trigger=TriggerSettings(source="camera", deadline_ms=2000),
    )
    with running(made, tmp_path) as line:
        until(lambda: len(line.results) >= 3)
        top.inject(FaultKind.SKIP)
        top.inject(FaultKind.BROKEN)
        until(lambda: len(line.results) >= 9)
    line_results = [one for one in line.results if one.code != Code.PART_NOT_READY]
    lost = [one for one in line_results if one.code == Code.PART_FRAME_LOST]
    assert len(lost) == 2
    for result in line_results:
        assert result.trigger.source is TriggerSource.CAMERA
        if result.code is None:
            expected = Verdict.REVIEW if BAD in result.trigger.part_id else Verdict.PASS
            assert result.decision.verdict is expected


def test_images_that_cannot_be_kept_are_an_event_and_stop_nothing(
    bundle: Path, tmp_path: Path
) -> None:
    with running(plan(bundle, camera()), tmp_path) as line:
        line.keeper.takes = False
        assert line.inspect(3)[-1].decision.verdict is Verdict.REVIEW
        until(lambda: "image-lost" in line.kinds())
        assert line.station.tally.counts().images_lost == 1


def test_a_slow_engine_makes_late_parts_invalid(bundle: Path, tmp_path: Path) -> None:
    made = plan(
        bundle,
        camera(),
        trigger=TriggerSettings(source="software", deadline_ms=100),
        engine=EngineTable(threads=1, hang_ms=5000),
    )
    with running(made, tmp_path) as line:
        line.inspect(1)
        slow = line.station.opened.engine.pid
        assert slow is not None
        os.kill(slow, signal.SIGSTOP)
        (late,) = line.inspect()
        os.kill(slow, signal.SIGCONT)
        assert late.code == Code.PART_LATE
        assert late.timings.decided is not None
        assert 100 <= late.timings.decided < 1000
        until(lambda: line.station.opened.engine.pending == 0)
        assert line.inspect()[0].code is None
        line.assert_accounts_balance()


def test_a_folder_that_was_filled_is_worked_off_at_the_pace_of_the_station(
    bundle: Path, tmp_path: Path
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    for number in range(1, 31):
        picture = PillowImage.fromarray(dented(number) if number % 3 == 0 else good_part(number))
        picture.save(inbox / f"{number}.png")
    made = replace(
        plan(bundle),
        cameras=[(FolderCamera("top", inbox, settle_s=0.0), "free")],
        trigger=TriggerSettings(source="camera", deadline_ms=2000, parts_at_once=4),
    )
    with running(made, tmp_path / "journal", waits=False) as line:
        until(lambda: len(line.results) == 30)
        line.assert_accounts_balance()
    assert [one.trigger.part_id for one in line.results] == [str(n) for n in range(1, 31)]
    assert of(line, Verdict.INVALID) == 0
