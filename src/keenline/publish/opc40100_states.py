"""Two states of a station turned into the transitions of OPC 40100-1 between them.

States, transitions and what may be called in which state: OPC 40100-1 version 1.0, sections 8.2
(vision state machine) and 8.3 (automatic mode), https://reference.opcfoundation.org/MachineVision.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise

PREOPERATIONAL = "Preoperational"
HALTED = "Halted"
ERROR = "Error"
OPERATIONAL = "Operational"
INITIALIZED = "Initialized"
READY = "Ready"
SINGLE_EXECUTION = "SingleExecution"
CONTINUOUS_EXECUTION = "ContinuousExecution"

AUTOMATIC = (INITIALIZED, READY, SINGLE_EXECUTION, CONTINUOUS_EXECUTION)
"""States of the automatic mode, all of them within Operational."""
STATES = (PREOPERATIONAL, HALTED, ERROR, *AUTOMATIC)
"""What a station can be in."""

_EXECUTING = (SINGLE_EXECUTION, CONTINUOUS_EXECUTION)

ALLOWED: dict[str, tuple[str, ...]] = {
    "Halt": (PREOPERATIONAL, ERROR, *AUTOMATIC),
    "Reset": (HALTED, ERROR, *AUTOMATIC),
    "SelectModeAutomatic": (PREOPERATIONAL,),
    "PrepareRecipe": (INITIALIZED, READY),
    "StartSingleJob": (READY,),
    "StartContinuous": (READY,),
    "Stop": _EXECUTING,
    "Abort": _EXECUTING,
}
"""The states in which each method may be called."""

SYSTEM_STATES: dict[str, int] = {
    PREOPERATIONAL: 6,
    HALTED: 6,
    ERROR: 5,
    INITIALIZED: 2,
    READY: 2,
    SINGLE_EXECUTION: 1,
    CONTINUOUS_EXECUTION: 1,
}
"""SystemStateDataType (section 12.21): 1 production, 2 stand-by, 5 unscheduled downtime, 6 not
scheduled."""

# What lies one transition away; `steps` finds its way along these.
_NEXT: dict[str, tuple[str, ...]] = {
    PREOPERATIONAL: (INITIALIZED, HALTED, ERROR),
    HALTED: (PREOPERATIONAL,),
    ERROR: (PREOPERATIONAL, HALTED, INITIALIZED),
    INITIALIZED: (READY, PREOPERATIONAL, HALTED, ERROR),
    READY: (INITIALIZED, *_EXECUTING, PREOPERATIONAL, HALTED, ERROR),
    SINGLE_EXECUTION: (READY, PREOPERATIONAL, HALTED, ERROR),
    CONTINUOUS_EXECUTION: (READY, PREOPERATIONAL, HALTED, ERROR),
}
# The part of a transition's name that tells its cause; "Auto" for those the station makes itself.
_BY_METHOD: dict[str, str] = {
    "ReadyToSingleExecution": "StartSingleJob",
    "ReadyToContinuousExecution": "StartContinuous",
    "InitializedToReadyRecipe": "PrepareRecipe",
    "SingleExecutionToReadyStop": "Stop",
    "SingleExecutionToReadyAbort": "Abort",
    "ContinuousExecutionToReadyStop": "Stop",
    "ContinuousExecutionToReadyAbort": "Abort",
    "PreoperationalToHalted": "Halt",
    "PreoperationalToOperational": "SelectModeAutomatic",
    "HaltedToPreoperational": "Reset",
    "ErrorToPreoperational": "Reset",
    "ErrorToHalted": "Halt",
    "OperationalToPreoperational": "Reset",
    "OperationalToHalted": "Halt",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One transition."""

    old: str
    """One of STATES."""
    new: str
    transition: str
    """Name of the transition object in the type of the state machine."""

    @property
    def is_automatic(self) -> bool:
        """It belongs to the state machine of the automatic mode."""
        return self.old in AUTOMATIC and self.new in AUTOMATIC


def steps(old: str, new: str, method: str = "") -> tuple[Step, ...]:
    """The shortest way from `old` to `new`, by the method of that name or by the station itself."""
    if old == new:
        return ()
    before: dict[str, str] = {old: ""}
    queue = deque([old])
    while new not in before:
        here = queue.popleft()
        for there in _NEXT[here]:
            if there not in before:
                before[there] = here
                queue.append(there)
    way = [new]
    while before[way[0]]:
        way.insert(0, before[way[0]])
    return tuple(Step(one, other, _transition(one, other, method)) for one, other in pairwise(way))


def _transition(old: str, new: str, method: str) -> str:
    if not (old in AUTOMATIC and new in AUTOMATIC):
        old, new = outer(old), outer(new)
    name = f"{old}To{new}"
    for candidate, cause in _BY_METHOD.items():
        if candidate.startswith(name) and cause == method:
            return candidate
    return f"{name}Auto"


def outer(state: str) -> str:
    """The state of the vision state machine while the station is in `state`."""
    return OPERATIONAL if state in AUTOMATIC else state
