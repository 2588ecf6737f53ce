"""Images without labels turned into a backbone: a student taught to predict teachers' features.

The recipe is that of EfficientAD's distillation (Batzner et al., 2024), features normalised for
each channel, with several teachers and two strides at once. torch is imported inside functions.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keenline.models.base import Progress, silent
from keenline.training.crops import Pool, crops_of
from keenline.training.distill_checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from keenline.training.distill_examination import Examination
from keenline.training.distill_settings import Settings, check_extra
from keenline.training.disturbing import disturbed
from keenline.training.student import LEVELS, build_student
from keenline.training.student_export import OFFSET, SCALE, write_student
from keenline.training.teachers import Features, Statistics, Teachers
from keenline.training.unlabelled import Unlabelled

GRAPH, CHECKPOINT, CURVE = "keenline.onnx", "checkpoint.pt", "curve.jsonl"
"""What lies in the folder of a run: the student so far, where it stands, how it got there."""

_STATISTICS_BATCHES = 100
_LIMIT = 5.0
"""Standard deviations at which a target is cut: single places do not rule the loss."""
_COSINE = 0.25
"""Weight of the angle between predicted and true features beside their squared difference."""
_EMA = 0.999
_WARM_UP = 0.02
_AHEAD = 2
"""Batches that are made while others are learnt from."""

_Batch = tuple[NDArray[np.uint8], Features]


@dataclass(frozen=True, slots=True)
class Distilled:
    """A student that was taught to the end."""

    graph: Path
    """The feature graph; its description lies beside it."""
    steps: int
    minutes: float
    explained: dict[str, float]
    """Share of the teachers' variance that it predicts on images it never saw, by level."""


def distill(
    unlabelled: Unlabelled,
    settings: Settings,
    folder: Path,
    *,
    resume: bool = False,
    progress: Progress = silent,
    told: Callable[[dict[str, object]], None] = lambda _: None,
) -> Distilled:
    """Teach a student from random weights and write it, its checkpoint and its curve to `folder`.

    resume: go on from the checkpoint in `folder`. told: each line of the curve as it is written.
    With `settings.steps` two runs with the same seed, and one that was interrupted, end the same;
    with `settings.minutes` the rate follows the clock. Raises EnvironmentMissing (no torch),
    BackboneError (a teacher), TrainingError (another run's checkpoint), EngineError or OSError.
    """
    check_extra()
    folder.mkdir(parents=True, exist_ok=True)
    # Teachers and student work side by side: each with its own half of the cores is faster than
    # both on all of them, and far faster where something else runs too.
    teachers = Teachers(
        settings.teachers,
        precision=settings.teacher_precision,
        threads=_half_of_the_cores(),
    )
    found = load_checkpoint(folder / CHECKPOINT, settings) if resume else None
    pool = Pool(settings.seed, settings.pool)
    pool.fill(found.step if found else 0, progress)
    stream = _Stream(unlabelled, settings, teachers, pool)
    statistics = found.statistics if found else _statistics(stream, progress)
    run = _Run(settings, teachers, statistics)
    if found:
        run.take_up(found)
    examination = Examination(unlabelled.held_out, settings, teachers, statistics)
    last = _teach(run, stream, examination, folder, progress, told)
    return Distilled(folder / GRAPH, run.step, run.seconds / 60, last)


