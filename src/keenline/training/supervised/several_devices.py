"""A lesson turned into its best weights by one process a device; what those tell is passed on.

Processes of our own, because lightning would start the user's whole command again for each device.
"""

from __future__ import annotations

import os
import pickle
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from keenline.errors import Code, KeenlineError, TrainingError
from keenline.models.base import Progress

TASK = "task"
"""Name of the file that says what is to be done."""

_PROGRAM = "keenline.training.supervised.one_device"
_GRACE = 1.0
"""Seconds in which others may still say what went wrong first."""
_OF_CONNECTIONS = ("peer", "gloo", "nccl", "distbackend", "distnetwork", "diststore")
"""What errors say that come from the link between devices."""
_PATIENCE = 10.0
"""Seconds that a process is given to end."""


@dataclass(frozen=True, slots=True)
class Task:
    """What every process is given. Each holds the views in its own memory."""

    lesson: Any
    """`Lesson`"""
    validation: Any
    """`KnownViews`"""
    checkpoint: Path
    stamp: Mapping[str, object]
    batch: int
    """Crops of one step on one device."""
    devices: int


@dataclass(frozen=True, slots=True)
class Done:
    """What a process ends with; `gone` differs between them, the rest does not."""

    epochs: int
    best_epoch: int
    lowest: float
    seconds: float
    weights: dict[str, Any]
    """The best ones, of the first process; empty of the others."""
    gone: frozenset[Any]
    """Views whose file could not be read again."""


Message: TypeAlias = tuple[str, Any]
"""`progress`, `told`, `failed` (time and error) or `done`; `ended` (exit status) from here."""


def taught_by_several(task: Task, progress: Progress, told: Callable[[Any], None]) -> Done:
    """Start the processes, pass on what they tell, and give what the first one found.

    Raises what went wrong first in any of them, after ending the others; TrainingError
    (DEVICE_FAILED) for one that ended without a word.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keenline-")))
        with (folder / TASK).open("wb") as file:
            pickle.dump(task, file, protocol=pickle.HIGHEST_PROTOCOL)
        heard: queue.Queue[tuple[int, Message]] = queue.Queue()
        port = _free_port()
        learners = []
        for number in range(task.devices):
            learners.append(_Learner(folder, number, task.devices, port, heard))
            stack.callback(learners[-1].end)
        done: dict[int, Done] = {}
        while len(done) < task.devices:
            number, (kind, value) = heard.get()
            if kind == "progress":
                progress(*value)
            elif kind == "told":
                told(value)
            elif kind == "done":
                done[number] = value
            elif number not in done:
                raise _cause(learners, heard, (number, (kind, value)))
    gone = frozenset().union(*(each.gone for each in done.values()))
    first = done[0]
    return Done(first.epochs, first.best_epoch, first.lowest, first.seconds, first.weights, gone)


class _Learner:
    """A process that teaches with one device."""

    def __init__(
        self,
        folder: Path,
        number: int,
        devices: int,
        port: int,
        heard: queue.Queue[tuple[int, Message]],
    ) -> None:
        self.number, self._heard = number, heard
        self._words = folder / f"words-{number}"
        where = {
            "PYTHONPATH": os.pathsep.join(place or str(Path.cwd()) for place in sys.path),
            "LOCAL_RANK": str(number),
            "NODE_RANK": "0",
            "WORLD_SIZE": str(devices),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        with self._words.open("wb") as words:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", _PROGRAM, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
                env=os.environ | where,
            )
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def end(self) -> None:
        """It ends by itself when its input does, also when this process is killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listening.join()
        self._process.stdout.close()

    def last_words(self) -> str:
        lines = self._words.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "nothing"

    def _listen(self) -> None:
        assert self._process.stdout is not None
        while True:
            try:
                message = pickle.load(self._process.stdout)  # noqa: S301 - our own process
            except (EOFError, pickle.UnpicklingError):
                break
            self._heard.put((self.number, message))
        self._heard.put((self.number, ("ended", self._process.wait())))


def _cause(
    learners: list[_Learner],
    heard: queue.Queue[tuple[int, Message]],
    first: tuple[int, Message],
) -> BaseException:
    """What went wrong first; that a device lost another is only what came of it."""
    until = time.monotonic() + _GRACE
    found: list[tuple[bool, float, BaseException]] = []
    said: set[int] = set()
    event: tuple[int, Message] | None = first
    while event is not None:
        number, (kind, value) = event
        if kind == "failed":
            at, error = value
            found.append((_lost_another(error), at, error))
            said.add(number)
        elif kind == "ended" and number not in said:
            found.append((False, time.monotonic(), _silent(learners[number], value)))
        try:
            event = heard.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            event = None
    return min(found, key=lambda each: each[:2])[2]


def _lost_another(error: BaseException) -> bool:
    if isinstance(error, KeenlineError):
        return False
    words = f"{type(error).__name__} {error}".lower()
    return any(word in words for word in _OF_CONNECTIONS)


def _silent(learner: _Learner, status: int) -> TrainingError:
    return TrainingError(
        Code.DEVICE_FAILED,
        "A process that taught with one of several devices ended without a word",
        where=f"device {learner.number}",
        got=f"exit status {status}; last said: {learner.last_words()}",
        next="go on with --resume; with --devices 1 if it happens again. Each process holds the "
        "images in its own memory, and a system short of memory ends processes like that",
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
