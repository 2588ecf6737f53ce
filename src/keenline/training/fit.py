"""A dataset turned into a bundle: the learning belt from good images to a threshold."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import keenline
from keenline.bundle import (
    GRAPH,
    Bundle,
    EngineFacts,
    Manifest,
    TrainingFacts,
    check_writable,
    write_bundle,
)
from keenline.data.dataset import Dataset, Skipped
from keenline.data.reading import measured_bit_depth, probe
from keenline.data.splits import independent_parts, split_good
from keenline.errors import Code, DatasetError, ImageError
from keenline.evaluation.intervals import parts_needed
from keenline.inference.framing import Framing, framing_for
from keenline.models.base import Learnt, Progress, silent
from keenline.recipe import Gates, Recipe
from keenline.training.calibrate import Calibration, calibrate
from keenline.training.detectors import AUTO_SIDE, Chosen, choose_detector
from keenline.training.good_parts import learning_set, read_samples
from keenline.training.unearned import unearned, unearned_notes
from keenline.training.working_size import WorkingSize, working_size
from keenline.types import Sample

HELD_OUT_SHARE = 0.2
"""Of the good parts, when there are enough for a guaranteed threshold."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A new bundle and how it came about."""

    bundle: Bundle
    path: Path
    notes: tuple[str, ...]
    """What the user should know, one sentence each."""
    skipped: tuple[Skipped, ...]
    seconds: float


def train(
    dataset: Dataset,
    output: Path | str,
    *,
    recipe: Recipe | None = None,
    seed: int = 0,
    progress: Progress = silent,
    chosen: Chosen | None = None,
) -> Trained:
    """Learn a part from the good samples of a dataset and write its bundle.

    Of a layout with a training split, only that split is read. chosen: what learns instead of the
    recipe's `[detector] name`. Raises DatasetError,
    TrainingError, BackboneError, EngineError or OutputError; nothing is written then.
    """
    start = time.perf_counter()
    output, recipe = Path(output), recipe or Recipe()
    check_writable(output)
    chosen = chosen or choose_detector(recipe)
    good = training_samples(dataset)
    size = WorkingSize(AUTO_SIDE)
    if recipe.image.size == "auto":
        size = working_size(dataset.learnable)
    usable, framing, unreadable = suitable_framing(good, recipe, chosen.multiple, size.side)
    read = read_samples(usable, framing, progress)
    hashes = dataset.hashes(read.samples)
    learn, held_out = _split(read.samples, recipe.gates, seed, hashes)
    learning = read.only(learn)
    groups = part_numbers(learning.samples, hashes)
    learnt = chosen.detector.learn(
        learning_set(learning, groups, framing, recipe.inspect, recipe.lighting),
        seed=seed,
        progress=progress,
    )
    calibration = calibrate(
        learnt,
        precision=learnt.precision,
        recipe=recipe,
        framing=framing,
        samples=held_out or learn,
        parts=part_numbers(held_out, hashes) if held_out else groups,
        held_out=bool(held_out),
        progress=progress,
    )
    skipped = (*dataset.skipped, *unreadable, *read.skipped)
    training = TrainingFacts(
        images=len(read.samples),
        parts=len(set(part_numbers(read.samples, hashes))),
        held_out_parts=len(set(part_numbers(held_out, hashes))),
        # Of these images alone: a test set is not read here, and may change or go.
        data_sha256=replace(dataset, samples=read.samples).sha256,
        seed=seed,
        skipped=len(skipped),
        seconds=round(time.perf_counter() - start, 2),
        dataset_version=dataset.version,
    )
    manifest = _manifest(recipe, chosen, framing, calibration, training, learnt)
    members = {GRAPH: learnt.graph.SerializeToString(), **learnt.members}
    bundle = write_bundle(output, manifest, members)
    notes = (
        *_notes(dataset, read.samples, framing, hashes),
        *_rounding_note(recipe, learnt, framing),
        *size.notes,
        *unearned_notes(recipe),
    )
    return Trained(bundle, output, notes, skipped, time.perf_counter() - start)


def training_samples(dataset: Dataset) -> tuple[Sample, ...]:
    """The good samples that may be learnt from; raises DatasetError when there are none."""
    good = tuple(sample for sample in dataset.learnable if sample.is_good)
    if not good:
        raise DatasetError(
            Code.DATASET_NO_GOOD,
            "There are no good images to learn from",
            where=dataset.root,
            expected="images of good parts",
            got=f"{len(dataset.samples)} images, none of them good",
            next="put images of good parts into a folder named good",
        )
    return good


