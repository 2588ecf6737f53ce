"""What cuts say of scores is what the decision says once they are in the recipe."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keenline.decision import decide
from keenline.evaluation.choosing import choose
from keenline.evaluation.costs import CostMatrix
from keenline.evaluation.recipe_cuts import cuts_of, modes_of, recipe_with
from keenline.evaluation.score_table import ScoreTable
from keenline.evaluation.scored import Cut, ScoredParts
from keenline.recipe import DefectClass, Gates, Recipe
from keenline.types import ANOMALY, GOOD, Authority, Prediction, Verdict

PLACES = {Verdict.PASS: 0, Verdict.REVIEW: 1, Verdict.REJECT: 2}
COUNTS = {"crack": 40, "dent": 40, "few": 5}
# As graphs answer: float32.
share = st.integers(0, 1 << 20).map(lambda k: float(np.float32(k / (1 << 20))))


def recipe(*, band: float = 0.0, may_reject: bool = False) -> Recipe:
    return Recipe(
        classes=(
            DefectClass(name="crack", authority=Authority.REJECT, miss_cost=20, threshold=0.4),
            DefectClass(name="dent", threshold=0.7),
            DefectClass(name="few", authority=Authority.REJECT),
        ),
        gates=Gates(uncertain_band=band, anomaly_may_reject=may_reject),
    )


def decided(parts: ScoredParts, rules: Recipe, threshold: float) -> list[int]:
    rows = zip(*(parts.scores[name].tolist() for name in parts.scores), strict=True)
    said = []
    for row in rows:
        scores = dict(zip(parts.scores, row, strict=True))
        anomaly = scores.pop(ANOMALY)
        prediction = Prediction(anomaly, np.zeros((1, 1), np.float32), class_scores=scores)
        decision = decide(prediction, threshold=threshold, recipe=rules, training_counts=COUNTS)
        said.append(PLACES[decision.verdict])
    return said


@st.composite
def scored(draw: st.DrawFn) -> ScoredParts:
    n = draw(st.integers(2, 14))
    names = (ANOMALY, "crack", "dent", "few")
    columns = {k: np.array(draw(st.lists(share, min_size=n, max_size=n))) for k in names}
    kinds = np.array(draw(st.lists(st.integers(0, 2), min_size=n, max_size=n)))
    return ScoredParts(columns, kinds, ("crack", "dent"))


@settings(max_examples=60)
@given(scored(), st.booleans(), st.sampled_from([0.0, 0.2]), st.floats(0.1, 60), st.floats(0, 3))
def test_chosen_cuts_and_todays_are_decided_as_they_were_counted(
    parts: ScoredParts, may_reject: bool, band: float, miss: float, review: float
) -> None:
    rules = recipe(band=band, may_reject=may_reject)
    modes = modes_of(rules, ["crack", "dent", "few"], COUNTS)
    assert modes == {
        ANOMALY: "reject" if may_reject else "flag", "crack": "band", "dent": "flag", "few": "flag",
    }  # fmt: skip
    now = cuts_of(rules, 0.5, modes)
    assert parts.verdicts(now).tolist() == decided(parts, rules, 0.5)
    chosen = choose(parts, CostMatrix({"crack": miss, "dent": 2.0}, 1.0, review), modes, now=now)
    written = recipe_with(rules, chosen.cuts)
    assert Recipe.model_validate_json(written.model_dump_json(by_alias=True)) == written
    assert decided(parts, written, chosen.cuts[ANOMALY].low) == parts.verdicts(chosen.cuts).tolist()
    again = cuts_of(written, chosen.cuts[ANOMALY].low, modes)
    assert parts.verdicts(again).tolist() == parts.verdicts(chosen.cuts).tolist()


def test_a_class_that_the_recipe_does_not_name_is_added_and_only_flags() -> None:
    written = recipe_with(Recipe(), {ANOMALY: Cut(3.0, np.inf), "pit": Cut(0.2, np.inf)})
    assert [(d.name, d.threshold, d.authority) for d in written.classes] == [
        ("pit", 0.2, Authority.FLAG)
    ]


def table(rows: list[tuple[str, str | None, float]]) -> ScoreTable:
    return ScoreTable.of(
        keys=[f"{n}.png" for n in range(len(rows))],
        parts=[part for part, _, _ in rows],
        labels=[label for _, label, _ in rows],
        anomaly=[value for _, _, value in rows],
        class_scores=[{} for _ in rows],
    )


def test_a_part_has_the_score_by_which_it_is_caught() -> None:
    rows = [
        ("a", "dent", 5.0), ("a", "dent", 2.0), ("a", GOOD, 1.0),
        ("b", GOOD, 3.0), ("b", GOOD, 4.0),
        ("", "crack", 7.0), ("", None, 9.0),
        ("c", "dent", 6.0), ("c", "crack", 8.0), ("c", None, 0.5),
    ]  # fmt: skip
    miss = {"crack": 100.0, "dent": 1.0}
    alone = table(rows).scored_parts([ANOMALY], miss, "each image")
    assert alone.classes == ("crack", "dent")
    assert alone.kind.tolist() == [2, 0, 1, -1, 1]
    assert alone.scores[ANOMALY].tolist() == [2.0, 4.0, 7.0, 9.0, 6.0]
    together = table(rows).scored_parts([ANOMALY], miss, "together")
    assert together.kind.tolist() == alone.kind.tolist()
    assert together.scores[ANOMALY].tolist() == [5.0, 4.0, 7.0, 9.0, 8.0]
    assert alone.counts() == {GOOD: 1, "crack": 2, "dent": 1}


def test_rows_without_a_score_that_is_needed_are_refused() -> None:
    with pytest.raises(Exception, match="lack the score of crack"):
        table([("", GOOD, 1.0)]).scored_parts([ANOMALY, "crack"], {}, "each image")
