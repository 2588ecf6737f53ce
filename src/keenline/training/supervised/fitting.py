"""A network and labelled views turned into the weights that did best on the parts left out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import EarlyStopping

from keenline.errors import Code, TrainingError
from keenline.models.base import Progress
from keenline.training.supervised.labelled_views import KnownViews
from keenline.training.supervised.lesson import (
    STAMP,
    VALIDATION,
    Clock,
    Keeper,
    Lesson,
    Line,
)
from keenline.training.supervised.memory_short import with_smaller_batches
from keenline.training.supervised.settings import Settings
from keenline.training.supervised.several_devices import Task, taught_by_several

_LARGEST_GRADIENT = 5.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a run ended; the network holds its best weights."""

    epochs: int
    best_epoch: int
    validation_loss: float
    seconds: float


def fit(
    lesson: Lesson,
    validation: KnownViews,
    checkpoint: Path,
    stamp: Mapping[str, object],
    *,
    resume: bool,
    progress: Progress,
    told: Callable[[Line], None],
    said: Callable[[str], None],
) -> Fitted:
    """Teach the network of `lesson` until its time, its epochs or its patience is over.

    After each epoch `checkpoint` holds all that is needed to go on, written in one step. stamp:
    what must be equal in a run that is taken up again. told: each epoch; said: what the user
    should know, one sentence each. Raises TrainingError: LOSS_NOT_FINITE, MEMORY_SHORT, or
    OPTION_CONFLICT for the checkpoint of another run, DEVICE_FAILED for one of several.
    """
    if resume:
        _check(checkpoint, stamp)
    else:
        checkpoint.unlink(missing_ok=True)
    # Pixels come channels last, and convolutions are faster where weights are too.
    lesson.to(memory_format=torch.channels_last)
    devices = _devices(lesson.settings)
    if devices > 1:
        said(f"{devices} devices share each batch")

    clock = Clock(lesson.settings, progress, told)
    keeper = Keeper(checkpoint, stamp)

    def alone(batch: int) -> tuple[Fitted, dict[str, Any]]:
        patience = EarlyStopping(VALIDATION, patience=lesson.settings.patience, mode="min")
        trainer = trainer_of(lesson.settings, [clock, patience, keeper])
        trainer.fit(
            lesson,
            lesson.learning(batch),
            lesson.examination(validation),
            ckpt_path=str(checkpoint) if checkpoint.is_file() else None,
        )
        fitted = Fitted(trainer.current_epoch, keeper.epoch, keeper.lowest, clock.seconds)
        return fitted, keeper.weights

    def together(batch: int) -> tuple[Fitted, dict[str, Any]]:
        share = -(-batch // devices)
        task = Task(lesson, validation, checkpoint, stamp, share, devices)
        done = taught_by_several(task, progress, told)
        lesson.lots.gone |= done.gone
        fitted = Fitted(done.epochs, done.best_epoch, done.lowest, done.seconds)
        return fitted, done.weights

    with quiet():
        fitted, weights = with_smaller_batches(
            together if devices > 1 else alone, lesson.settings.at_once, said
        )
    progress("learning", 1000, 1000)
    if weights:
        lesson.network.load_state_dict(weights)
    lesson.network.float().cpu().to(memory_format=torch.contiguous_format).eval()
    return fitted


def trainer_of(settings: Settings, callbacks: list[Any], *, devices: int = 1, **others: Any) -> Any:
    """What moves a lesson; others: as lightning's `Trainer` has them."""
    wanted = _fast_bf16() if settings.bf16 is None else settings.bf16
    several_without_gpu = devices > 1 and not torch.cuda.is_available()
    return pl.Trainer(
        accelerator="cpu" if several_without_gpu else "auto",
        devices=devices,
        precision="bf16-mixed" if wanted else "32-true",
        max_epochs=settings.epochs,
        callbacks=callbacks,
        gradient_clip_val=_LARGEST_GRADIENT,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **others,
    )


def _devices(settings: Settings) -> int:
    """How many are used: never more than crops in a batch."""
    there = torch.cuda.device_count()
    if there and settings.devices > there:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "There are not so many devices",
            where="devices",
            expected=f"1 to {there}",
            got=settings.devices,
        )
    return min(settings.devices, settings.at_once)


def _fast_bf16() -> bool:
    """Where there are no such instructions bf16 is emulated, several times slower than float32."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def _check(checkpoint: Path, stamp: Mapping[str, object]) -> None:
    """Raise TrainingError unless a checkpoint that is there belongs to this run."""
    if not checkpoint.is_file():
        return
    try:
        found = torch.load(checkpoint, map_location="cpu", weights_only=True)[STAMP]
    except (
        RuntimeError,
        KeyError,
        TypeError,
        EOFError,
        torch.serialization.pickle.PickleError,
    ) as error:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "The checkpoint cannot be read",
            where=checkpoint,
            got=f"{type(error).__name__}: {error}".splitlines()[0],
            next="begin anew, without --resume",
        ) from error
    other = [key for key, value in stamp.items() if found.get(key) != value]
    if other:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "The checkpoint belongs to a run with other settings or images",
            where=checkpoint,
            expected="; ".join(f"{key} {found.get(key)}" for key in other),
            got="; ".join(f"{key} {stamp[key]}" for key in other),
            next="give the same options and images as before, or begin anew, without --resume",
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Without lightning's advice, which is meant for who writes programs with it."""
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            yield
    finally:
        logger.setLevel(before)
