"""The invariants of a verdict, over any prediction and recipe."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keenline.decision import decide
from keenline.recipe import DefectClass, Gates, Recipe
from keenline.types import Authority, Box, Prediction, Region, Verdict

NAMES = ("scratch", "dent", "pit")
finite = st.floats(0, 1e6, allow_nan=False, allow_infinity=False)
unit = st.floats(0, 1)
broken = st.sampled_from([nan, inf, -inf])


def prediction(score: float = 0.0, **class_scores: float) -> Prediction:
    return Prediction(score, np.full((2, 3), score, np.float32), class_scores=class_scores)


def recipe(*classes: DefectClass, **gates: object) -> Recipe:
    return Recipe(classes=classes, gates=Gates.model_validate(gates))


classes = st.builds(
    lambda name, authority, threshold: DefectClass(
        name=name, authority=authority, threshold=threshold
    ),
    st.sampled_from(NAMES),
    st.sampled_from(list(Authority)),
    unit,
)
recipes = st.builds(
    lambda defects, may_reject, band, needed: recipe(
        *defects,
        anomaly_may_reject=may_reject,
        uncertain_band=band,
        minimum_samples_to_reject=needed,
    ),
    st.lists(classes, unique_by=lambda defect: defect.name, max_size=3),
    st.booleans(),
    st.floats(0, 0.5),
    st.integers(30, 60),
)
predictions = st.builds(
    lambda score, scores: prediction(score, **scores),
    finite,
    st.dictionaries(st.sampled_from(NAMES), unit),
)
counts = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 100))


@given(predictions, finite, recipes, counts)
def test_a_class_rejects_only_with_authority_and_enough_samples(said, threshold, rules, known):
    assume(not rules.gates.anomaly_may_reject)
    verdict = decide(said, threshold=threshold, recipe=rules, training_counts=known).verdict
    may_reject = [
        defect
        for defect in rules.classes
        if defect.authority is Authority.REJECT
        and known.get(defect.name, 0) >= rules.gates.minimum_samples_to_reject
        and said.class_scores.get(defect.name, 0.0) > defect.threshold
    ]
    if verdict is Verdict.REJECT:
        assert may_reject
    if rules.gates.uncertain_band == 0:
        assert (verdict is Verdict.REJECT) == bool(may_reject)


@given(finite, finite, recipes, counts)
def test_an_anomaly_alone_asks_for_review_unless_the_recipe_grants_more(
    score, threshold, rules, known
):
    verdict = decide(
        prediction(score), threshold=threshold, recipe=rules, training_counts=known
    ).verdict
    above = Verdict.REJECT if rules.gates.anomaly_may_reject else Verdict.REVIEW
    assert verdict is (above if score > threshold else Verdict.PASS)


@given(predictions, finite, recipes, counts)
def test_nothing_above_a_threshold_passes(said, threshold, rules, known):
    limits = {defect.name: defect.threshold for defect in rules.classes}
    over = said.score > threshold or any(
        score > limits.get(name, 0.5) for name, score in said.class_scores.items()
    )
    verdict = decide(said, threshold=threshold, recipe=rules, training_counts=known).verdict
    if over:
        assert verdict is not Verdict.PASS
    elif rules.gates.uncertain_band == 0:
        assert verdict is Verdict.PASS


@given(predictions, finite, recipes, counts, st.text(min_size=1))
def test_a_reason_why_it_cannot_be_judged_outranks_everything(
    said, threshold, rules, known, reason
):
    decision = decide(
        said, threshold=threshold, recipe=rules, invalid_reason=reason, training_counts=known
    )
    assert decision.verdict is Verdict.INVALID
    assert decision.reasons == (reason,)


@given(predictions, finite, recipes, broken, st.sampled_from(["score", "map", "class", "region"]))
def test_a_number_that_is_not_finite_is_invalid(said, threshold, rules, bad, where):
    if where == "score":
        said = replace(said, score=bad)
    elif where == "map":
        said.map[1, 2] = bad
    elif where == "class":
        said = replace(said, class_scores={**said.class_scores, "dent": bad})
    else:
        said = replace(said, regions=(Region("anomaly", Box(0, 0, 1, 1), 1.0, bad),))
    assert decide(said, threshold=threshold, recipe=rules).verdict is Verdict.INVALID


@given(predictions, recipes, broken)
def test_a_threshold_that_is_not_finite_is_invalid(said, rules, bad):
    assert decide(said, threshold=bad, recipe=rules).verdict is Verdict.INVALID


@given(predictions, finite, recipes, counts)
def test_every_verdict_has_reasons_and_is_always_the_same(said, threshold, rules, known):
    first = decide(said, threshold=threshold, recipe=rules, training_counts=known)
    again = decide(said, threshold=threshold, recipe=rules, training_counts=known)
    assert first == again
    assert first.reasons
    assert all(reason.strip() and "\n" not in reason for reason in first.reasons)


def test_no_prediction_is_invalid():
    assert decide(None, threshold=1.0, recipe=Recipe()).verdict is Verdict.INVALID


def test_an_empty_reason_is_still_a_reason_to_be_invalid():
    decision = decide(prediction(), threshold=1.0, recipe=Recipe(), invalid_reason="")
    assert decision.verdict is Verdict.INVALID


def test_a_score_equal_to_the_threshold_passes():
    assert decide(prediction(0.5), threshold=0.5, recipe=Recipe()).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("samples", "verdict"), [(0, Verdict.REVIEW), (29, Verdict.REVIEW), (30, Verdict.REJECT)]
)
def test_thirty_confirmed_samples_are_enough_to_reject(samples, verdict):
    rules = recipe(DefectClass(name="dent", authority=Authority.REJECT))
    decision = decide(
        prediction(dent=0.9), threshold=1.0, recipe=rules, training_counts={"dent": samples}
    )
    assert decision.verdict is verdict
    assert "0.9" in decision.reasons[0]


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (0.39, Verdict.PASS),
        (0.41, Verdict.REVIEW),
        (0.59, Verdict.REVIEW),
        (0.61, Verdict.REJECT),
    ],
)
def test_the_uncertain_band_asks_for_review_on_both_sides_of_the_threshold(score, verdict):
    rules = recipe(DefectClass(name="dent", authority=Authority.REJECT), uncertain_band=0.2)
    decision = decide(
        prediction(dent=score), threshold=1.0, recipe=rules, training_counts={"dent": 50}
    )
    assert decision.verdict is verdict
    own = DefectClass(name="dent", authority=Authority.REJECT, uncertain_band=0.2)
    rules = recipe(own, uncertain_band=0.5)
    decision = decide(
        prediction(dent=score), threshold=1.0, recipe=rules, training_counts={"dent": 50}
    )
    assert decision.verdict is verdict


def test_a_class_the_recipe_does_not_name_asks_for_review():
    decision = decide(
        prediction(crack=0.9), threshold=1.0, recipe=Recipe(), training_counts={"crack": 500}
    )
    assert decision.verdict is Verdict.REVIEW


def test_all_reasons_are_told_the_deciding_one_first():
    rules = recipe(DefectClass(name="dent", authority=Authority.REJECT), DefectClass(name="a"))
    decision = decide(
        prediction(2.0, a=0.7, dent=0.8), threshold=1.0, recipe=rules, training_counts={"dent": 30}
    )
    assert decision.verdict is Verdict.REJECT
    assert [reason.split()[0] for reason in decision.reasons] == ["dent", "a", "anomaly"]


def test_a_reason_shows_which_number_is_greater():
    above = float(np.nextafter(0.5, 1))
    reason = decide(prediction(above), threshold=0.5, recipe=Recipe()).reasons[0]
    assert reason == "anomaly score 0.5000000000000001 is above the threshold 0.5"
