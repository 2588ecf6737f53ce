"""A labelled dataset turned into what its bundle would do on parts that it has not seen.

Parts are left out in turn; from the others a whole bundle is made each time, as `train` and `teach`
make it: bank, classes and every threshold. What it says of the parts left out is pooled over all
turns (keenline.evaluation.cross_validation).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from keenline.data.dataset import Dataset
from keenline.data.leaks import require_no_leak
from keenline.errors import Code, TrainingError
from keenline.evaluation.cross_validation import Estimate, Judged, pooled
from keenline.inference.inspector import CERTAIN, Inspector
from keenline.models.base import Progress, silent
from keenline.recipe import Recipe
from keenline.training.class_names import notes_on_names
from keenline.training.fan_out import FanOut, one_by_one
from keenline.training.fit import part_numbers, train
from keenline.training.lesson_samples import classes_of, dealt
from keenline.training.teach import teach
from keenline.types import Sample

How: TypeAlias = Literal["leave-one-out", "k-fold"]

FOLDS = 10
"""Of a k-fold without a number: nine tenths are learnt from, and it takes ten bundles."""


@dataclass(frozen=True, slots=True)
class Validated:
    """An estimate and how it came about."""

    estimate: Estimate
    how: str
    folds: int
    notes: tuple[str, ...]
    """What the user should know, one sentence each."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Turn:
    """Samples to make a bundle from, and others to try it on."""

    learnt: Dataset
    tried: tuple[Sample, ...]
    parts: tuple[int, ...]
    """Of each sample that is tried: the same number for one physical part."""
    recipe: Recipe
    seed: int
    keep: Path | None = None
    """Where the bundle is written; thrown away without it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a bundle said of the samples it was tried on."""

    judged: tuple[Judged, ...]
    skipped: tuple[str, ...]
    """Images to learn from that could not be used: `NAME: why`."""


def validate(
    dataset: Dataset,
    *,
    recipe: Recipe | None = None,
    how: How = "leave-one-out",
    folds: int = FOLDS,
    seed: int = 0,
    fan_out: FanOut = one_by_one,
    progress: Progress = silent,
) -> Validated:
    """Leave parts out in turn, and pool what bundles say that never saw them.

    `leave-one-out` leaves out one defective part at a time, so it makes as many bundles as there
    are of these; good parts are dealt to the turns, and each is left out once. `k-fold` deals the
    parts of every class to `folds` turns. Of a dataset with splits only `train` is used.

    The same images, recipe and seed give the same estimate, however the turns are given away.

    Raises TrainingError (TOO_FEW_IMAGES) unless two parts are defective and two good, ValueError
    for fewer than 2 folds, and what `train` and `teach` raise.
    """
    if folds < 2:
        raise ValueError(f"at least 2 folds are needed, got {folds}")
    start = time.perf_counter()
    usable = replace(dataset, samples=dataset.learnable)
    parts = np.array(part_numbers(usable.samples, usable.hashes()))
    _require_two_of_each(usable, parts)
    turn_of = _turn_of(usable.samples, parts, how, folds, seed)
    turns = [
        _turn(usable, turn_of == number, parts, recipe or Recipe(), seed)
        for number in range(int(turn_of.max()) + 1)
    ]
    outcomes = _done(turns, fan_out, progress)
    estimate = pooled(judged for outcome in outcomes for judged in outcome.judged)
    return Validated(
        estimate,
        how,
        len(turns),
        (*_notes(estimate, how), *_names(usable, recipe), *_skipped(outcomes)),
        time.perf_counter() - start,
    )


def try_on_seeded(
    dataset: Dataset,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    keep: Path | None = None,
    progress: Progress = silent,
) -> Validated:
    """One bundle from everything but the split `test`, tried on that split.

    keep: write the bundle there. Raises TrainingError (TOO_FEW_IMAGES) when no defect is held out,
    DatasetError (DATASET_LEAK) when a part is on both sides, and what `train` and `teach` raise.
    """
    start = time.perf_counter()
    require_held_out(dataset)
    held_out = np.array([sample.split == "test" for sample in dataset.samples], bool)
    parts = np.array(part_numbers(dataset.samples, dataset.hashes()))
    turn = replace(_turn(dataset, held_out, parts, recipe or Recipe(), seed), keep=keep)
    outcomes = _done([turn], one_by_one, progress)
    estimate = pooled(outcomes[0].judged)
    notes = (*_notes(estimate, "seeded"), *_skipped(outcomes))
    return Validated(estimate, "seeded", 1, notes, time.perf_counter() - start)


