"""Turns the thresholds and bands of a recipe into cuts of scores, and cuts into them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from keenline.evaluation.costs import Mode
from keenline.evaluation.scored import Cut
from keenline.recipe import DefectClass, Recipe
from keenline.types import ANOMALY, Authority


def modes_of(
    recipe: Recipe, classes: Sequence[str], training_counts: Mapping[str, int]
) -> dict[str, Mode]:
    """What each score may do: as `decision.decide` has it, for the anomaly and `classes`."""
    modes: dict[str, Mode] = {ANOMALY: "reject" if recipe.gates.anomaly_may_reject else "flag"}
    named = {defect.name: defect for defect in recipe.classes}
    for name in classes:
        defect = named.get(name)
        rejects = (
            defect is not None
            and defect.authority is Authority.REJECT
            and training_counts.get(name, 0) >= recipe.gates.minimum_samples_to_reject
        )
        modes[name] = "band" if rejects else "flag"
    return modes


def cuts_of(recipe: Recipe, threshold: float, modes: Mapping[str, Mode]) -> dict[str, Cut]:
    """The cuts that `decision.decide` makes today; `threshold`: of the anomaly score."""
    cuts = {}
    named = {defect.name: defect for defect in recipe.classes}
    for name, mode in modes.items():
        if name == ANOMALY:
            low = high = threshold
        else:
            low, high = _edges(named.get(name) or DefectClass(name=name), recipe)
        cuts[name] = Cut(low, np.inf if mode == "flag" else high)
    return cuts


def recipe_with(recipe: Recipe, cuts: Mapping[str, Cut]) -> Recipe:
    """The recipe with the thresholds and bands of the classes in `cuts`; the rest as it was.

    The anomaly's threshold is no part of a recipe. A class that it does not name is added, with the
    authority to flag.
    """
    classes = {name: cut for name, cut in cuts.items() if name != ANOMALY}
    known = [
        defect.model_copy(update=_settings(classes.pop(defect.name), defect.authority))
        if defect.name in classes
        else defect
        for defect in recipe.classes
    ]
    added = [
        DefectClass.model_validate({"name": name} | _settings(cut, Authority.FLAG))
        for name, cut in classes.items()
    ]
    return recipe.model_copy(update={"classes": (*known, *added)})


def _edges(defect: DefectClass, recipe: Recipe) -> tuple[float, float]:
    """`decide` reviews at both edges of a band; a cut passes at its lower one, so just below."""
    band = recipe.gates.uncertain_band if defect.uncertain_band is None else defect.uncertain_band
    limit = defect.threshold
    if not band:
        return limit, limit
    low = float(np.nextafter(limit * (1 - band), -np.inf))
    return low, limit * (1 + band)


def _settings(cut: Cut, authority: Authority) -> dict[str, float]:
    """Threshold and band of a class. Without a band an equal score passes, as in the cut; a band
    begins just above the lower edge, so that the score at that edge still passes."""
    high = cut.high
    if math.isinf(high) and authority is Authority.REJECT:
        high = 2.0 - cut.low  # a band around 1, the highest score: nothing is rejected
    if high == cut.low or math.isinf(high):
        return {"threshold": cut.low, "uncertain_band": 0.0}
    middle = (cut.low + high) / 2
    # A little narrower: what rounding adds must not reach the scores at the edges.
    band = (high - cut.low) / 2 / middle * (1 - 1e-9)
    return {"threshold": middle, "uncertain_band": min(1.0, band)}
