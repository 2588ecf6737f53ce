"""A whole station: opened, kept running, its programme changed between two parts, stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from keenline.errors import Code, KeenlineError, PartError
from keenline.journal.log import Journal
from keenline.recipe import Recipe
from keenline.station.acquisition import FrameTaker
from keenline.station.books import Books
from keenline.station.camera_triggers import CameraTriggers
from keenline.station.challenge import Challenges
from keenline.station.cycle import Line
from keenline.station.engine_messages import Answer
from keenline.station.health import Health
from keenline.station.opening import (
    Opened,
    StationPlan,
    open_devices,
    open_programme,
    plc_link,
)
from keenline.station.parts import Programme
from keenline.station.plc_link import NoPlc
from keenline.station.ports import ImageKeeper
from keenline.station.recovery import recover
from keenline.station.rulings import Ruling
from keenline.station.settings import ShadowTable
from keenline.station.shadow import Shadow
from keenline.station.shadow_opening import open_shadow
from keenline.station.states import State, Step
from keenline.station.tally import Tally
from keenline.types import Frame, LineEvent, Result, Trigger, TriggerSource, Verdict

_LOOK_S = 0.01
_ALIVE_S = 2.0
_CAMERAS_S = 5.0
_AT_HAND = 2


class Station:
    """One station. `start`, `stop` and `change` come from one thread at a time."""

    def __init__(
        self,
        plan: StationPlan,
        journal: Journal,
        keeper: ImageKeeper,
        *,
        on_result: Callable[[Result], None] = lambda _: None,
        on_event: Callable[[LineEvent], None] = lambda _: None,
    ) -> None:
        """`on_result` and `on_event` hear of everything as it happens; they must not wait."""
        self.plan = plan
        self.tally = Tally()
        self.books = Books(plan.facts.name, journal, self.tally, on_event)
        self.health = Health(self.books, self._state_changed)
        self.link = plc_link(plan, self.tally)
        self._journal = journal
        self._keeper = keeper
        self._on_result = on_result
        self._opened: Opened | None = None
        self._challenges = Challenges(None, self.books.event)
        self._shadow: Shadow | None = None
        self._line: Line | None = None
        self._frames: FrameTaker | None = None
        self._stopping = threading.Event()
        self._looked = 0.0
        self._threads = [threading.Thread(target=self._keep_deadlines, name="deadlines")]
        if plan.trigger.source == "software" and plan.trigger.every_ms is not None:
            self._threads.append(threading.Thread(target=self._trigger_by_clock, name="clock"))

    @property
    def state(self) -> State:
        return self.health.states.state

    @property
    def line(self) -> Line:
        assert self._line is not None, "the station has not been started"
        return self._line

    @property
    def opened(self) -> Opened:
        """Its devices; while it runs."""
        assert self._opened is not None, "the station has not been started"
        return self._opened

    @property
    def programme(self) -> Programme | None:
        """What it inspects with; None while it does not run."""
        return None if self._opened is None else self._opened.programme

    @property
    def shadow(self) -> Shadow | None:
        """The bundle that says what it would have decided; None where there is none, or it may
        not."""
        return self._shadow

    @property
    def engine_restarts(self) -> int:
        """How often the engine's process was started again since the bundle was loaded."""
        return 0 if self._opened is None else self._opened.engine.restarts

    @property
    def is_alive(self) -> bool:
        """Deadlines are kept: what a watchdog should be told."""
        return time.monotonic() - self._looked < _ALIVE_S

    @property
    def line_is_in_step(self) -> bool:
        """The next frame of every camera can be believed."""
        return all(camera.matcher.is_in_step for camera in self.opened.cameras.values())

    def start(self, first_number: int = 1) -> None:
        """Open everything, settle what the last run left unsettled, and begin to inspect.

        `first_number`: trigger numbers below it are taken, whatever the journal says.

        Raises StationError with everything that could not be opened, not only the first.
        """
        facts, trigger = self.plan.facts, self.plan.trigger
        self._challenges = Challenges(self.plan.challenge_file, self.books.event)
        self._opened = opened = open_devices(self.plan, self, self.link)
        recovered = recover(self._journal, facts, trigger.invalid_actuates)
        self._line = Line(
            facts,
            trigger,
            opened.cameras,
            opened.programme,
            books=self.books,
            keeper=self._keeper,
            actuator=self.link or NoPlc(),
            tally=self.tally,
            challenges=self._challenges,
            first_number=max(first_number, recovered.next_number),
            on_accepted=self._accepted,
            on_result=self._settled,
            on_settled=self._to_shadow,
        )
        self._frames = self._line
        if trigger.source == "camera":
            leader = next(iter(opened.cameras))
            self._frames = CameraTriggers(self._line, leader, self._count_at)
        self.books.event("started", software=facts.software, number=str(recovered.next_number))
        if recovered.interrupted:
            self.books.event("interrupted-parts", number=str(len(recovered.interrupted)))
        self._begin_shadow()
        for thread in self._threads:
            thread.start()
        for acquisition in opened.acquisitions.values():
            acquisition.start()
        self._await_cameras()
        self.health.become_ready("started")
        if self.link is not None:
            self.link.start(self)

    def check(self) -> None:
        """Open everything and close it again. Raises StationError as `start` does."""
        opened = open_devices(self.plan, self, self.link)
        for acquisition in opened.acquisitions.values():
            acquisition.stop()
        if self.link is not None:
            self.link.stop()
        opened.engine.stop()
        if self.plan.shadow is not None:
            programme, sizes = opened.programme, opened.sizes
            _, engine = open_shadow(self.plan, programme, sizes, self.books, self._keeper)
            try:
                engine.start()
            finally:
                engine.stop()

    def stop(self) -> None:
        """Let the parts in work come to their verdicts, then close everything."""
        if self._opened is None:
            return
        self.line.refuse(PartError(Code.PART_NOT_READY, "The station is being stopped"))
        self._await_empty_line()
        self.health.states.take_if_possible(Step.HALT, "stopped")
        if self.link is not None:
            self.link.stop()
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for acquisition in self._opened.acquisitions.values():
            acquisition.stop()
        self._opened.engine.stop()
        self._end_shadow()
        self.books.event("stopped")
        self.books.enter_what_waits()
        self._opened = None

    def change(
        self,
        bundle: Path,
        recipe: Recipe | None = None,
        shadow: tuple[Path, ShadowTable] | None = None,
    ) -> None:
        """Inspect with another bundle from the next part on; the parts in work are not touched.

        `shadow`: who says beside it what it would have decided; None: nobody any more.
        Raises what `open_programme` raises when the new one cannot be used: the old
        one then goes on as if nothing had been asked.
        """
        opened = self.opened
        engine, programme = open_programme(self.plan, self, bundle, recipe, opened.sizes)
        old, opened.engine = opened.engine, engine
        self.line.use(programme)
        opened.programme = programme
        self.books.event(
            "bundle-changed",
            bundle_sha256=programme.bundle_sha256,
            recipe_sha256=programme.recipe_sha256,
            file=bundle.name,
        )
        end = time.monotonic() + self.plan.trigger.deadline_ms / 1e3
        while old.pending and time.monotonic() < end:
            time.sleep(_LOOK_S)
        old.stop()
        self._end_shadow()
        self.plan = replace(self.plan, shadow=shadow)
        self._begin_shadow()

    def single(self, part_id: str = "") -> Trigger:
        """Inspect one part now (StartSingleJob). Raises StationError STATION_TRANSITION."""
        self.health.states.take(Step.START_SINGLE_JOB, "one part was asked for")
        return self.line.trigger(TriggerSource.SOFTWARE, part_id=part_id)

    # What the devices and the engine say, each from its own thread

    def trigger(
        self,
        source: TriggerSource,
        *,
        part_id: str = "",
        encoder: int | None = None,
        at_ns: int | None = None,
        challenge: int = 0,
        refused: KeenlineError | None = None,
    ) -> Trigger:
        """The PLC, or a command, asks for a part."""
        return self.line.trigger(
            source,
            part_id=part_id,
            encoder=encoder,
            at_ns=at_ns,
            challenge=challenge,
            refused=refused,
        )

    def too_late(self, number: int, why: str) -> None:
        """A part is at the gate without a verdict."""
        self.line.too_late(number, why)

    def actuated_late(self, ruling: Ruling, when: str) -> None:
        """The PLC confirmed a ruling too late, or never was told it."""
        if ruling.verdict is not Verdict.INVALID:  # that one is late by its own cause
            part_id, verdict = ruling.trigger.part_id, ruling.verdict
            self.books.event("actuated-late", part_id=part_id, verdict=verdict, when=when)

    def readiness(self) -> KeenlineError | None:
        """Why nothing is inspected at present; None when parts are."""
        return self.health.readiness

    @property
    def inspects(self) -> bool:
        """A part that triggers now is inspected."""
        return self.state.inspects

    def plc_changed(self, trouble: KeenlineError | None) -> None:
        """The PLC is gone, or with None is back."""
        self.health.set("plc", trouble)

    def camera_changed(self, camera: str, trouble: KeenlineError | None) -> None:
        """A camera is gone, or with None is back."""
        if trouble is not None:
            self._taker.frame_broken(camera, None, trouble)
        self.health.set(f"camera {camera}", trouble)

    def frame(self, frame: Frame) -> None:
        """A camera delivered a whole frame."""
        self._taker.frame(frame)

    def frame_broken(self, camera: str, number: int | None, error: KeenlineError) -> None:
        """A camera delivered a frame that cannot be used."""
        self._taker.frame_broken(camera, number, error)

    @property
    def has_room(self) -> bool:
        """A part that may as well come later would be inspected now: one behind the one in work."""
        return self.inspects and self.line.in_work < _AT_HAND

    def camera_restarted(self, camera: str) -> None:
        """A camera is about to begin anew."""
        self._taker.camera_restarted(camera)

    def answered(self, answer: Answer) -> None:
        """The engine inspected an image."""
        self.line.answered(answer)

    def unanswered(self, part: int, camera: str, error: PartError) -> None:
        """The engine lost an image."""
        if self._line is not None:
            self._line.unanswered(part, camera, error)

    def engine_down(self, reason: str) -> None:
        """The engine crashed or hung, or could not be started again."""
        self.health.set("engine", PartError(Code.PART_ENGINE, f"The engine is down: {reason}"))

    def engine_up(self) -> None:
        """The engine is back."""
        self.health.set("engine", None)

    @property
    def _taker(self) -> FrameTaker:
        assert self._frames is not None, "the station has not been started"
        return self._frames

    def _accepted(self, trigger: Trigger) -> None:
        if self.link is not None and trigger.source is not TriggerSource.PLC:
            self.link.entered(trigger)

    def _settled(self, result: Result) -> None:
        self.health.states.take_if_possible(Step.JOB_DONE, f"{result.trigger.part_id} is done")
        self._on_result(result)

    def _to_shadow(self, result: Result, frames: Mapping[str, Frame]) -> None:
        shadow = self._shadow
        if shadow is not None:
            shadow.offer(result, frames)

    def _begin_shadow(self) -> None:
        if self.plan.shadow is None:
            return
        opened = self.opened
        try:
            shadow, engine = open_shadow(
                self.plan, opened.programme, opened.sizes, self.books, self._keeper
            )
        except KeenlineError as error:
            # What decides nothing is no reason not to inspect.
            file = self.plan.shadow[0].name
            code, what = str(int(error.code)), str(error)
            self.books.event("shadow-refused", file=file, code=code, what=what)
            return
        shadow.start(engine)
        self._shadow = shadow

    def _end_shadow(self) -> None:
        shadow, self._shadow = self._shadow, None
        if shadow is not None:
            shadow.stop()

    def _count_at(self, monotonic_ns: int) -> int | None:
        return None if self.link is None else self.link.clock.count_at(monotonic_ns)

    def _state_changed(self, after: State) -> None:
        if self._line is None:
            return
        if after.inspects:
            self._line.open()
        else:
            words = PartError(Code.PART_NOT_READY, f"The station is {after}")
            self._line.refuse(self.health.readiness or words)

    def _keep_deadlines(self) -> None:
        while not self._stopping.is_set():
            self._looked = time.monotonic()
            due_s = self.line.expire()
            self._challenges.look()
            # What cannot be recorded cannot pass: the line is told, instead of losing every part.
            self.health.set("journal", self.books.trouble)
            self._stopping.wait(min(due_s, _LOOK_S))

    def _trigger_by_clock(self) -> None:
        every = (self.plan.trigger.every_ms or 0.0) / 1e3
        due = time.monotonic() + every
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            if self.state is State.CONTINUOUS_EXECUTION:
                self.line.trigger(TriggerSource.SOFTWARE)
            due = max(due + every, time.monotonic())

    def _await_cameras(self) -> None:
        """The PLC is told Ready once the cameras run, or one of them cannot."""
        end = time.monotonic() + _CAMERAS_S
        cameras = self.opened.acquisitions.values()
        while time.monotonic() < end and not self.health.troubles:
            if all(camera.is_running for camera in cameras):
                return
            time.sleep(_LOOK_S)

    def _await_empty_line(self) -> None:
        end = time.monotonic() + self.plan.trigger.deadline_ms / 1e3 + 10 * _LOOK_S
        while self.line.in_work and time.monotonic() < end:
            time.sleep(_LOOK_S)