def require_held_out(dataset: Dataset) -> None:
    """Raise what `try_on_seeded` raises for samples that are not held out as they should be."""
    held_out = [sample for sample in dataset.samples if sample.split == "test"]
    if not any(map(classes_of, held_out)):
        raise TrainingError(
            Code.TOO_FEW_IMAGES,
            "There is no held-out set with defects to try the bundle on",
            where=dataset.root,
            expected="a dataset version with seeded samples of some class",
            got=f"{len(held_out)} held-out images, none of a defect",
            next="keenline dataset create DIR, and give the version in place of the folder",
        )
    require_no_leak(dataset)


def outcome_of(turn: Turn) -> Outcome:
    """Make the bundle of a turn and try it. A function of this module, so that it can be sent."""
    # As many threads everywhere: sums of another order would teach another network.
    with threadpool_limits(1), tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        path = turn.keep or Path(folder) / "part.keen"
        fitted = train(turn.learnt, path, recipe=turn.recipe, seed=turn.seed)
        taught = teach(path, turn.learnt, seed=turn.seed)
        inspector = Inspector.open(path)
        judged = tuple(
            _judged(inspector, sample, part)
            for sample, part in zip(turn.tried, turn.parts, strict=True)
        )
    skipped = {each.path: each.error.what for each in (*fitted.skipped, *taught.skipped)}
    return Outcome(judged, tuple(f"{path.name}: {why}" for path, why in skipped.items()))


def _require_two_of_each(usable: Dataset, parts: NDArray[np.int64]) -> None:
    good = np.array([sample.is_good for sample in usable.samples], bool)
    defective, clean = len(set(parts[~good].tolist())), len(set(parts[good].tolist()))
    if min(defective, clean) < 2:
        raise TrainingError(
            Code.TOO_FEW_IMAGES,
            "There are too few parts to leave some out",
            where=usable.root,
            expected="at least 2 defective parts and 2 good ones",
            got=f"{defective} defective and {clean} good",
            next="label more parts; images of one part count once",
        )


def _turn_of(
    samples: Sequence[Sample], parts: NDArray[np.int64], how: How, folds: int, seed: int
) -> NDArray[np.int64]:
    """The turn in which each sample is left out, (samples,)."""
    classes = sorted(set().union(*map(classes_of, samples)))
    if how == "leave-one-out":
        # Dealt one by one, defective parts first, so that no turn has two of them.
        folds = len(
            {part for part, s in zip(parts.tolist(), samples, strict=True) if not s.is_good}
        )
    return dealt(samples, parts, classes, seed, folds)


def _turn(
    dataset: Dataset,
    left_out: NDArray[np.bool_],
    parts: NDArray[np.int64],
    recipe: Recipe,
    seed: int,
) -> Turn:
    samples = list(zip(dataset.samples, left_out.tolist(), parts.tolist(), strict=True))
    learnt = tuple(replace(sample, split="") for sample, is_out, _ in samples if not is_out)
    return Turn(
        replace(dataset, samples=learnt),
        tuple(sample for sample, is_out, _ in samples if is_out),
        tuple(part for _, is_out, part in samples if is_out),
        recipe,
        seed,
    )


def _done(turns: Sequence[Turn], fan_out: FanOut, progress: Progress) -> list[Outcome]:
    progress("learn without some parts", 0, len(turns))
    found: dict[int, Outcome] = {}
    for place, outcome in fan_out(outcome_of, turns):
        found[place] = outcome
        progress("learn without some parts", len(found), len(turns))
    return [found[place] for place in range(len(turns))]


def _judged(inspector: Inspector, sample: Sample, part: int) -> Judged:
    inspection = inspector.inspect(sample.image)
    said = inspection.prediction
    limits = {known.name: known.threshold for known in inspector.manifest.recipe.classes}
    certain = {} if said is None else dict(said.class_scores)
    return Judged(
        image=sample.image,
        part=part,
        shows=classes_of(sample),
        certain=certain,
        limits={name: limits.get(name, CERTAIN) for name in certain},
        anomaly=0.0 if said is None else said.score / inspector.threshold,
        verdict=inspection.decision.verdict,
        reason=inspection.decision.reasons[0],
    )


def _notes(estimate: Estimate, how: str) -> tuple[str, ...]:
    notes = []
    alone = [each.name for each in estimate.classes if each.parts and not each.recall.n]
    if alone:
        why = (
            "nothing of them was learnt"
            if how == "seeded"
            else "there is but one part, and while it is left out nothing of the class is learnt"
        )
        notes.append(f"cannot be validated, because {why}: {', '.join(alone)}")
    if estimate.invalid:
        notes.append(f"images that could not be inspected: {len(estimate.invalid)}")
    return tuple(notes)


def _names(dataset: Dataset, recipe: Recipe | None) -> tuple[str, ...]:
    shown = set().union(*map(classes_of, dataset.samples))
    return () if recipe is None else notes_on_names(recipe, shown)


def _skipped(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    every = sorted({words for outcome in outcomes for words in outcome.skipped})
    if not every:
        return ()
    return (f"images that could not be learnt from: {len(every)}, such as {every[0]}",)
