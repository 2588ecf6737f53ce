"""A task in a file turned into one device's share of it; started by `several_devices`."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader, DistributedSampler

from keenline.training.supervised.fitting import quiet, trainer_of
from keenline.training.supervised.lesson import VALIDATION, Clock, Keeper
from keenline.training.supervised.several_devices import TASK, Done, Message, Task


class Said(Callback):  # type: ignore[misc]
    """Tells the process that started this one. Everything else that is printed goes to stderr."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)

    def say(self, kind: str, value: Any) -> None:
        message: Message = (kind, value)
        pickle.dump(message, self._out)
        self._out.flush()

    def failed(self, error: BaseException) -> None:
        error.__traceback__ = None
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - some can be sent, and not received
        except (TypeError, AttributeError, pickle.PickleError):
            error = RuntimeError(f"{type(error).__name__}: {error}")
        self.say("failed", (time.monotonic(), error))

    def on_exception(self, _trainer: Any, _module: Any, exception: BaseException) -> None:
        # Before the others notice that this one is gone.
        self.failed(exception)


def main(folder: Path) -> None:
    """Teach with this device; tell all of it, errors too, to the process that started this one."""
    said = Said()
    sys.excepthook = lambda _kind, error, _trace: said.failed(error)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this one ends it
    threading.Thread(target=_end_with_input, daemon=True).start()
    with (folder / TASK).open("rb") as file:
        task: Task = pickle.load(file)  # noqa: S301 - written by the process that started this one
    with quiet():
        done = taught(task, int(os.environ["LOCAL_RANK"]), said)
    said.say("done", done)


def taught(task: Task, number: int, said: Said) -> Done:
    """One device's share of `task`; only the first one tells how it goes on."""
    lesson, first = task.lesson, number == 0
    clock = Clock(
        lesson.settings,
        (lambda *step: said.say("progress", step)) if first else (lambda *_: None),
        (lambda line: said.say("told", dict(line))) if first else (lambda _: None),
    )
    patience = EarlyStopping(VALIDATION, patience=lesson.settings.patience, mode="min")
    keeper = Keeper(task.checkpoint, task.stamp)
    trainer = trainer_of(
        lesson.settings,
        [said, clock, patience, keeper],
        devices=task.devices,
        # What a crop without a defect leaves out of a loss is not waited for.
        strategy=DDPStrategy(find_unused_parameters=True),
        plugins=[LightningEnvironment()],
        use_distributed_sampler=False,
    )
    trainer.fit(
        lesson,
        share_of(lesson.learning(task.batch), number, task.devices),
        # Whole on every device: the same in all of them, and of one order.
        lesson.examination(task.validation),
        ckpt_path=str(task.checkpoint) if task.checkpoint.is_file() else None,
    )
    return Done(
        trainer.current_epoch,
        keeper.epoch,
        keeper.lowest,
        clock.seconds,
        keeper.weights if first else {},
        frozenset(lesson.lots.gone),
    )


def share_of(loader: Any, number: int, devices: int) -> Any:
    """Every `devices`-th crop. The shares are equally long: the first crops come again for that."""
    return DataLoader(
        loader.dataset,
        batch_size=loader.batch_size,
        collate_fn=loader.collate_fn,
        sampler=DistributedSampler(loader.dataset, devices, number, shuffle=False),
    )


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
