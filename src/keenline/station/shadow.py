"""Parts that are decided turned into what a bundle in shadow says of them; the line never waits.

The bundle runs in a process of its own, below everything else in priority. Parts come to it after
their verdict stands, over a short queue; what it cannot take is left out and counted. Whatever
becomes of that process, the line does not notice.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from keenline.errors import Code, KeenlineError, PartError
from keenline.random_sample import is_drawn
from keenline.station.books import Books
from keenline.station.engine_messages import Answer
from keenline.station.engine_process import EngineProcess
from keenline.station.ports import ImageKeeper
from keenline.station.settings import ShadowTable
from keenline.station.shadow_answers import ViewAnswer, differs, shadow_answer
from keenline.types import Decision, Frame, Result, Verdict

Skipped: TypeAlias = Literal["loading", "behind", "down", "unanswered", "unrecorded"]
"""Why a part was left out: too many waited, while the bundle was loaded or later; the process was
not there; it gave no answer; or the journal's disk takes nothing that can be done without."""

_AFTER_S = 0.005
"""By then the PLC has been told: the line's own threads come first."""
_DRAIN_S = 5.0
_SAY_AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class ShadowCounts:
    """A shadow's accounts at one moment."""

    answers: int = 0
    differing: int = 0
    """Answers that say otherwise than the station."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Parts that were left out, by `Skipped`."""


@dataclass(slots=True)
class _Asked:
    """A part on its way through the process."""

    result: Result
    frames: Mapping[str, Frame]
    answers: dict[str, Answer] = field(default_factory=dict)
    is_lost: bool = False

    @property
    def is_done(self) -> bool:
        return self.is_lost or len(self.answers) == len(self.result.views)