class _Stream:
    """Batches by step: images, and what the teachers see in them."""

    def __init__(
        self, unlabelled: Unlabelled, settings: Settings, teachers: Teachers, pool: Pool
    ) -> None:
        self._unlabelled, self._settings, self._teachers = unlabelled, settings, teachers
        self._pool = pool

    def images(self, step: int, side: int, *, stream: int) -> NDArray[np.uint8]:
        """(batch, side, side, 3); `stream` tells learning from measuring."""
        import torch

        settings = self._settings
        crops = crops_of(
            step,
            seed=settings.seed + (stream << 20),
            unlabelled=self._unlabelled,
            pool=self._pool.at(step if stream == 0 else 0),
            share=settings.procedural,
            count=settings.batch,
            side=side,
        )
        seed = int(np.random.SeedSequence((settings.seed, stream, step)).generate_state(1)[0])
        with torch.no_grad():
            data = torch.from_numpy(crops).to(settings.device)
            images: NDArray[np.uint8] = disturbed(data, side, seed).cpu().numpy()
        return images

    def batch(self, step: int, side: int) -> _Batch:
        images = self.images(step, side, stream=0)
        return images, self._teachers.features(images)


class _Run:
    """The student, what follows it and what moves it."""

    def __init__(self, settings: Settings, teachers: Teachers, statistics: Statistics) -> None:
        import copy

        import torch

        torch.manual_seed(settings.seed)
        self.settings, self.teachers, self.statistics = settings, teachers, statistics
        student = build_student(settings.shape, teachers.channels)
        self.student = student.to(settings.device, memory_format=torch.channels_last).train()
        self.average = copy.deepcopy(self.student).eval()
        decayed = [p for p in self.student.parameters() if p.ndim > 1]
        plain = [p for p in self.student.parameters() if p.ndim <= 1]
        groups = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=0.0, weight_decay=settings.weight_decay)
        self.step, self.seconds = 0, 0.0
        self._mean = _tensors(statistics.mean, settings.device)
        self._std = _tensors(statistics.std, settings.device)

    def take_up(self, found: Checkpoint) -> None:
        self.student.load_state_dict(found.student)
        self.average.load_state_dict(found.average)
        self.optimiser.load_state_dict(found.optimiser)
        self.step, self.seconds = found.step, found.seconds

    def state(self) -> Checkpoint:
        return Checkpoint(
            step=self.step,
            seconds=self.seconds,
            student=self.student.state_dict(),
            average=self.average.state_dict(),
            optimiser=self.optimiser.state_dict(),
            statistics=self.statistics,
            settings=self.settings.lasting(),
        )

    def learn(self, batch: _Batch, progress: float) -> float:
        """One step; answers with the loss."""
        import torch

        settings = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = settings.rate * _schedule(progress)
        images = torch.from_numpy(batch[0]).to(settings.device).permute(0, 3, 1, 2)
        pictures = (images.float() * SCALE + OFFSET).contiguous(memory_format=torch.channels_last)
        with torch.autocast(settings.device, torch.bfloat16, enabled=settings.bf16):
            predicted = self.student(pictures)
        loss = sum(
            self._level_loss(level, values.float(), batch[1][level])
            for level, values in zip(LEVELS, predicted, strict=True)
        )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), 5.0)
        self.optimiser.step()
        self.step += 1
        self._follow()
        return float(loss.detach())

    def _level_loss(self, level: str, predicted: Any, features: NDArray[np.float32]) -> Any:
        import torch
        from torch.nn import functional

        target = torch.from_numpy(features).to(predicted.device)
        target = ((target - self._mean[level]) / self._std[level]).clamp(-_LIMIT, _LIMIT)
        parts = self.teachers.parts[level]
        total = torch.zeros((), device=predicted.device)
        for part in parts:
            ours, theirs = predicted[:, part.first : part.end], target[:, part.first : part.end]
            angle = 1 - functional.cosine_similarity(ours, theirs, dim=1).mean()
            total = total + functional.mse_loss(ours, theirs) + _COSINE * angle
        return total / len(parts) / len(LEVELS)

    def _follow(self) -> None:
        import torch

        decay = min(_EMA, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            pairs = zip(
                self.average.state_dict().values(), self.student.state_dict().values(), strict=True
            )
            for slow, fast in pairs:
                if slow.dtype.is_floating_point:
                    slow.lerp_(fast, 1 - decay)
                else:
                    slow.copy_(fast)


def _teach(
    run: _Run,
    stream: _Stream,
    examination: Examination,
    folder: Path,
    progress: Progress,
    told: Callable[[dict[str, object]], None],
) -> dict[str, float]:
    settings = run.settings
    began = time.monotonic() - run.seconds
    saved = examined = run.seconds
    explained: dict[str, float] = {}
    recent: list[float] = []

    def examine_and_save(loss: float) -> dict[str, float]:
        nonlocal saved
        scores = examination.explained(run.average)
        line = {"step": run.step, "minutes": round(run.seconds / 60, 2), "loss": round(loss, 4)}
        _append(folder / CURVE, line | scores)
        told(line | scores)
        _save(run, folder)
        saved = run.seconds
        return scores

    _take_half_of_the_cores()
    with _ahead(run, stream, lambda: time.monotonic() - began) as batches:
        for batch, part in batches:
            recent.append(run.learn(batch, part))
            run.seconds = time.monotonic() - began
            progress("teaching", int(1000 * settings.done(run.step, run.seconds)), 1000)
            if run.seconds - saved > 60 * settings.checkpoint_minutes:
                explained = examine_and_save(float(np.mean(recent)))
                recent.clear()
    return examine_and_save(float(np.mean(recent))) if recent or not explained else explained


@contextmanager
def _ahead(
    run: _Run, stream: _Stream, clock: Callable[[], float]
) -> Iterator[Iterator[tuple[_Batch, float]]]:
    """Batches with how much of the schedule is done, made by a thread while others are learnt."""
    settings = run.settings
    with ThreadPoolExecutor(1, initializer=_take_half_of_the_cores) as maker:

        def ordered(step: int) -> tuple[Future[_Batch], float] | None:
            part = settings.done(step, clock())
            if part >= 1:
                return None
            return maker.submit(stream.batch, step, settings.side(part)), part

        def batches() -> Iterator[tuple[_Batch, float]]:
            step = run.step
            waiting = []
            while True:
                while len(waiting) <= _AHEAD and (order := ordered(step)) is not None:
                    waiting.append(order)
                    step += 1
                if not waiting:
                    return
                future, part = waiting.pop(0)
                yield future.result(), part

        yield batches()


def _statistics(stream: _Stream, progress: Progress) -> Statistics:
    settings = stream._settings
    total = min(_STATISTICS_BATCHES, settings.statistics_batches)

    def batches() -> Iterator[NDArray[np.uint8]]:
        for number in range(total):
            progress("measuring the teachers", number, total)
            yield stream.images(number, settings.size, stream=1)
        progress("measuring the teachers", total, total)

    return stream._teachers.statistics(batches())


def _half_of_the_cores() -> int:
    return max(1, (os.cpu_count() or 1) // 2)


def _take_half_of_the_cores() -> None:
    """For the thread that calls: torch counts its threads for each of ours."""
    import torch

    torch.set_num_threads(_half_of_the_cores())


def _schedule(progress: float) -> float:
    """Share of the highest rate: a short rise, then half a cosine down to 0."""
    if progress < _WARM_UP:
        return (progress + 1e-3) / (_WARM_UP + 1e-3)
    return float(0.5 * (1 + np.cos(np.pi * (progress - _WARM_UP) / (1 - _WARM_UP))))


def _save(run: _Run, folder: Path) -> None:
    save_checkpoint(run.state(), folder / CHECKPOINT)
    names = ", ".join(b.description.network for b in run.teachers.backbones)
    write_student(
        run.average,
        folder / GRAPH,
        network=f"Keenline student, {run.step} steps",
        source=f"keenline distill; random initialisation, taught by {names}",
        channels=run.teachers.channels,
    )


def _append(path: Path, line: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _tensors(values: dict[str, NDArray[np.float32]], device: str) -> dict[str, Any]:
    import torch

    return {
        level: torch.from_numpy(array)[None, :, None, None].to(device)
        for level, array in values.items()
    }
