"""The chosen cuts are the cheapest there are: compared with every cut tried one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from keenline.errors import Code, DatasetError
from keenline.evaluation.choosing import Limits, Promises, choose, judge, limits_of
from keenline.evaluation.costs import CostMatrix, Mode, Steps, best_cut, expected_cost
from keenline.evaluation.scored import NOBODY, Cut, ScoredParts
from keenline.recipe import Costs, DefectClass, Recipe
from keenline.types import ANOMALY, GOOD

CLASSES = ("crack", "dent")
MODES: tuple[Mode, ...] = ("flag", "reject", "band")

# Few different values, so that ties are the rule.
score = st.integers(0, 8).map(float)
prices = st.floats(0, 50)
matrices = st.builds(
    CostMatrix,
    miss=st.fixed_dictionaries(dict.fromkeys(CLASSES, prices)),
    false_alarm=prices,
    review=prices,
    prevalence=st.one_of(st.none(), st.just({"crack": 0.01, "dent": 0.2})),
)


def parts_with(columns: list[list[float]], kinds: list[int], names: tuple[str, ...]) -> ScoredParts:
    scores = {
        name: np.array(column, np.float64) for name, column in zip(names, columns, strict=True)
    }
    return ScoredParts(scores, np.array(kinds, np.int64), CLASSES)


@st.composite
def parts(draw: st.DrawFn, names: tuple[str, ...], most: int = 25) -> ScoredParts:
    n = draw(st.integers(1, most))
    kinds = draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n).filter(lambda k: max(k) > -1))
    columns = [draw(st.lists(score, min_size=n, max_size=n)) for _ in names]
    return parts_with(columns, kinds, names)


def every_cut(scores: NDArray[np.float64], mode: Mode) -> list[Cut]:
    """One cut of each kind that tells these scores apart, found without any sum."""
    values = np.unique(scores)
    places = [*values, *(values[:-1] + np.diff(values) / 2), values[0] / 2, 0.0]
    lows = sorted(set(map(float, places)))
    if mode == "flag":
        return [Cut(low, np.inf) for low in lows]
    if mode == "reject":
        return [Cut(low, low) for low in lows]
    return [Cut(low, high) for low in lows for high in [*lows, np.inf] if high >= low]


@settings(max_examples=60)
@given(parts((ANOMALY,)), matrices, st.sampled_from(MODES))
def test_one_score_is_cut_at_the_least_cost_of_all_cuts(
    given_parts: ScoredParts, matrix: CostMatrix, mode: Mode
) -> None:
    chosen = choose(given_parts, matrix, {ANOMALY: mode})
    table = matrix.table(given_parts)
    every = [
        expected_cost(table, given_parts.verdicts({ANOMALY: cut}))
        for cut in every_cut(given_parts.scores[ANOMALY], mode)
    ]
    assert chosen.cost == pytest.approx(min(every), rel=1e-9, abs=1e-12)
    cut = chosen.cuts[ANOMALY]
    assert {"flag": cut.high == np.inf, "reject": cut.high == cut.low, "band": True}[mode]
    steps = Steps.of(given_parts.scores[ANOMALY], table)
    found = best_cut(steps, mode)
    assert found is not None
    assert found[1] == pytest.approx(min(every), rel=1e-9, abs=1e-9)  # the sums say the same


@settings(max_examples=60)
@given(parts((ANOMALY,)), matrices, st.sampled_from(MODES), score, score)
def test_within_limits_it_is_the_least_of_the_cuts_within_them(
    given_parts: ScoredParts, matrix: CostMatrix, mode: Mode, one: float, other: float
) -> None:
    least, most = sorted((one, other))
    scores = given_parts.scores[ANOMALY]
    chosen = choose(
        given_parts, matrix, {ANOMALY: mode}, limits=Limits({ANOMALY: least}, {ANOMALY: most})
    )
    cut = chosen.cuts[ANOMALY]
    assert least <= cut.low <= most
    table = matrix.table(given_parts)
    inside = [c for c in every_cut(scores, mode) if least <= c.low <= most]
    inside += [Cut(x, np.inf) for x in (least, most)] if mode != "reject" else []
    inside += [Cut(x, x) for x in (least, most)] if mode != "flag" else []
    costs = [expected_cost(table, given_parts.verdicts({ANOMALY: c})) for c in inside]
    assert chosen.cost <= min(costs) * (1 + 1e-9) + 1e-12


def test_several_scores_are_cut_nearly_as_well_as_by_trying_everything() -> None:
    random = np.random.default_rng(5)
    names = (ANOMALY, "crack", "dent")
    modes: dict[str, Mode] = {ANOMALY: "flag", "crack": "band", "dent": "reject"}
    matrix = CostMatrix({"crack": 20.0, "dent": 5.0}, 3.0, 0.5)
    best, worse = 0, []
    for _ in range(25):
        n = 14
        kinds = random.integers(0, 3, n)
        columns = [np.round(4 * (random.random(n) + 0.7 * (kinds > 0))) for _ in names]
        found = ScoredParts(
            {
                ANOMALY: columns[0],
                **{k: c / 8 for k, c in zip(names[1:], columns[1:], strict=True)},
            },
            kinds,
            CLASSES,
        )
        table = matrix.table(found)
        grid = [every_cut(found.scores[name], modes[name]) for name in names]
        least = min(
            expected_cost(table, found.verdicts(dict(zip(names, cuts, strict=True))))
            for cuts in itertools.islice(itertools.product(*_distinct(grid, found, names)), 200_000)
        )
        reached = choose(found, matrix, modes).cost
        assert reached >= least - 1e-12
        best += reached <= least * (1 + 1e-9) + 1e-12
        worse.append(reached - least)
    assert best >= 22
    assert max(worse) <= 0.1 * matrix.review + 0.2


def _distinct(grid: list[list[Cut]], found: ScoredParts, names: tuple[str, ...]) -> list[list[Cut]]:
    """Of the cuts that say the same of these parts, one."""
    kept = []
    for name, cuts in zip(names, grid, strict=True):
        alone = {found.verdicts({name: cut}).tobytes(): cut for cut in cuts}
        kept.append(list(alone.values()))
    return kept


def test_prevalence_and_costs_of_the_recipe_make_the_expected_cost() -> None:
    recipe = Recipe(
        classes=(
            DefectClass(name="crack", miss_cost=1000, prevalence=0.001),
            DefectClass(name="dent", miss_cost=10, prevalence=0.01),
        ),
        costs=Costs(false_alarm=2, review=0.5),
    )
    matrix = CostMatrix.of(recipe)
    found = parts_with([[1, 2, 3, 4, 5, 6, 7]], [0, 0, 0, 0, 1, 2, NOBODY], (ANOMALY,))
    assert matrix.shares(found.counts()) == pytest.approx(
        {GOOD: 0.989, "crack": 0.001, "dent": 0.01}
    )
    # By hand: of four good parts one is reviewed and one rejected; crack and dent are rejected.
    cuts = {ANOMALY: Cut(2.5, 3.5)}
    assert judge(found, matrix, cuts).cost == pytest.approx(0.989 * (0.5 + 2) / 4)
    cuts = {ANOMALY: Cut(5.0, 9.0)}
    assert judge(found, matrix, cuts).cost == pytest.approx(0.001 * 1000 + 0.01 * 0.5)
    with pytest.raises(ValueError, match="more than all"):
        CostMatrix({}, prevalence={"crack": 0.7, "dent": 0.4}).shares(found.counts())


def test_the_threshold_lies_between_the_scores_it_tells_apart() -> None:
    found = parts_with([[1, 2, 6, 7]], [0, 0, 1, 1], (ANOMALY,))
    assert choose(found, CostMatrix({}), {ANOMALY: "flag"}).cuts[ANOMALY].low == pytest.approx(4)


def test_what_cannot_be_kept_is_refused_with_the_numbers() -> None:
    few = parts_with([[1, 2, 3, 4]], [0, 0, 1, 1], (ANOMALY,))
    with pytest.raises(DatasetError, match=r"19 or more") as caught:
        limits_of(few, (ANOMALY,), Promises(escapes=0.05))
    assert caught.value.code == Code.THRESHOLD_IMPOSSIBLE
    with pytest.raises(DatasetError, match=r"59 or more"):
        limits_of(few, (ANOMALY,), Promises(false_alarms=0.05))
    mixed = parts_with([[*range(100), *range(1, 41)]], [0] * 100 + [1, 2] * 20, (ANOMALY,))
    with pytest.raises(DatasetError, match="both promises"):
        limits_of(mixed, (ANOMALY,), Promises(escapes=0.05, false_alarms=0.05))
    nobody = parts_with([[1, 2]], [0, 0], (ANOMALY,))
    unknown = ScoredParts(nobody.scores, np.full(2, NOBODY), ())
    with pytest.raises(DatasetError, match="No part is labelled"):
        choose(unknown, CostMatrix({}), {ANOMALY: "flag"})
