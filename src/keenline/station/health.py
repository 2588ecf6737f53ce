"""What is wrong with a station turned into its state, and back when nothing is wrong any more."""

from __future__ import annotations

import threading
from collections.abc import Callable

from keenline.errors import Code, KeenlineError, PartError
from keenline.station.books import Books
from keenline.station.states import State, StateMachine, Step


class Health:
    """Troubles by the name of what they are with, and the state machine that follows them."""

    def __init__(self, books: Books, on_change: Callable[[State], None]) -> None:
        """`on_change` is told each new state; it must not take a step."""
        self._books = books
        self._on_change = on_change
        self._troubles: dict[str, KeenlineError] = {}
        # One lock for both: a step asks for the troubles, and a trouble takes a step.
        self._lock = threading.RLock()
        self.states = StateMachine(self._changed, self._lock)
        self._resume = Step.START_CONTINUOUS

    @property
    def troubles(self) -> dict[str, KeenlineError]:
        """What is wrong at present."""
        with self._lock:
            return dict(self._troubles)

    @property
    def readiness(self) -> KeenlineError | None:
        """Why nothing is inspected at present; None when parts are, or may be asked for."""
        state = self.states.state
        if state.inspects or state is State.READY:
            return None
        for trouble in self.troubles.values():
            return trouble
        return PartError(Code.PART_NOT_READY, f"The station is {state}")

    def set(self, name: str, trouble: KeenlineError | None) -> None:
        """`name` has a trouble, or (None) has it no more."""
        with self._lock:
            before = self._troubles.pop(name, None)
            if trouble is not None:
                self._troubles[name] = trouble
            if trouble is not None and before is None:
                code = str(int(trouble.code))
                self._books.event("trouble", where=name, code=code, what=trouble.what)
                self.states.take_if_possible(Step.FAIL, f"{name}: {trouble.what}")
            elif trouble is None and before is not None:
                self._books.event("trouble-over", where=name)
                self._recover(f"{name} is back")

    def become_ready(self, why: str) -> None:
        """Go from Preoperational to where the station was told to be; Error while there is
        trouble."""
        with self._lock:
            for trouble in self._troubles.values():
                self.states.take_if_possible(Step.FAIL, trouble.what)
                return
            for step in (Step.SELECT_AUTOMATIC, Step.MAKE_READY, self._resume):
                self.states.take_if_possible(step, why)

    def pause(self, why: str) -> None:
        """Wait for jobs (Stop). Raises StationError STATION_TRANSITION."""
        with self._lock:
            self.states.take(Step.STOP, why)
            self._resume = Step.MAKE_READY

    def resume(self, why: str) -> None:
        """Inspect every part (StartContinuous). Raises StationError STATION_TRANSITION."""
        with self._lock:
            self.states.take(Step.START_CONTINUOUS, why)
            self._resume = Step.START_CONTINUOUS

    def reset(self, why: str) -> None:
        """Begin again from Preoperational (Reset). Raises StationError STATION_TRANSITION."""
        with self._lock:
            self.states.take(Step.RESET, why)
            self.become_ready(why)

    def _recover(self, why: str) -> None:
        if not self._troubles and self.states.state is State.ERROR:
            self.states.take(Step.RESET, why)
            self.become_ready(why)

    def _changed(self, before: State, after: State, why: str) -> None:
        self._books.event("state", before=before, after=after, why=why)
        self._on_change(after)
