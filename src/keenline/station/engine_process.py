"""The engine's process, watched: a crash or a hang costs the parts in it, never the line.

Images go through memory that both processes see (anonymous, not /dev/shm, which a container
limits); questions and answers are lines of JSON in pipes.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Protocol

from keenline.errors import Code, EngineError, PartError
from keenline.station.engine_messages import (
    ANSWER,
    OPENING,
    QUESTION,
    READY,
    Answer,
    Opening,
    Question,
    Ready,
    Slots,
)
from keenline.station.held_bundle import HeldBundle
from keenline.types import Image

BUNDLE_INSPECTOR = "keenline.station.engine_worker:bundle_inspector"
_LOOK_S = 0.02
_FIRST_PAUSE_S = 0.1
_LOWEST = 19


class EngineListener(Protocol):
    """Who is told what becomes of the images; called from the engine's own thread."""

    def answered(self, answer: Answer) -> None:
        """An image was inspected."""

    def unanswered(self, part: int, camera: str, error: PartError) -> None:
        """An image was lost with the process that held it."""

    def engine_down(self, reason: str) -> None:
        """The process crashed or hung and is being started again."""

    def engine_up(self) -> None:
        """It is back."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How the engine's process is run."""

    slots: int = 8
    """Images that may be in it or wait for it; one more is refused."""
    largest_image: int = 36_000_000
    """Bytes of the largest image: 12 megapixels in colour. Memory is used only as images come."""
    hang_s: float = 2.0
    """An answer that takes longer means that the engine hangs."""
    start_s: float = 60.0
    """Longest time for loading and compiling."""
    longest_pause_s: float = 5.0
    """Between two tries to start it again."""
    in_background: bool = False
    """It runs when nothing else of the machine wants to."""


