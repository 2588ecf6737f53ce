"""A learnt graph and good parts turned into a threshold on which two engines agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keenline.bundle import Precision, ThresholdFacts
from keenline.data.reading import read_image
from keenline.errors import Code, TrainingError
from keenline.evaluation.operating_point import (
    Threshold,
    estimated_threshold,
    guaranteed_threshold,
)
from keenline.inference.engines import ENGINES, open_engine
from keenline.inference.framing import Framing
from keenline.inference.scoring import Scorer
from keenline.models.base import Learnt, Progress
from keenline.recipe import Gates, Recipe
from keenline.types import Sample

COMPARED_AT_MOST = 60
"""Images on which the engines are compared when none are held out."""

LARGEST_DIFFERENCE = 0.1
"""Between the scores of two engines, relative to the threshold. Rounding in int8 gives a few
hundredths; more means that one engine computes something else (such as 8-bit products that
saturate on processors without VNNI), and its verdicts are not the ones that were measured."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, what it rests on, and what the comparison of engines showed."""

    threshold: ThresholdFacts
    scores: tuple[float, ...]
    """Of each part the higher of the two engines' scores."""
    compared_with: str
    compared_images: int
    largest_difference: float
    """Relative to the threshold."""


def calibrate(
    learnt: Learnt,
    *,
    precision: Precision,
    recipe: Recipe,
    framing: Framing,
    samples: Sequence[Sample],
    parts: Sequence[int],
    held_out: bool,
    progress: Progress,
) -> Calibration:
    """Find the threshold and compare the engines.

    samples: the held-out good samples, or (`held_out` False) those that were learnt from. parts:
    the physical part of each; a part's score is the highest of its images. Raises TrainingError
    (VERDICT_PARITY) when the engines disagree on what the graph says.
    """
    left_out = np.empty(0)
    if not held_out:
        left_out = _by_part(learnt.leave_one_out(), parts)
        step = -(-len(samples) // COMPARED_AT_MOST)
        samples, parts = samples[::step], parts[::step]
    graph = learnt.graph.SerializeToString()
    names = [recipe.detector.engine, *(e for e in ENGINES if e != recipe.detector.engine)]
    scores = []
    version = ""
    for name in names:
        # bf16 is an OpenVINO matter; the other engine then runs the same graph in f32.
        theirs = "f32" if precision == "bf16" and name == "onnxruntime" else precision
        tiled = framing.facts.tile is not None
        engine = open_engine(graph, name=name, precision=theirs, side_by_side=tiled)
        scorer = Scorer(engine, framing, recipe.inspect)
        version = scorer.engine.version
        scores.append(_score(scorer, samples, progress, f"score good parts, {name}"))
    here, there = scores
    higher, lower = np.maximum(here, there), np.minimum(here, there)
    gates = recipe.gates
    if held_out:
        behind = _by_part(higher, parts)
        found = _guaranteed(behind, gates)
    else:
        # Leave-one-out scores come from one engine; the other may score a little higher.
        behind = left_out * float(np.max(higher / np.maximum(here, 1e-9), initial=1.0))
        found = estimated_threshold(behind, gates.false_alarm_rate, gates.confidence)
    value = agreeing(found.value, higher, lower)
    difference = float((higher - lower).max(initial=0.0) / max(value, 1e-9))
    if difference > LARGEST_DIFFERENCE:
        raise TrainingError(
            Code.VERDICT_PARITY,
            "The engines do not agree on what the graph says",
            expected="scores that differ by at most "
            f"{100 * LARGEST_DIFFERENCE:.0f} % of the threshold",
            got=f"{100 * difference:.1f} %",
            next="train with --precision f32, and report the processor this happened on",
        )
    return Calibration(
        _facts(found, value, behind),
        tuple(round(float(s), 6) for s in behind),
        version,
        len(samples),
        difference,
    )


def agreeing(value: float, higher: NDArray[np.float64], lower: NDArray[np.float64]) -> float:
    """The lowest threshold from `value` up at which no image has two verdicts.

    higher, lower: of each image the higher and the lower of the engines' scores, (images,).
    Raising a threshold never breaks a bound on false alarms.
    """
    while (torn := (higher > value) & (lower <= value)).any():
        value = float(higher[torn].max())
    return value


def _score(
    scorer: Scorer, samples: Sequence[Sample], progress: Progress, step: str
) -> NDArray[np.float64]:
    scores = np.empty(len(samples))
    depth = scorer.framing.facts.bit_depth
    for done, sample in enumerate(samples):
        progress(step, done, len(samples))
        scores[done] = scorer.score(read_image(sample.image, bit_depth=depth)).score
    progress(step, len(samples), len(samples))
    return scores


def _by_part(scores: NDArray[np.float64], parts: Sequence[int]) -> NDArray[np.float64]:
    """The highest score of each part; images that were not scored (NaN) do not count."""
    numbers = np.array(parts)
    known = np.isfinite(scores)
    return np.array([scores[known & (numbers == n)].max() for n in np.unique(numbers[known])])


def _guaranteed(scores: NDArray[np.float64], gates: Gates) -> Threshold:
    found = guaranteed_threshold(scores, gates.false_alarm_rate, gates.confidence)
    if found is None:  # pragma: no cover - as many parts were held out as the claim needs
        raise AssertionError("too few held-out parts for the claim")
    return found


def _facts(found: Threshold, value: float, scores: NDArray[np.float64]) -> ThresholdFacts:
    raised = Threshold(
        value=value,
        kind=found.kind,
        held_out=found.held_out,
        above=int((scores > value).sum()),
        false_alarm_rate=found.false_alarm_rate,
        confidence=found.confidence,
    )
    return ThresholdFacts(
        value=value,
        kind=raised.kind,
        held_out=raised.held_out,
        above=raised.above,
        false_alarm_rate=raised.false_alarm_rate,
        confidence=raised.confidence,
        statement=raised.statement,
    )
