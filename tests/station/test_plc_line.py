"""A station and a PLC program: every part has one outcome at the gate, none is waved through."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.station.lines import BAD, GOOD, Watched, camera, plan, running, until

from keenline.bundle import read_bundle
from keenline.challenge_settings import ChallengePart, ChallengeSettings
from keenline.devices.plc_simulated import GatePart, SimulatedPlc, SimulatedPlcSettings
from keenline.devices.simulated import SimulatedCamera
from keenline.devices.simulated_faults import FaultKind
from keenline.errors import Code
from keenline.station.settings import (
    EngineTable,
    HandshakeSettings,
    TrackingSettings,
    TriggerSettings,
)
from keenline.station.states import State
from keenline.types import TriggerSource, Verdict

_NAMES = [f"{n}-{BAD if n % 3 == 0 else GOOD}" for n in range(1, 7)]


@contextmanager
def plc_line(
    bundle: Path,
    folder: Path,
    top: SimulatedCamera,
    *,
    kind: str = "level",
    deadline_ms: float = 2000,
    **more: object,
) -> Iterator[tuple[Watched, SimulatedPlc]]:
    """`top` is pulsed by nothing: the station fires it when the PLC triggers."""
    plc = SimulatedPlcSettings(handshake=kind, answer_ms=3000).build()  # type: ignore[arg-type]
    made = plan(
        bundle,
        top,
        plc=plc,
        trigger=TriggerSettings(source="plc", deadline_ms=deadline_ms, frame_ms=500),
        handshake=HandshakeSettings(kind=kind, stale_ms=400),  # type: ignore[arg-type]
        engine=EngineTable(threads=1, hang_ms=1000),
        **more,
    )
    with running(made, folder) as line:
        until(lambda: plc.output("ready") is True)
        yield line, plc


def through(plc: SimulatedPlc, number: int) -> list[GatePart]:
    parts: list[GatePart] = []

    def all_came() -> bool:
        parts.extend(plc.taken())
        return len(parts) >= number

    until(all_came)
    return parts


@pytest.mark.parametrize("kind", ["level", "count"])
def test_every_part_leaves_by_the_gate_of_its_verdict(
    kind: str, bundle: Path, tmp_path: Path
) -> None:
    with plc_line(bundle, tmp_path, camera(), kind=kind) as (line, plc):
        for name in _NAMES * 2:
            plc.present(name)
            if kind == "count":
                time.sleep(0.05)
        parts = through(plc, 12)
        line.assert_accounts_balance()
        gates = {result.trigger.part_id: result.actuates for result in line.results}
    assert [part.part_id for part in parts] == _NAMES * 2
    assert not any(part.contradiction for part in parts)
    for part in parts:
        assert part.gate == gates[part.part_id]
    for result in line.results:
        assert result.trigger.source is TriggerSource.PLC
    actuated = line.station.tally.percentiles("actuated", 50)[0]
    assert actuated > 0


def test_a_bad_part_is_diverted_and_a_lost_frame_rejected(bundle: Path, tmp_path: Path) -> None:
    top = camera()
    with plc_line(bundle, tmp_path, top, deadline_ms=300) as (line, plc):
        for name in _NAMES[:3]:
            plc.present(name)
        assert [part.gate for part in through(plc, 3)] == ["pass", "pass", "divert"]
        top.inject(FaultKind.BROKEN)
        plc.present("blind")
        (blind,) = through(plc, 1)
        assert blind.gate == "reject"
        assert blind.fault_code == Code.PART_FRAME_LOST
        line.assert_accounts_balance()


@pytest.mark.parametrize("kind", ["level", "count"])
def test_a_challenge_part_that_the_plc_announces_stops_the_pass_it_gets(
    kind: str, bundle: Path, tmp_path: Path
) -> None:
    challenge = ChallengeSettings(parts=(ChallengePart(announced=1),))
    recipe = read_bundle(bundle).manifest.recipe.model_copy(update={"challenge": challenge})
    with plc_line(bundle, tmp_path, camera(), kind=kind, recipe=recipe) as (line, plc):
        gates = []
        for name, known_bad in (("1-good", 0), ("2-good", 1), ("3-bad", 0), ("4-good", 0)):
            plc.present(name, challenge=known_bad)
            gates += through(plc, 1)
        line.assert_accounts_balance()
    assert [part.gate for part in gates] == ["pass", "divert", "divert", "divert"]
    assert [result.trigger.challenge for result in line.results] == [0, 1, 0, 0]
    assert "challenge-missed" in line.kinds()
    assert "2-good was missed" in line.results[3].decision.reasons[0]


@pytest.mark.parametrize("fault", ["disappear", "stop_heartbeat", "freeze_inputs"])
def test_nothing_passes_while_the_plc_is_gone_or_stale(
    fault: str, bundle: Path, tmp_path: Path
) -> None:
    with plc_line(bundle, tmp_path, camera()) as (line, plc):
        plc.present("first")
        assert through(plc, 1)[0].gate == "pass"
        getattr(plc, fault)()
        until(lambda: line.station.state is State.ERROR)
        assert "plc" in line.station.health.troubles
        (meanwhile,) = line.inspect()
        assert meanwhile.decision.verdict is Verdict.INVALID
        plc.recover()
        until(lambda: line.station.state is State.CONTINUOUS_EXECUTION)
        until(lambda: plc.output("ready") is True)
        plc.taken()
        plc.present("later")
        until(lambda: any(one.trigger.part_id == "later" for one in line.results))
        assert through(plc, 1)[-1].gate in ("pass", "divert")
        line.assert_accounts_balance()


def test_a_part_whose_plc_vanished_before_the_verdict_is_not_passed(
    bundle: Path, tmp_path: Path
) -> None:
    top = camera(latency_ms=300.0)
    with plc_line(bundle, tmp_path, top) as (line, plc):
        plc.present("lost")
        until(lambda: line.station.tally.counts().triggers == 1)
        plc.disappear()
        until(lambda: len(line.results) == 1)
        assert line.results[0].decision.verdict is Verdict.INVALID
        assert line.results[0].code in (Code.PLC_GONE, Code.PLC_UNREACHABLE)
        plc.recover()
        until(lambda: line.station.state is State.CONTINUOUS_EXECUTION)


def test_verdicts_wait_for_their_parts_to_come_to_the_gate(bundle: Path, tmp_path: Path) -> None:
    tracking = TrackingSettings(gate_counts=1000)
    with plc_line(bundle, tmp_path, camera(), kind="count", tracking=tracking) as (line, plc):
        plc.move_to(0)
        time.sleep(0.1)
        for number, name in enumerate(_NAMES[:3], 1):
            plc.present(name)
            until(lambda number=number: len(line.results) == number)
            plc.move_to(number * 100)
            time.sleep(0.02)
        assert plc.taken() == []
        plc.move_to(1000)
        assert [part.part_id for part in through(plc, 1)] == [_NAMES[0]]
        plc.move_to(1200)
        assert [part.part_id for part in through(plc, 2)] == _NAMES[1:3]
        line.assert_accounts_balance()


def test_a_part_at_the_gate_without_a_verdict_is_rejected_and_invalid(
    bundle: Path, tmp_path: Path
) -> None:
    top = camera(latency_ms=400.0)
    tracking = TrackingSettings(gate_counts=1000)
    with plc_line(bundle, tmp_path, top, kind="count", tracking=tracking) as (line, plc):
        plc.move_to(0)
        time.sleep(0.1)
        plc.present("slow")
        until(lambda: line.station.tally.counts().triggers == 1)
        plc.move_to(1100)
        until(lambda: len(line.results) == 1)
        assert line.results[0].code == Code.PART_LATE
        (slow,) = through(plc, 1)
        assert (slow.gate, slow.fault_code) == ("reject", Code.PART_LATE)
        line.assert_accounts_balance()


def test_a_station_that_was_stopped_asks_for_no_parts_and_has_no_fault(
    bundle: Path, tmp_path: Path
) -> None:
    with plc_line(bundle, tmp_path, camera()) as (line, plc):
        line.station.health.pause("a client asked for it")
        until(lambda: plc.output("ready") is False)
        assert line.station.state is State.READY
        assert plc.output("fault") is False
        line.station.health.resume("a client asked for it")
        until(lambda: plc.output("ready") is True)