class EngineProcess:
    """One engine for one bundle. `submit` may be called from any thread."""

    def __init__(
        self,
        opening: Opening,
        listener: EngineListener,
        settings: EngineSettings | None = None,
        *,
        factory: str = BUNDLE_INSPECTOR,
        bundle: HeldBundle | None = None,
    ) -> None:
        """`bundle`: what the process inherits and `opening.bundle` names; closed with this."""
        self.opening = opening
        self.settings = settings or EngineSettings()
        self.restarts = 0
        self.engine = ""
        """Name and version, once it is ready."""
        self._listener = listener
        self._factory = factory
        self._bundle = bundle
        self._memory = tempfile.TemporaryFile(prefix="keenline-slots-")  # noqa: SIM115
        self._memory.truncate(self.settings.slots * self.settings.largest_image)
        self._mapped = mmap.mmap(self._memory.fileno(), 0)
        self._slots = Slots(memoryview(self._mapped), self.settings.slots)
        self._lock = threading.Lock()
        self._free = list(range(self.settings.slots))
        self._pending: dict[int, tuple[Question, float]] = {}
        self._generation = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._questions = self._answers = -1
        self._is_ready = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="engine", daemon=True)

    @property
    def is_ready(self) -> bool:
        return self._is_ready

    @property
    def pid(self) -> int | None:
        """Of the engine's process."""
        return None if self._process is None else self._process.pid

    @property
    def pending(self) -> int:
        """Images that it holds."""
        return len(self._pending)

    def start(self) -> None:
        """Load and compile; returns when it can inspect. Raises EngineError or BundleError's text
        as EngineError when it cannot."""
        self._spawn()
        self._is_ready = True
        self._thread.start()

    def submit(self, part: int, camera: str, image: Image) -> None:
        """Hand over an image, which is copied. Raises PartError: PART_ENGINE when the engine is
        down, PART_OVERLOAD when all slots are taken or the image is too large."""
        with self._lock:
            if not self._is_ready:
                raise PartError(Code.PART_ENGINE, "The engine is being started again")
            if image.nbytes > self._slots.size:
                raise PartError(
                    Code.PART_OVERLOAD,
                    "The image is larger than the engine's slots",
                    expected=f"{self._slots.size} bytes at most",
                    got=f"{image.nbytes} bytes",
                    next="raise `largest_image_mb` in [engine] of the station configuration",
                )
            if not self._free:
                raise PartError(
                    Code.PART_OVERLOAD,
                    "More parts come than can be inspected",
                    expected=f"at most {self._slots.count} waiting",
                )
            slot, generation = self._free.pop(), self._generation
        self._slots.put(slot, image)
        height, width, channels = image.shape
        question = Question(part, camera, slot, (height, width, channels))
        with self._lock:
            if generation != self._generation or not self.is_ready:
                # All slots were freed when the process went down.
                raise PartError(Code.PART_ENGINE, "The engine is being started again")
            self._pending[slot] = (question, time.monotonic())
            try:
                os.write(self._questions, QUESTION.dump_json(question) + b"\n")
            except OSError:  # it has just died: the watch will say so and report this part
                return

    def interrupt(self) -> None:
        """Let `start`, on another thread, come to its end with an EngineError; then `stop`."""
        self._stopping.set()

    def stop(self) -> None:
        """End the process; what it still holds is reported as unanswered."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._end_process()
        self._report_lost("the station stops")
        self._slots = Slots(memoryview(b"\0"), 1)
        self._mapped.close()
        self._memory.close()
        if self._bundle is not None:
            self._bundle.close()

    def _watch(self) -> None:
        buffer = b""
        pause = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            if not self._is_ready:
                buffer = b""
                pause = self._try_again(pause)
                continue
            reason = self._hang_reason()
            if reason is None and select.select([self._answers], [], [], _LOOK_S)[0]:
                more = os.read(self._answers, 1 << 20)
                if more:
                    pause = _FIRST_PAUSE_S
                    *lines, buffer = (buffer + more).split(b"\n")
                    for line in lines:
                        self._settle(ANSWER.validate_json(line))
                else:
                    reason = "the engine's process ended by itself"
            if reason is not None:
                self._go_down(reason)

    def _settle(self, answer: Answer) -> None:
        with self._lock:
            self._pending.pop(answer.slot, None)
            self._free.append(answer.slot)
            # The one behind it begins only now.
            now = time.monotonic()
            self._pending = {slot: (asked, now) for slot, (asked, _) in self._pending.items()}
        self._listener.answered(answer)

    def _hang_reason(self) -> str | None:
        with self._lock:
            oldest = min((since for _, since in self._pending.values()), default=None)
        if oldest is None or time.monotonic() - oldest <= self.settings.hang_s:
            return None
        return f"the engine has not answered for {self.settings.hang_s:g} s"

    def _go_down(self, reason: str) -> None:
        with self._lock:
            self._is_ready = False
        self._end_process()
        self._report_lost(reason)
        self._listener.engine_down(reason)

    def _try_again(self, pause: float) -> float:
        """Start anew; answers with how long to wait before the time after."""
        if self._stopping.wait(pause):
            return pause
        self.restarts += 1
        try:
            self._spawn()
        except EngineError as error:
            self._end_process()
            self._listener.engine_down(error.what)
            return min(2 * pause, self.settings.longest_pause_s)
        with self._lock:
            self._is_ready = True
        self._listener.engine_up()
        return min(2 * pause, self.settings.longest_pause_s)

    def _report_lost(self, reason: str) -> None:
        with self._lock:
            lost = [question for question, _ in self._pending.values()]
            self._pending.clear()
            self._generation += 1
            self._free = list(range(self.settings.slots))
        for question in lost:
            error = PartError(Code.PART_ENGINE, f"The engine gave no answer: {reason}")
            self._listener.unanswered(question.part, question.camera, error)

    def _spawn(self) -> None:
        to_read, self._questions = os.pipe()
        self._answers, to_write = os.pipe()
        memory = self._memory.fileno()
        numbers = [str(n) for n in (to_read, to_write, memory, self.settings.slots)]
        self._process = subprocess.Popen(  # noqa: S603 (our own module, no shell)
            [sys.executable, "-m", "keenline.station.engine_worker", *numbers, self._factory],
            pass_fds=(to_read, to_write, memory, *self._inherited()),
            stdin=subprocess.DEVNULL,
        )
        if self.settings.in_background:
            _put_behind_everything(self._process.pid)
        os.close(to_read)
        os.close(to_write)
        os.write(self._questions, OPENING.dump_json(self.opening) + b"\n")
        ready = self._await_ready()
        if ready.error:
            self._end_process()
            raise EngineError(Code(ready.code), ready.error)
        self.engine = ready.engine

    def _inherited(self) -> tuple[int, ...]:
        return () if self._bundle is None else (self._bundle.number,)

    def _await_ready(self) -> Ready:
        end, text = time.monotonic() + self.settings.start_s, b""
        while not text.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0 or self._stopping.is_set():
                return Ready("The engine did not become ready in time", int(Code.ENGINE_COMPILE))
            if not select.select([self._answers], [], [], min(left, _LOOK_S))[0]:
                continue
            more = os.read(self._answers, 1 << 16)
            if not more:
                return Ready("The engine's process ended while loading", int(Code.ENGINE_COMPILE))
            text += more
        return READY.validate_json(text)

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for number in (self._questions, self._answers):
            os.close(number)
        self._questions = self._answers = -1
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


def _put_behind_everything(process: int) -> None:
    """Idle scheduling where the system has it (Linux), else the lowest priority.

    Done from here, at once: the process has one thread as yet, and those to come inherit it.
    """
    with contextlib.suppress(OSError):  # it has ended already, which its watch will say
        os.setpriority(os.PRIO_PROCESS, process, _LOWEST)
        if hasattr(os, "SCHED_IDLE"):
            os.sched_setscheduler(process, os.SCHED_IDLE, os.sched_param(0))
