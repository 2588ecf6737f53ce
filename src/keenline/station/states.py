"""What a station is doing, by the state names of OPC 40100-1, and which step leads where.

OPC 40100-1 (OPC UA for Machine Vision, part 1: Control, configuration management, recipe
management, result management), VisionStateMachine and VisionAutomaticModeStateMachine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum

from keenline.errors import Code, StationError


class State(StrEnum):
    """States of the vision state machine; the last four are substates of Operational."""

    PREOPERATIONAL = "Preoperational"
    """Started; cameras, engine or bundle are not all there yet."""
    HALTED = "Halted"
    """Stopped for good, or for maintenance; only a reset leads on."""
    ERROR = "Error"
    """Something that it needs is gone; every part is INVALID until it is back."""
    INITIALIZED = "Initialized"
    """Operational, waiting to be made ready."""
    READY = "Ready"
    """Operational, waiting for a job."""
    SINGLE_EXECUTION = "SingleExecution"
    """Inspecting one part that was asked for."""
    CONTINUOUS_EXECUTION = "ContinuousExecution"
    """Inspecting every part that triggers."""

    @property
    def is_operational(self) -> bool:
        return self in _OPERATIONAL

    @property
    def inspects(self) -> bool:
        """A part that triggers now is inspected; in any other state it is INVALID."""
        return self in (State.SINGLE_EXECUTION, State.CONTINUOUS_EXECUTION)


class Step(StrEnum):
    """What moves a station from one state to another; methods and causes of OPC 40100-1."""

    SELECT_AUTOMATIC = "SelectModeAutomatic"
    MAKE_READY = "PrepareRecipe"
    START_SINGLE_JOB = "StartSingleJob"
    START_CONTINUOUS = "StartContinuous"
    JOB_DONE = "JobDone"
    STOP = "Stop"
    ABORT = "Abort"
    RESET = "Reset"
    HALT = "Halt"
    FAIL = "Error"


_OPERATIONAL = frozenset(
    {State.INITIALIZED, State.READY, State.SINGLE_EXECUTION, State.CONTINUOUS_EXECUTION}
)
_EXECUTING = frozenset({State.SINGLE_EXECUTION, State.CONTINUOUS_EXECUTION})

_STEPS: dict[Step, tuple[frozenset[State], State]] = {
    Step.SELECT_AUTOMATIC: (frozenset({State.PREOPERATIONAL}), State.INITIALIZED),
    Step.MAKE_READY: (frozenset({State.INITIALIZED, State.READY}), State.READY),
    Step.START_SINGLE_JOB: (frozenset({State.READY}), State.SINGLE_EXECUTION),
    Step.START_CONTINUOUS: (frozenset({State.READY}), State.CONTINUOUS_EXECUTION),
    Step.JOB_DONE: (frozenset({State.SINGLE_EXECUTION}), State.READY),
    Step.STOP: (_EXECUTING, State.READY),
    Step.ABORT: (_EXECUTING, State.READY),
    Step.RESET: (
        frozenset({State.HALTED, State.ERROR, *_OPERATIONAL}),
        State.PREOPERATIONAL,
    ),
    Step.HALT: (
        frozenset({State.PREOPERATIONAL, State.ERROR, *_OPERATIONAL}),
        State.HALTED,
    ),
    Step.FAIL: (frozenset({State.PREOPERATIONAL, *_OPERATIONAL}), State.ERROR),
}


class StateMachine:
    """The state of one station. Steps may come from any thread."""

    def __init__(
        self, on_change: Callable[[State, State, str], None], lock: threading.RLock
    ) -> None:
        """`on_change(before, after, why)` is called for each change, in their order, while `lock`
        is held and no other step is taken; it must not take a step itself."""
        self._on_change = on_change
        self._lock = lock
        self._state = State.PREOPERATIONAL

    @property
    def state(self) -> State:
        return self._state

    def allows(self, step: Step) -> bool:
        """Whether `step` may be taken now."""
        return self._state in _STEPS[step][0]

    def take(self, step: Step, why: str) -> State:
        """Take `step`; answers with the new state. Raises StationError STATION_TRANSITION."""
        with self._lock:
            if not self.allows(step):
                raise StationError(
                    Code.STATION_TRANSITION,
                    f"{step} is not possible while the station is {self._state}",
                    problems=[f"possible now: {', '.join(self._possible())}"],
                    next="bring the station to the right state first",
                )
            before, self._state = self._state, _STEPS[step][1]
            if before is not self._state:
                self._on_change(before, self._state, why)
            return self._state

    def take_if_possible(self, step: Step, why: str) -> bool:
        """Take `step` where the present state allows it; whether it did."""
        with self._lock:
            if not self.allows(step):
                return False
            self.take(step, why)
            return True

    def _possible(self) -> list[str]:
        return [str(step) for step in Step if self.allows(step)]
