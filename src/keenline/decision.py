"""Turns a prediction, its threshold and a recipe into a verdict with reasons; pure."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from types import MappingProxyType

import numpy as np

from keenline.recipe import DefectClass, Recipe
from keenline.types import Authority, Decision, Prediction, Verdict

_NOT_IN_THE_RECIPE = DefectClass(name="not in the recipe")
_NO_COUNTS: Mapping[str, int] = MappingProxyType({})


def decide(
    prediction: Prediction | None,
    *,
    threshold: float,
    recipe: Recipe,
    invalid_reason: str | None = None,
    training_counts: Mapping[str, int] = _NO_COUNTS,
) -> Decision:
    """The verdict on one part.

    `threshold` is on the scale of `prediction.score`; a score equal to it passes.
    `training_counts` is the number of confirmed training samples per class; a class that is not
    named has none. A class that the recipe does not name can only ask for a review.

    INVALID: there is a reason why the image cannot be judged, there is no prediction, or any
    number in it (or the threshold) is NaN or infinite.
    REJECT: a class with the authority to reject, learnt from enough samples, is above its
    threshold and outside the uncertain band; or the anomaly score is above the threshold and the
    recipe lets it reject.
    REVIEW: any other score above its threshold, or a class score in the uncertain band.
    PASS: everything else.
    """
    trouble = invalid_reason if invalid_reason is not None else _trouble(prediction, threshold)
    if trouble is not None or prediction is None:
        return Decision(Verdict.INVALID, (trouble or "there is no prediction",))
    findings = _class_findings(prediction, recipe, training_counts)
    findings += _anomaly_findings(prediction.score, threshold, recipe)
    for verdict in (Verdict.REJECT, Verdict.REVIEW):
        if any(found is verdict for found, _ in findings):
            first = [reason for found, reason in findings if found is verdict]
            rest = [reason for found, reason in findings if found is not verdict]
            return Decision(verdict, (*first, *rest))
    score, limit = _apart(prediction.score, threshold)
    return Decision(Verdict.PASS, (f"score {score} is not above the threshold {limit}",))


def _trouble(prediction: Prediction | None, threshold: float) -> str | None:
    if not isfinite(threshold):
        return f"the threshold is {threshold}"
    if prediction is None:
        return "there is no prediction"
    if not isfinite(prediction.score):
        return f"the score is {prediction.score}"
    for name, score in prediction.class_scores.items():
        if not isfinite(score):
            return f"the score of class {name} is {score}"
    for region in prediction.regions:
        if not all(map(isfinite, (region.score, region.area_px, region.area_mm2 or 0.0))):
            return f"a region of class {region.class_name} has a number that is not finite"
    bad = prediction.map.size - int(np.count_nonzero(np.isfinite(prediction.map)))
    return f"the map is not finite in {bad} places" if bad else None


def _anomaly_findings(score: float, threshold: float, recipe: Recipe) -> list[tuple[Verdict, str]]:
    if score <= threshold:
        return []
    value, limit = _apart(score, threshold)
    verdict = Verdict.REJECT if recipe.gates.anomaly_may_reject else Verdict.REVIEW
    return [(verdict, f"anomaly score {value} is above the threshold {limit}")]


def _class_findings(
    prediction: Prediction, recipe: Recipe, training_counts: Mapping[str, int]
) -> list[tuple[Verdict, str]]:
    named = {defect.name: defect for defect in recipe.classes}
    findings = []
    for name, score in sorted(prediction.class_scores.items()):
        defect = named.get(name, _NOT_IN_THE_RECIPE)
        found = _class_finding(name, score, defect, recipe, training_counts.get(name, 0))
        if found:
            findings.append(found)
    return findings


def _class_finding(
    name: str, score: float, defect: DefectClass, recipe: Recipe, samples: int
) -> tuple[Verdict, str] | None:
    value, limit = _apart(score, defect.threshold)
    band = recipe.gates.uncertain_band if defect.uncertain_band is None else defect.uncertain_band
    if band > 0 and abs(score - defect.threshold) <= band * defect.threshold:
        return Verdict.REVIEW, f"{name} {value} lies within {band:.4g} of its threshold {limit}"
    if score <= defect.threshold:
        return None
    above = f"{name} {value} is above its threshold {limit}"
    if defect.authority is not Authority.REJECT:
        return Verdict.REVIEW, f"{above}; the class may only flag"
    needed = recipe.gates.minimum_samples_to_reject
    if samples < needed:
        return Verdict.REVIEW, f"{above}; {samples} of the {needed} samples needed to reject"
    return Verdict.REJECT, above


def _apart(first: float, second: float) -> tuple[str, str]:
    """Both numbers with as few digits as show which is greater."""
    for digits in (4, 6, 9):
        words = f"{first:.{digits}g}", f"{second:.{digits}g}"
        if first == second or words[0] != words[1]:
            return words
    return repr(float(first)), repr(float(second))