def part_numbers(samples: Sequence[Sample], hashes: Mapping[Path, str]) -> list[int]:
    """For each sample the number of the physical part (or group of duplicates) it shows."""
    number = {
        sample.image: place
        for place, part in enumerate(independent_parts(samples, hashes))
        for sample in part
    }
    return [number[sample.image] for sample in samples]


def suitable_framing(
    good: Sequence[Sample], recipe: Recipe, multiple: int, auto_side: float = AUTO_SIDE
) -> tuple[list[Sample], Framing, tuple[Skipped, ...]]:
    """The samples whose header can be read, and the framing that suits them.

    multiple: of what the network wants width and height. auto_side: to which larger images are
    brought where the recipe leaves it open. Raises DatasetError when none can be read.
    """
    usable, facts, skipped = [], [], []
    for sample in good:
        try:
            facts.append(probe(sample.image))
            usable.append(sample)
        except ImageError as error:
            skipped.append(Skipped(sample.image, error))
    if not usable:
        raise DatasetError(
            Code.DATASET_NO_GOOD,
            "None of the good images can be read",
            got="; ".join(f"{s.path.name}: {s.error.what}" for s in skipped[:5]),
            next="replace these files",
        )
    deep = [s.image for s, fact in zip(usable, facts, strict=True) if fact.bit_depth > 8]
    framing = framing_for(
        [(fact.width, fact.height) for fact in facts],
        size=recipe.image.size,
        auto_side=auto_side,
        multiple=multiple,
        tile=recipe.image.tile,
        overlap=recipe.image.tile_overlap,
        bit_depth=recipe.image.bit_depth or _measured_depth(deep),
    )
    return usable, framing, tuple(skipped)


def _measured_depth(deep: Sequence[Path]) -> int | None:
    """Of the files that can be decoded; the others are skipped when all are read."""
    with suppress(ImageError):
        return measured_bit_depth(deep) if deep else None
    readable = []
    for path in deep:
        with suppress(ImageError):
            measured_bit_depth([path])
            readable.append(path)
    return measured_bit_depth(readable) if readable else None


def _split(
    samples: Sequence[Sample], gates: Gates, seed: int, hashes: Mapping[Path, str]
) -> tuple[list[Sample], list[Sample]]:
    """(to learn from, held out); nothing is held out where it would not carry the claim."""
    parts = len(independent_parts(samples, hashes))
    needed = parts_needed(1 - gates.false_alarm_rate, 0, gates.confidence)
    if parts < 2 * needed:
        return list(samples), []
    return split_good(samples, max(needed, int(HELD_OUT_SHARE * parts)), seed, hashes)


def _manifest(
    recipe: Recipe,
    chosen: Chosen,
    framing: Framing,
    calibration: Calibration,
    training: TrainingFacts,
    learnt: Learnt,
) -> Manifest:
    recipe = unearned(recipe)
    return Manifest(
        keenline=keenline.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        detector=chosen.name or recipe.detector.name,
        recipe=recipe,
        recipe_sha256=recipe.sha256,
        framing=framing.facts,
        threshold=calibration.threshold,
        engine=EngineFacts(
            name=recipe.detector.engine,
            precision=learnt.precision,
            compared_with=calibration.compared_with,
            compared_images=calibration.compared_images,
            largest_score_difference=calibration.largest_difference,
        ),
        backbone=chosen.backbone,
        training=training,
        held_out_scores=calibration.scores,
        facts=dict(learnt.facts),
    )


def _notes(
    dataset: Dataset, read: Sequence[Sample], framing: Framing, hashes: Mapping[Path, str]
) -> tuple[str, ...]:
    notes = list(dataset.notes)
    copies = len(read) - len({hashes[sample.image] for sample in read})
    if copies:
        notes.append(
            f"{copies} of {len(read)} good images are exact copies of others; "
            "copies are never split between learning and holding out"
        )
    if not framing.facts.fixed_size:
        notes.append(
            "the images differ in size by more than 5 %: each is scaled by the same factor, "
            "and the graph takes any size, which is slower than one size; float32 then starts at "
            "once, where int8 (--precision int8) takes half a second for each new size"
        )
    return tuple(notes)


def _rounding_note(recipe: Recipe, learnt: Learnt, framing: Framing) -> tuple[str, ...]:
    settings = recipe.detector
    facts = framing.facts
    rounds = facts.fixed_size or facts.tile is not None
    is_auto = (settings.name, settings.precision) == ("memory_bank", "auto")
    if is_auto and rounds and learnt.precision == "f32":
        note = (
            f"the backbone {settings.backbone} does not survive rounding to int8 on this part: "
            "the bundle computes in float32, which is slower"
        )
        return (note,)
    return ()
