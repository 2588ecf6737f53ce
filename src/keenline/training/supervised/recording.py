"""What was learnt, and how it did on parts left out, turned into the manifest of a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import keenline
from keenline.bundle import (
    BackboneFacts,
    ClassFacts,
    EngineFacts,
    FramingFacts,
    Manifest,
    TrainingFacts,
)
from keenline.recipe import Recipe
from keenline.training.lesson_samples import classes_of, highest
from keenline.training.supervised.settings import Settings
from keenline.training.unearned import unearned, unearned_notes
from keenline.types import Sample

if TYPE_CHECKING:
    from keenline.training.supervised.finishing import Settled
    from keenline.training.supervised.fitting import Fitted
    from keenline.training.supervised.judging import Evidence

LARGEST_GAP = 0.1
"""Between what was learnt and parts left out; more is learning by heart."""


@dataclass(frozen=True, slots=True)
class Measured:
    """How well it does on parts left out, and on parts that it learnt from."""

    name: str
    """For people."""
    unseen: float
    """0..1; NaN where there was nothing to measure on."""
    learnt: float

    @property
    def key(self) -> str:
        """What a manifest calls it."""
        return self.name.lower().replace(" ", "_")

    @property
    def words(self) -> str:
        """One line."""
        return f"{self.unseen:.3f} on parts left out, {self.learnt:.3f} on those learnt from"


@dataclass(frozen=True, slots=True)
class Subject:
    """What was learnt from, and with what."""

    detector: str
    """What the bundle calls this way of learning."""
    recipe: Recipe
    settings: Settings
    framing: FramingFacts
    backbone: BackboneFacts
    samples: Sequence[Sample]
    parts: NDArray[np.int64]
    """(samples,)"""
    out: NDArray[np.bool_]
    """(samples,): left out of learning."""
    data_sha256: str
    dataset_version: str
    skipped: int
    weights: int
    """Numbers in the network."""
    facts: Mapping[str, object]
    """What else an auditor wants to know of how it was learnt."""


def manifest_of(
    subject: Subject,
    fitted: Fitted,
    settled: Settled,
    evidence: Evidence,
    measured: Measured,
    *,
    seconds: float,
) -> Manifest:
    """Everything about the bundle except its graph."""
    recipe, good, parts = unearned(subject.recipe), evidence.good(), subject.parts
    return Manifest(
        keenline=keenline.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        detector=subject.detector,
        recipe=recipe,
        recipe_sha256=recipe.sha256,
        framing=subject.framing,
        threshold=settled.threshold,
        engine=EngineFacts(
            name=recipe.detector.engine,
            precision=settled.precision,
            compared_with=settled.compared_with,
            compared_images=len(evidence.samples),
            largest_score_difference=settled.spread,
        ),
        backbone=subject.backbone,
        training=TrainingFacts(
            images=len(subject.samples),
            parts=len(np.unique(parts)),
            held_out_parts=len(np.unique(parts[subject.out])),
            data_sha256=subject.data_sha256,
            seed=subject.settings.seed,
            skipped=subject.skipped,
            seconds=round(seconds, 2),
            dataset_version=subject.dataset_version,
        ),
        held_out_scores=tuple(
            round(float(score), 6)
            for score in highest(settled.judged.scores[good], evidence.parts[good])
        ),
        classes=_class_facts(subject, evidence, settled),
        facts={
            **subject.facts,
            "weights": subject.weights,
            "epochs": fitted.epochs,
            "best_epoch": fitted.best_epoch,
            "validation_loss": round(fitted.validation_loss, 5),
            "learning_seconds": round(fitted.seconds, 1),
            f"{measured.key}_left_out": _number(measured.unseen),
            f"{measured.key}_learnt": _number(measured.learnt),
        },
    )


def notes_on(manifest: Manifest, subject: Subject, measured: Measured) -> tuple[str, ...]:
    """What is too little to claim anything from, one sentence each."""
    needed = manifest.recipe.gates.minimum_samples_to_reject
    few = [f"{known.name} {known.parts}" for known in manifest.classes if known.parts < needed]
    notes = []
    if few:
        notes.append(
            f"classes with fewer than {needed} parts to learn from only ask for a review: "
            f"{', '.join(few)}"
        )
    once = [known.name for known in manifest.classes if not known.tried]
    if once:
        notes.append(f"not measured, because no part could be left out: {', '.join(once)}")
    if subject.settings.from_scratch:
        notes.append("the network began with random weights, as was asked for")
    if measured.learnt - measured.unseen > LARGEST_GAP:  # not so where one is NaN
        notes.append(
            f"it does much better on what it learnt ({measured.name} {measured.learnt:.2f}) than "
            f"on parts left out ({measured.unseen:.2f}): it learns by heart; more labelled parts "
            "would help most"
        )
    return (*notes, *unearned_notes(subject.recipe))


def _class_facts(subject: Subject, evidence: Evidence, settled: Settled) -> tuple[ClassFacts, ...]:
    counts = evidence.found(settled.judged, settled.limits)
    shown = [classes_of(sample) for sample in subject.samples]
    good = len(np.unique(evidence.parts[evidence.good()]))
    facts = []
    for name in evidence.classes:
        bears = np.array([name in names for names in shown]) & ~subject.out
        found, tried, alarms = counts[name]
        facts.append(
            ClassFacts(
                name=name,
                images=int(bears.sum()),
                parts=len(np.unique(subject.parts[bears])),
                found=found,
                tried=tried,
                false_alarms=alarms,
                good=good,
            )
        )
    return tuple(facts)


def _number(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
