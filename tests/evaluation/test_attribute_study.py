"""Attribute studies: the published example of AIAG, and the same numbers by statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from keenline.evaluation.attribute_study import (
    EFFECTIVENESS,
    FALSE_ALARM,
    MISS,
    Rating,
    Share,
    attribute_study,
)

# AIAG, Measurement Systems Analysis, 4th ed. 2010, chapter III section C, "attribute study data
# set": 50 parts, three appraisers, three trials; 1 accepts. Parts not named: everybody right.
REJECTED = (3, 4, 5, 9, 12, 22, 25, 26, 30, 34, 37, 39, 42, 45, 48, 50)
MIXED = {
    6: "110 110 100", 7: "111 111 101", 12: "000 000 010", 14: "110 111 100", 21: "110 101 010",
    22: "001 010 110", 26: "010 000 001", 30: "000 001 000", 34: "001 001 011",
    36: "110 111 101", 43: "101 111 110",
}  # fmt: skip


def aiag() -> tuple[dict[str, dict[str, list[bool]]], dict[str, bool]]:
    reference = {str(part): part not in REJECTED for part in range(1, 51)}
    calls: dict[str, dict[str, list[bool]]] = {"A": {}, "B": {}, "C": {}}
    for part, accept in reference.items():
        said = MIXED.get(int(part), " ".join(["111" if accept else "000"] * 3)).split()
        for name, trials in zip(calls, said, strict=True):
            calls[name][part] = [call == "1" for call in trials]
    return calls, reference


def test_the_published_example_gives_the_published_tables_and_numbers():
    study = attribute_study(*aiag())
    pairs = {pair.names: pair for pair in study.pairs}
    assert pairs["A", "B"].table == ((44, 6), (3, 97))
    assert pairs["B", "C"].table == ((42, 5), (9, 94))
    assert pairs["A", "C"].table == ((43, 7), (8, 92))
    assert [round(pairs[each].kappa.value or 0, 2) for each in pairs] == [0.86, 0.78, 0.79]
    a, b, c = study.appraisers
    assert (a.table, b.table, c.table) == (
        ((45, 5), (3, 97)),
        ((45, 2), (3, 100)),
        ((42, 9), (6, 93)),
    )
    assert [round(each.against_reference.value or 0, 2) for each in (a, b, c)] == [0.88, 0.92, 0.77]
    assert [each.effectiveness.value for each in (a, b, c)] == [0.84, 0.90, 0.80]
    assert [round(100 * (each.miss.value or 0), 1) for each in (a, b, c)] == [6.2, 6.2, 12.5]
    assert [round(100 * (each.false_alarm.value or 0), 1) for each in (a, b, c)] == [4.9, 2.0, 8.8]
    assert (study.system.events, study.system_right.events, study.parts) == (39, 39, 50)
    # 6.25 % is above 5 %, so nobody is better than unacceptable; the other two rate as published.
    assert {each.rating for each in (a, b, c)} == {Rating.UNACCEPTABLE}
    assert [each.effectiveness.rating for each in (a, b, c)] == [
        "marginal",
        "acceptable",
        "marginal",
    ]
    assert [each.false_alarm.rating for each in (a, b, c)] == [
        "acceptable",
        "acceptable",
        "marginal",
    ]


def test_kappa_and_intervals_are_those_of_statsmodels():
    calls, reference = aiag()
    study = attribute_study(calls, reference)
    for pair in study.pairs:
        theirs = cohens_kappa(np.array(pair.table))
        assert pair.kappa.value == pytest.approx(theirs.kappa, abs=1e-12)
        assert pair.kappa.standard_error == pytest.approx(theirs.std_kappa, abs=1e-12)
    accepted = [sum(sum(calls[name][part]) for name in calls) for part in reference]
    everybody = np.array([(9 - count, count) for count in accepted])
    assert study.fleiss is not None
    assert study.fleiss.value == pytest.approx(fleiss_kappa(everybody), abs=1e-12)
    for each in study.appraisers:
        own = np.array([(3 - sum(said), sum(said)) for said in calls[each.name].values()])
        assert each.within_kappa.value == pytest.approx(fleiss_kappa(own), abs=1e-12)
        for share in (each.within, each.effectiveness, each.miss, each.false_alarm):
            low, high = proportion_confint(share.events, share.n, method="wilson")
            assert (share.lower95, share.upper95) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(
    ("events", "n", "limits", "rating"),
    [
        (90, 100, EFFECTIVENESS, "acceptable"),
        (80, 100, EFFECTIVENESS, "marginal"),
        (79, 100, EFFECTIVENESS, "unacceptable"),
        (2, 100, MISS, "acceptable"),
        (5, 100, MISS, "marginal"),
        (51, 1000, MISS, "unacceptable"),
        (5, 100, FALSE_ALARM, "acceptable"),
        (10, 100, FALSE_ALARM, "marginal"),
        (11, 100, FALSE_ALARM, "unacceptable"),
    ],
)
def test_a_limit_belongs_to_the_better_side(
    events: int, n: int, limits: tuple[float, float], rating: str
):
    assert Share.of(events, n, limits).rating == rating


def test_parts_judged_too_seldom_are_left_out_where_they_matter_only():
    calls, reference = aiag()
    calls["C"]["1"] = [True]
    study = attribute_study(calls, reference)
    assert [each.parts for each in study.appraisers] == [50, 50, 49]
    assert study.parts == 49
    assert study.pairs[0].kappa.images == 150
    assert study.pairs[1].kappa.images == 147


def test_calls_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="reference"):
        attribute_study({"A": {"1": [True]}}, {})
    with pytest.raises(ValueError, match="equally often"):
        attribute_study({"A": {"1": [True]}, "B": {"1": [True, True]}}, {"1": True})
    with pytest.raises(ValueError, match="calls"):
        attribute_study({"A": {}}, {"1": True})
