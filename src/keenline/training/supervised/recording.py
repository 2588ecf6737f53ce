"""What was learnt, and how it did on parts left out, turned into the manifest of a bundle."""

from __future__ import annotations

from collections.abc import Sequence
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
from keenline.training.supervised.settings import LOSSES, Settings
from keenline.types import Sample

if TYPE_CHECKING:
    from keenline.training.supervised.finishing import Settled
    from keenline.training.supervised.fitting import Fitted
    from keenline.training.supervised.judging import Evidence

DETECTOR = "unet"
"""What a bundle calls this way of learning."""

LARGEST_GAP = 0.1
"""Between pixel F1 on what was learnt and on parts left out; more is learning by heart."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What was learnt from, and with what."""

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
    skipped: int
    weights: int
    """Numbers in the network."""


def manifest_of(
    subject: Subject,
    fitted: Fitted,
    settled: Settled,
    evidence: Evidence,
    *,
    pixel_f1_learnt: float,
    seconds: float,
) -> Manifest:
    """Everything about the bundle except its graph."""
    recipe, good, parts = subject.recipe, evidence.good(), subject.parts
    return Manifest(
        keenline=keenline.__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        detector=DETECTOR,
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
        ),
        held_out_scores=tuple(
            round(float(score), 6)
            for score in highest(settled.judged.scores[good], evidence.parts[good])
        ),
        classes=_class_facts(subject, evidence, settled),
        facts={
            "loss": subject.settings.loss_among(LOSSES),
            "attention": subject.settings.attention,
            "balance": subject.settings.balance,
            "frozen": subject.settings.frozen,
            "weights": subject.weights,
            "epochs": fitted.epochs,
            "best_epoch": fitted.best_epoch,
            "validation_loss": round(fitted.validation_loss, 5),
            "learning_seconds": round(fitted.seconds, 1),
            "pixel_f1_left_out": _number(settled.judged.pixel_f1),
            "pixel_f1_learnt": _number(pixel_f1_learnt),
        },
    )


def notes_on(manifest: Manifest, subject: Subject) -> tuple[str, ...]:
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
    learnt, unseen = (manifest.facts[f"pixel_f1_{which}"] for which in ("learnt", "left_out"))
    if isinstance(learnt, float) and isinstance(unseen, float) and learnt - unseen > LARGEST_GAP:
        notes.append(
            f"it does much better on what it learnt (pixel F1 {learnt:.2f}) than on parts left "
            f"out ({unseen:.2f}): it learns by heart; more labelled parts would help most"
        )
    return tuple(notes)


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
