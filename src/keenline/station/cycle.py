"""The day of a part: accept, acquire, inspect, decide, actuate. Each trigger ends in one result.

Everything that can go wrong on the way ends in `_settle` with INVALID: no image, a broken or late
one, an engine that crashed, too many parts at once, a PLC that is gone. Whoever comes second for
the same part finds it settled. The result is in the journal before the line is told.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from keenline.errors import Code, KeenlineError, OutputError, PartError
from keenline.journal.entries import Accepted
from keenline.station.books import Books
from keenline.station.challenge import Challenges
from keenline.station.engine_messages import Answer
from keenline.station.matching import Matched
from keenline.station.parts import PartInWork, Programme, image_sha256
from keenline.station.ports import Actuator, CameraAtLine, ImageKeeper, StationFacts
from keenline.station.refusals import hesitation, overload
from keenline.station.rulings import Ruling, actuation, invalid, join
from keenline.station.settings import TriggerSettings
from keenline.station.tally import Tally
from keenline.types import (
    Decision,
    Frame,
    Result,
    Trigger,
    TriggerSource,
    Verdict,
)


class Line:
    """One line of parts. Its methods may be called from any thread."""

    def __init__(
        self,
        facts: StationFacts,
        settings: TriggerSettings,
        cameras: Mapping[str, CameraAtLine],
        programme: Programme,
        *,
        books: Books,
        keeper: ImageKeeper,
        actuator: Actuator,
        tally: Tally,
        challenges: Challenges | None = None,
        first_number: int = 1,
        on_accepted: Callable[[Trigger], None] = lambda _: None,
        on_result: Callable[[Result], None] = lambda _: None,
        on_settled: Callable[[Result, Mapping[str, Frame]], None] = lambda _, __: None,
    ) -> None:
        """`on_accepted` is called before anything is done for a part, `on_result` once the line
        has been told, and after it `on_settled` with the frame of each camera; from whatever
        thread it is, so they must not wait."""
        self.tally = tally
        self._facts = facts
        self._settings = settings
        self._cameras = dict(cameras)
        self._programme = programme
        self._books = books
        self._keeper = keeper
        self._actuator = actuator
        self._challenges = challenges or Challenges(None, books.event)
        self._on_accepted = on_accepted
        self._on_result = on_result
        self._on_settled = on_settled
        self._next = first_number
        self._lock = threading.Lock()
        self._parts: dict[int, PartInWork] = {}
        self._refusal: KeenlineError | None = PartError(
            Code.PART_NOT_READY, "The station is not ready"
        )

    # Accept

    def open(self) -> None:
        """From now on parts are inspected."""
        self._refusal = None

    def refuse(self, why: KeenlineError) -> None:
        """From now on every part that triggers is INVALID, and nothing passes."""
        self._refusal = why

    def trigger(
        self,
        source: TriggerSource,
        *,
        part_id: str = "",
        encoder: int | None = None,
        at_ns: int | None = None,
        challenge: int = 0,
        refused: KeenlineError | None = None,
        frame: Frame | None = None,
    ) -> Trigger:
        """Take on a part and ask the cameras for it.

        `challenge`: which known-bad part the PLC says it is; `refused`: it is already known why it
        cannot be inspected; `frame`: a frame of it is here already, because a camera triggered.
        """
        part = self._accept(source, part_id, encoder, at_ns, challenge)
        refused = refused or self._refusal or self._overload()
        if frame is None:
            refused = refused or self._hesitation(part)
        if refused is not None:
            self._settle(part, invalid(refused), refused)
            return part.trigger
        if frame is not None:
            self.tally.count("frames")
            self._acquired(part.trigger.number, frame)
        for name, camera in self._cameras.items():
            if frame is None or name != frame.camera:
                self._ask(part, name, camera)
        return part.trigger

    def _accept(
        self,
        source: TriggerSource,
        part_id: str,
        encoder: int | None,
        at_ns: int | None,
        challenge: int,
    ) -> PartInWork:
        now = time.monotonic_ns()
        with self._lock:
            number = self._next
            self._next += 1
            trigger = Trigger(
                number=number,
                part_id=part_id or f"{self._facts.name}-{number}",
                time=datetime.now(UTC),
                monotonic_ns=now if at_ns is None else at_ns,
                source=source,
                encoder=encoder,
                challenge=challenge,
            )
            deadline = trigger.monotonic_ns + round(self._settings.deadline_ms * 1e6)
            part = PartInWork(trigger, self._programme, tuple(self._cameras), deadline)
            self._parts[number] = part
            self.tally.count("triggers")
        self._books.enter_or_hold(Accepted(trigger))
        self._on_accepted(trigger)
        return part

    def _overload(self) -> PartError | None:
        most = self._settings.parts_at_once
        return None if len(self._parts) <= most else overload(most)

    def _hesitation(self, part: PartInWork) -> PartError | None:
        """By now another part may be at the camera: a disk or a processor let this one wait."""
        waited_ms = (time.monotonic_ns() - part.trigger.monotonic_ns) / 1e6
        fires = any(camera.fire is not None for camera in self._cameras.values())
        if not fires or waited_ms <= self._settings.frame_ms:
            return None
        return hesitation(waited_ms, self._settings.frame_ms)

    # Acquire

    def _ask(self, part: PartInWork, name: str, camera: CameraAtLine) -> None:
        if part.is_settled:
            return
        with self._lock:
            matched = camera.matcher.expect(part.trigger.number, part.trigger.monotonic_ns)
        self._take(name, matched, Code.PART_UNCERTAIN_MATCH, "The camera is out of step")
        self._bring_into_step(camera)
        # A frame that is expected must come, whatever became of the part meanwhile.
        if camera.fire is None or part.trigger.number in matched.lost:
            return
        try:
            camera.fire()
        except KeenlineError as error:
            self._give_up(part, name, PartError(Code.PART_CAMERA_DOWN, error.what))

    def frame(self, frame: Frame) -> None:
        """A camera delivered a whole frame."""
        camera = self._cameras[frame.camera]
        self.tally.count("frames")
        with self._lock:
            matched = camera.matcher.arrived(frame)
        self._take(frame.camera, matched, Code.PART_FRAME_LOST, "The camera lost a frame")
        self._bring_into_step(camera)

    def frame_broken(self, camera: str, number: int | None, error: KeenlineError) -> None:
        """A camera delivered a frame that cannot be used."""
        with self._lock:
            matched = self._cameras[camera].matcher.broke(number)
        self._take(camera, matched, Code.PART_FRAME_LOST, error.what)
        self._bring_into_step(self._cameras[camera])

    def camera_restarted(self, camera: str) -> None:
        """Acquisition began anew; frames from before are no longer to come."""
        with self._lock:
            matched = self._cameras[camera].matcher.restarted()
        self._take(camera, matched, Code.PART_CAMERA_DOWN, "The camera was started anew")

    def _take(self, camera: str, matched: Matched, code: Code, why: str) -> None:
        if matched.stray:
            self.tally.count("stray_frames", matched.stray)
        for number in matched.lost:
            self.tally.count("lost_frames")
            self._fail(number, PartError(code, why, where=camera))
        for number, frame in matched.frames:
            self._acquired(number, frame)

    def _acquired(self, number: int, frame: Frame) -> None:
        with self._lock:
            part = self._parts.get(number)
            if part is None:
                return
            part.frames[frame.camera] = frame
            if part.has_all_frames:
                part.acquired_ns = time.monotonic_ns()
        self._inspect(part, frame)

    def _bring_into_step(self, camera: CameraAtLine) -> None:
        if not camera.matcher.is_in_step:
            camera.restart()

    # Inspect

    def _inspect(self, part: PartInWork, frame: Frame) -> None:
        try:
            part.programme.engine.submit(part.trigger.number, frame.camera, frame.image)
        except PartError as error:
            self._settle(part, invalid(error, frame.camera), error)
            return
        part.hashes[frame.camera] = image_sha256(frame.image)  # while the engine works

    def answered(self, answer: Answer) -> None:
        """The engine inspected a frame."""
        with self._lock:
            part = self._parts.get(answer.part)
            if part is None:
                return
            part.answers[answer.camera] = answer
            if not part.has_all_answers:
                return
            part.inspected_ns = time.monotonic_ns()
        self._decide(part)

    def unanswered(self, part: int, camera: str, error: PartError) -> None:
        """The engine lost a frame."""
        del camera
        self._fail(part, error)

    # Decide

    def _decide(self, part: PartInWork) -> None:
        answers = [(name, part.answers[name]) for name in part.cameras]
        decision = join([(name, Decision(found.verdict, found.reasons)) for name, found in answers])
        codes = [found.code for _, found in answers if found.code is not None]
        code = codes[0] if codes and decision.verdict is Verdict.INVALID else None
        challenge = part.programme.recipe.challenge
        judged = (
            self._actuator.trouble()
            or self._lateness(part)
            or self._challenges.judge(challenge, part.trigger, decision, part.named)
        )
        if isinstance(judged, Decision):
            self._settle(part, judged, code=code)
        else:
            self._settle(part, invalid(judged), judged)

    def _lateness(self, part: PartInWork) -> PartError | None:
        if time.monotonic_ns() <= part.deadline_ns:
            return None
        return PartError(Code.PART_LATE, "The verdict came after the deadline")

    def too_late(self, number: int, why: str) -> None:
        """A part has come to where its verdict was needed."""
        self._fail(number, PartError(Code.PART_LATE, why))

    def abandon(self, why: PartError) -> None:
        """Settle every part in work as INVALID now."""
        with self._lock:
            parts = list(self._parts)
        for number in parts:
            self._fail(number, why)

    def expire(self) -> float:
        """Settle what is past its deadline; answers with the seconds until the next deadline."""
        now = time.monotonic_ns()
        with self._lock:
            late = [part for part in self._parts.values() if part.deadline_ns <= now]
        for part in late:
            missing = [name for name in part.cameras if name not in part.frames]
            for name in missing:
                self._give_up(part, name, PartError(Code.PART_NO_IMAGE, "No image came in time"))
            if not missing:
                self._settle_late(part)
        self._books.enter_what_waits()
        with self._lock:
            deadlines = [part.deadline_ns for part in self._parts.values()]
        return max(0.0, (min(deadlines) - now) / 1e9) if deadlines else 1.0

    def _settle_late(self, part: PartInWork) -> None:
        error = PartError(Code.PART_LATE, "The engine did not answer before the deadline")
        self._settle(part, invalid(error), error)

    def _give_up(self, part: PartInWork, camera: str, error: PartError) -> None:
        with self._lock:
            matched = self._cameras[camera].matcher.give_up(part.trigger.number)
        self._settle(part, invalid(error, camera), error)
        self._take(camera, matched, Code.PART_UNCERTAIN_MATCH, "The camera is out of step")
        self._bring_into_step(self._cameras[camera])

    def _fail(self, number: int, error: PartError) -> None:
        with self._lock:
            part = self._parts.get(number)
        if part is not None:
            self._settle(part, invalid(error, error.where or ""), error)

    # Actuate

    def _settle(
        self,
        part: PartInWork,
        decision: Decision,
        error: KeenlineError | None = None,
        *,
        code: int | None = None,
    ) -> None:
        """Give a part its one result; the first to come decides."""
        with self._lock:
            if part.is_settled:
                return
            part.is_settled = True
        result = self._result(part, decision, int(error.code) if error else code)
        try:
            self._books.enter(result)
        except OutputError as full:
            # What cannot be recorded must not pass.
            result = replace(
                result,
                decision=invalid(full),
                actuates=self._settings.invalid_actuates,
                code=int(full.code),
            )
            self._books.hold(result)
        self._actuator.tell(
            Ruling(part.trigger, result.decision.verdict, result.actuates, result.code)
        )
        self.tally.settle(result)
        with self._lock:
            self._parts.pop(part.trigger.number, None)
        self._keep_images(part, result)
        self._on_result(result)
        self._on_settled(result, part.frames)

    def _result(self, part: PartInWork, decision: Decision, code: int | None) -> Result:
        programme, facts = part.programme, self._facts
        result_id = str(uuid.uuid4())
        keeps = self._keeper.wants(decision.verdict, result_id)
        return Result(
            result_id=result_id,
            station=facts.name,
            trigger=part.trigger,
            decision=decision,
            views=part.views(keeps),
            timings=part.timings(),
            actuates=actuation(decision.verdict, programme.recipe, self._settings.invalid_actuates),
            recipe_sha256=programme.recipe_sha256,
            bundle_sha256=programme.bundle_sha256,
            station_sha256=facts.sha256,
            software=facts.software,
            part=programme.part,
            code=code,
            is_simulated=facts.is_simulated
            or any(frame.is_simulated for frame in part.frames.values()),
        )

    def _keep_images(self, part: PartInWork, result: Result) -> None:
        for view in result.views:
            if not view.image_kept:
                continue
            if not self._keeper.put(view.image_sha256, part.frames[view.camera].image):
                self.tally.count("images_lost")
                self._books.event(
                    "image-lost",
                    result_id=result.result_id,
                    sha256=view.image_sha256,
                    why="images come faster than they can be written, or the disk is full",
                )

    # Change and record

    def use(self, programme: Programme) -> None:
        """Inspect with `programme` from the next part on; parts in work keep what they have."""
        with self._lock:
            self._programme = programme

    @property
    def in_work(self) -> int:
        return len(self._parts)