class Shadow:
    """One bundle in shadow at one station. `offer` may be called from any thread."""

    def __init__(
        self, name: str, bundle_sha256: str, table: ShadowTable, books: Books, keeper: ImageKeeper
    ) -> None:
        """`name`: of the bundle's file, for events. Give it its process with `start`."""
        self.name = name
        self.bundle_sha256 = bundle_sha256
        self._table = table
        self._books = books
        self._keeper = keeper
        self._engine: EngineProcess | None = None
        self._changed = threading.Condition()
        self._queue: deque[_Asked] = deque()
        self._asked: _Asked | None = None
        self._answers = self._differing = 0
        self._skipped: Counter[str] = Counter()
        self._said: dict[str, float] = {}
        self._is_loading = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    @property
    def counts(self) -> ShadowCounts:
        with self._changed:
            return ShadowCounts(self._answers, self._differing, dict(self._skipped))

    @property
    def is_up(self) -> bool:
        """Its process can be asked."""
        return self._engine is not None and self._engine.is_ready

    @property
    def waiting(self) -> int:
        """Parts that wait for it, and the one that it has."""
        return len(self._queue) + (self._asked is not None)

    @property
    def restarts(self) -> int:
        """How often its process was started again."""
        return 0 if self._engine is None else self._engine.restarts

    @property
    def engine(self) -> EngineProcess | None:
        """Its process, once `start` gave it one."""
        return self._engine

    def start(self, engine: EngineProcess) -> None:
        """Load the bundle, in the background, and answer from then on."""
        self._engine = engine
        self._books.event("shadow-started", bundle_sha256=self.bundle_sha256, file=self.name)
        self._is_loading = True
        self._thread.start()

    def stop(self, drain_s: float = _DRAIN_S) -> None:
        """Let what waits be answered for so many seconds, then end; the rest is counted."""
        end = time.monotonic() + drain_s
        with self._changed:
            while self.is_up and (self._queue or self._asked) and time.monotonic() < end:
                self._changed.wait(min(0.1, max(0.0, end - time.monotonic())))
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._engine is not None:
            self._engine.interrupt()
            self._thread.join()
            self._engine.stop()
        with self._changed:
            if self._queue:
                self._skipped["unanswered"] += len(self._queue)
            self._queue.clear()
        told = self.counts
        self._books.event(
            "shadow-ended",
            bundle_sha256=self.bundle_sha256,
            answers=str(told.answers),
            differing=str(told.differing),
            skipped=str(sum(told.skipped.values())),
        )

    def offer(self, result: Result, frames: Mapping[str, Frame]) -> None:
        """A part has its verdict, and its line was told. Returns at once and never raises."""
        if result.decision.verdict is Verdict.INVALID:
            return
        if not is_drawn(result.result_id, self._table.share):
            return
        with self._changed:
            if self._stopping.is_set() or not (self.is_up or self._is_loading):
                self._skipped["down"] += 1
            elif len(self._queue) >= self._table.waiting:
                self._skipped["loading" if self._is_loading else "behind"] += 1
            else:
                self._queue.append(_Asked(result, frames))
                self._changed.notify_all()

    # What the process says, from its own thread

    def answered(self, answer: Answer) -> None:
        """It inspected an image."""
        with self._changed:
            asked = self._asked
            if asked is not None and answer.part == asked.result.trigger.number:
                asked.answers[answer.camera] = answer
                self._changed.notify_all()

    def unanswered(self, part: int, camera: str, error: PartError) -> None:
        """It lost an image."""
        del camera, error
        with self._changed:
            if self._asked is not None and part == self._asked.result.trigger.number:
                self._asked.is_lost = True
                self._changed.notify_all()

    def engine_down(self, reason: str) -> None:
        """It crashed or hung, or could not be started again."""
        if not self._stopping.is_set():
            self._say("shadow-down", why=reason)

    def engine_up(self) -> None:
        """It is back."""
        self._say("shadow-up")

    # Its own thread

    def _run(self) -> None:
        assert self._engine is not None
        try:
            self._engine.start()
        except KeenlineError as error:
            if not self._stopping.is_set():
                self._say("shadow-down", why=error.what, code=str(int(error.code)))
            with self._changed:
                self._skipped["down"] += len(self._queue)
                self._queue.clear()
            return
        finally:
            self._is_loading = False
        self._say("shadow-up")
        while not self._stopping.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._stopping.is_set())
                behind = self._skipped.get("behind", 0)
                self._asked = self._queue.popleft() if self._queue else None
                asked = self._asked
            if asked is None:
                break
            if self._stopping.wait(_AFTER_S):
                self._skip("unanswered")
                break
            if behind:
                self._say("shadow-behind", skipped=str(behind))
            self._ask(asked)
            with self._changed:
                self._asked = None
                self._changed.notify_all()

    def _ask(self, asked: _Asked) -> None:
        assert self._engine is not None
        number = asked.result.trigger.number
        try:
            for view in asked.result.views:
                self._engine.submit(number, view.camera, asked.frames[view.camera].image)
        except PartError as error:
            is_down = error.code is Code.PART_ENGINE
            self._skip("down" if is_down else "unanswered")
            if not is_down:
                self._say("shadow-unanswered", why=str(error))
            return
        with self._changed:
            # The process's own watch sees to it that this ends: it answers, dies, or is killed.
            self._changed.wait_for(lambda: asked.is_done or self._stopping.is_set())
        if len(asked.answers) < len(asked.result.views):
            self._skip("unanswered")
        else:
            self._record(asked)

    def _record(self, asked: _Asked) -> None:
        result = asked.result
        found = [(view.camera, asked.answers[view.camera]) for view in result.views]
        views = [
            ViewAnswer(
                camera,
                Decision(answer.verdict, answer.reasons),
                answer.score,
                [region.class_name for region in answer.regions],
            )
            for camera, answer in found
        ]
        answer = shadow_answer(result, self.bundle_sha256, views)
        is_different = differs(result, answer)
        if is_different and self._table.keep_images:
            answer = shadow_answer(result, self.bundle_sha256, views, self._kept(asked))
        if not self._books.enter_if_there_is_room(answer):
            self._skip("unrecorded")
            return
        with self._changed:
            self._answers += 1
            self._differing += is_different

    def _kept(self, asked: _Asked) -> tuple[str, ...]:
        """Images that nobody wanted until now, and a person will want to see."""
        return tuple(
            view.image_sha256
            for view in asked.result.views
            if not view.image_kept
            and self._keeper.put(view.image_sha256, asked.frames[view.camera].image)
        )

    def _skip(self, why: Skipped) -> None:
        with self._changed:
            self._skipped[why] += 1

    def _say(self, kind: str, **facts: str) -> None:
        """An event; of a kind that comes again and again, one a minute."""
        now = time.monotonic()
        if now >= self._said.get(kind, -_SAY_AGAIN_S) + _SAY_AGAIN_S:
            self._said[kind] = now
            self._books.event(kind, bundle_sha256=self.bundle_sha256, **facts)
