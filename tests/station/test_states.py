"""The state machine takes the steps of OPC 40100-1 and no others."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keenline.errors import Code, StationError
from keenline.station.states import State, StateMachine, Step


def machine() -> tuple[StateMachine, list[tuple[State, State, str]]]:
    changes: list[tuple[State, State, str]] = []
    made = StateMachine(lambda *change: changes.append(change), threading.RLock())
    return made, changes


def test_the_way_to_continuous_execution_and_back() -> None:
    states, changes = machine()
    for step in (Step.SELECT_AUTOMATIC, Step.MAKE_READY, Step.START_CONTINUOUS):
        states.take(step, "test")
    assert states.state is State.CONTINUOUS_EXECUTION
    assert states.state.inspects
    states.take(Step.STOP, "test")
    assert states.state is State.READY
    assert [after for _, after, _ in changes] == [
        State.INITIALIZED,
        State.READY,
        State.CONTINUOUS_EXECUTION,
        State.READY,
    ]


def test_a_step_that_is_not_possible_says_what_is() -> None:
    states, changes = machine()
    with pytest.raises(StationError) as raised:
        states.take(Step.START_SINGLE_JOB, "test")
    assert raised.value.code is Code.STATION_TRANSITION
    assert "SelectModeAutomatic" in str(raised.value)
    assert changes == []


@given(st.lists(st.sampled_from(Step), max_size=50))
def test_whatever_is_tried_a_part_is_inspected_only_after_ready(steps: list[Step]) -> None:
    states, changes = machine()
    for step in steps:
        states.take_if_possible(step, "test")
    for before, after, _ in changes:
        if after.inspects:
            assert before is State.READY
        if before is State.HALTED:
            assert after is State.PREOPERATIONAL
    assert states.state.is_operational == (
        states.state not in (State.PREOPERATIONAL, State.HALTED, State.ERROR)
    )
