"""Images without labels turned into a backbone: a student taught to predict teachers' features.

The recipe is that of EfficientAD's distillation (Batzner et al., 2024), features normalised for
each channel, with several teachers and two strides at once. What a teacher knows is not copied:
the student begins with random numbers and sees only what the teachers answer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from keenline.errors import Code, OutputError, TrainingError
from keenline.models.base import Progress, silent
from keenline.training.crops import Pool
from keenline.training.distill_batches import (
    Batches,
    half_of_the_cores,
    made_ahead,
    take_half_of_the_cores,
)
from keenline.training.distill_checkpoint import load_checkpoint, save_checkpoint
from keenline.training.distill_examination import Examination
from keenline.training.distill_settings import Settings, check_extra
from keenline.training.distill_step import Lessons
from keenline.training.student_export import MULTIPLE_OF, write_student
from keenline.training.teachers import Teachers
from keenline.training.unlabelled import Unlabelled

GRAPH, CHECKPOINT, CURVE = "keenline.onnx", "checkpoint.pt", "curve.jsonl"
"""What lies in the folder of a run: the student so far, where it stands, how it got there."""

Line: TypeAlias = Mapping[str, float]
"""One line of the curve: `step`, `minutes`, mean `loss` since the last one, and what an
`Examination` found."""


@dataclass(frozen=True, slots=True)
class Distilled:
    """A student that was taught to the end."""

    graph: Path
    """The feature graph; its description lies beside it."""
    steps: int
    minutes: float
    explained: Mapping[str, float]
    """Share of the teachers' variance that it predicts on images it never saw, by level."""


def distill(
    unlabelled: Unlabelled,
    settings: Settings,
    folder: Path,
    *,
    resume: bool = False,
    progress: Progress = silent,
    told: Callable[[Line], None] = lambda _: None,
) -> Distilled:
    """Teach a student from random weights and write it, its checkpoint and its curve to `folder`.

    All three are written every few minutes, so that the student can be tried while it learns.
    resume: go on from the checkpoint in `folder`, where there is one. told: each line of the
    curve as it is written. With `settings.steps` two runs with one seed end the same on one
    machine, and so does one that was interrupted; with `settings.minutes` the clock decides.
    Raises EnvironmentMissing (no torch), BackboneError (a teacher), TrainingError (sides that do
    not fit, another run's checkpoint), EngineError or OutputError.
    """
    check_extra()
    teachers = Teachers(
        settings.teachers, precision=settings.teacher_precision, threads=half_of_the_cores()
    )
    _check_sides(settings, teachers)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    found = load_checkpoint(folder / CHECKPOINT, settings) if resume else None
    pool = Pool(settings.seed, settings.pool)
    pool.fill(found.step if found else 0, progress)
    batches = Batches(unlabelled, settings, teachers, pool)
    lessons = Lessons(
        settings, teachers, found.statistics if found else batches.statistics(progress)
    )
    if found:
        lessons.take_up(found)
    with _writing(folder):
        _shorten(folder / CURVE, lessons.step)
    examination = Examination(unlabelled.held_out, settings, teachers, lessons.statistics)
    last = _teach(lessons, batches, examination, folder, progress, told)
    return Distilled(folder / GRAPH, lessons.step, lessons.seconds / 60, last)


def _teach(
    lessons: Lessons,
    batches: Batches,
    examination: Examination,
    folder: Path,
    progress: Progress,
    told: Callable[[Line], None],
) -> Mapping[str, float]:
    settings = lessons.settings
    began = time.monotonic() - lessons.seconds
    saved = lessons.seconds
    losses: list[float] = []
    last: Mapping[str, float] | None = None
    take_half_of_the_cores()
    with made_ahead(batches, settings, lessons.step, lambda: time.monotonic() - began) as in_order:
        for batch, part in in_order:
            losses.append(lessons.learn(batch, part))
            lessons.seconds = time.monotonic() - began
            progress("teaching", int(1000 * part), 1000)
            if lessons.seconds - saved >= 60 * settings.checkpoint_minutes:
                last = _examine_and_save(lessons, examination, losses, folder, told)
                saved = lessons.seconds
                losses.clear()
    progress("teaching", 1000, 1000)
    if last is None or losses:  # else the last step was a checkpoint
        last = _examine_and_save(lessons, examination, losses, folder, told)
    return last


def _examine_and_save(
    lessons: Lessons,
    examination: Examination,
    losses: list[float],
    folder: Path,
    told: Callable[[Line], None],
) -> Mapping[str, float]:
    found = examination.explained(lessons.average)
    line: dict[str, float] = {"step": lessons.step, "minutes": round(lessons.seconds / 60, 2)}
    if losses:
        line["loss"] = round(float(np.mean(losses)), 4)
        with _writing(folder):
            with (folder / CURVE).open("a", encoding="utf-8") as file:
                file.write(json.dumps(line | found) + "\n")
            save_checkpoint(lessons.state(), folder / CHECKPOINT)
    told(line | found)
    names = ", ".join(b.description.network for b in lessons.teachers.backbones)
    with _writing(folder):
        write_student(
            lessons.average,
            folder / GRAPH,
            network=f"Keenline student, {lessons.step} steps",
            source=f"keenline distill; random initialisation, taught by {names}",
            channels=lessons.teachers.channels,
        )
    return found


def _check_sides(settings: Settings, teachers: Teachers) -> None:
    multiple = max(MULTIPLE_OF, teachers.multiple_of)
    wrong = [side for side in (settings.size, settings.final_size) if side % multiple]
    if wrong:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "A crop of this side does not fit the teachers",
            expected=f"multiples of {multiple} px",
            got=", ".join(f"{side} px" for side in wrong),
            next="give another side",
        )


def _shorten(curve: Path, step: int) -> None:
    """Leave only the lines up to where the run goes on."""
    if curve.is_file():
        lines = curve.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        curve.write_text("".join(kept), encoding="utf-8")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError.of(error, folder, next="name another folder with -o") from error
