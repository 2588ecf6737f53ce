"""Promises about escapes hold as often as they say, against brute force and simulated lines."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from keenline.evaluation.risk_control import (
    Ladder,
    defects_needed,
    escape_limit,
    misses_tolerated,
)

# Exact in decimals: 0.29 * 100 is 28.999999999999996 in binary.
rates = st.integers(1, 99).map(lambda percent: percent / 100)


@given(st.integers(0, 500), rates)
def test_the_misses_tolerated_are_the_most_that_the_theorem_allows(n: int, rate: float) -> None:
    exact = Fraction(round(rate * 100), 100)
    allowed = [m for m in range(n + 1) if Fraction(m + 1, n + 1) <= exact]
    assert misses_tolerated(n, rate) == (max(allowed) if allowed else None)


def test_defects_needed_are_those_of_the_table() -> None:
    assert defects_needed(0.05) == 19
    assert misses_tolerated(18, 0.05) is None
    assert misses_tolerated(19, 0.05) == 0
    assert [defects_needed(1 - claim, "proven") for claim in (0.9, 0.95, 0.98)] == [29, 59, 149]
    assert [misses_tolerated(n, 0.05, "proven") for n in (58, 59, 93, 124)] == [None, 0, 1, 2]


@given(st.lists(st.integers(0, 12).map(float), min_size=1, max_size=80), rates)
def test_the_limit_is_the_highest_threshold_that_misses_no_more(
    scores: list[float], rate: float
) -> None:
    values = np.array(scores)
    tolerated = misses_tolerated(len(scores), rate)
    limit = escape_limit(scores, rate)
    if tolerated is None or limit is None:
        assert limit is tolerated is None
        return
    assert np.count_nonzero(values <= limit) <= tolerated
    above = values[values > limit]
    if above.size:  # any higher and a score on the limit's other side would pass too
        assert np.count_nonzero(values <= above.min()) > tolerated


@settings(max_examples=40)
@given(
    st.lists(st.tuples(*[st.integers(0, 9).map(float)] * 2), min_size=1, max_size=40),
    st.lists(st.tuples(*[st.integers(0, 30).map(float)] * 2), min_size=1, max_size=60),
    rates,
)
def test_the_ladder_stops_at_the_highest_rung_by_trying_each(
    good: list[tuple[float, float]], defects: list[tuple[float, float]], rate: float
) -> None:
    ladder, bad = Ladder(np.array(good)), np.array(defects)
    assert (np.diff(ladder.rungs, axis=0) >= 0).all()
    tolerated = misses_tolerated(len(defects), rate)
    rung = ladder.highest(bad, rate, "expected")
    missed = [np.count_nonzero((bad <= each).all(axis=1)) for each in ladder.rungs]
    kept = [] if tolerated is None else [j for j, m in enumerate(missed) if m <= tolerated]
    if not kept:
        assert rung is None
    else:
        assert rung is not None
        assert (rung == ladder.rungs[max(kept)]).all()


Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]

LINES: dict[str, Draw] = {
    "log-normal": lambda random, n: random.lognormal(0, 0.5, n),
    "heavy tail": lambda random, n: random.pareto(1.0, n),
    "mostly tied": lambda random, n: random.poisson(1.0, n).astype(np.float64),
}
REFERENCE = 200_000


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize(("n", "rate"), [(19, 0.05), (45, 0.1)])
def test_the_expected_escapes_of_many_lines_stay_below_the_promise(
    name: str, n: int, rate: float
) -> None:
    random = np.random.default_rng(n)
    reference = np.sort(LINES[name](random, REFERENCE))
    limits = np.array([escape_limit(LINES[name](random, n), rate) for _ in range(2500)])
    escapes = np.searchsorted(reference, limits, "right") / REFERENCE
    error = escapes.std() / np.sqrt(limits.size)
    assert escapes.mean() <= rate + 3 * error
    if name != "mostly tied":  # and it is not bought by flagging everything
        expected = (misses_tolerated(n, rate) or 0) + 1
        assert escapes.mean() == pytest.approx(expected / (n + 1), abs=4 * error)


@pytest.mark.parametrize("name", LINES)
def test_proven_escapes_are_kept_in_nineteen_of_twenty_lines(name: str) -> None:
    random = np.random.default_rng(4)
    reference = np.sort(LINES[name](random, REFERENCE))
    lines = 2000
    limits = np.array([escape_limit(LINES[name](random, 93), 0.05, "proven") for _ in range(lines)])
    escapes = np.searchsorted(reference, limits, "right") / REFERENCE
    kept = float(np.mean(escapes <= 0.05))
    assert kept >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / lines)
    if name != "mostly tied":
        exact = float(stats.binom.sf(1, 93, 0.05))  # at least two below the 5 % quantile
        assert kept == pytest.approx(exact, abs=0.02)


def test_a_ladder_of_two_scores_keeps_the_promise_and_finds_more_than_one_score_would() -> None:
    """Half of the defects show in one score only, half in the other."""
    random = np.random.default_rng(8)
    escapes, alarms, alone = [], [], []
    for _ in range(200):
        good = random.standard_normal((200, 2)) + 10
        bad, test = (_split_defects(random, n) for n in (60, 4000))
        rung = Ladder(good).highest(bad, 0.1, "expected")
        assert rung is not None
        escapes.append(np.mean((test <= rung).all(axis=1)))
        alarms.append(np.mean((random.standard_normal((4000, 2)) + 10 > rung).any(axis=1)))
        one = escape_limit(bad[:, 0], 0.1)
        alone.append(np.mean(random.standard_normal(4000) + 10 > one))
    error = np.std(escapes) / np.sqrt(len(escapes))
    assert np.mean(escapes) <= 0.1 + 3 * error
    assert np.mean(escapes) >= 0.07  # six of 61 at most; the rungs cost a little
    assert np.mean(alarms) < 0.5 * np.mean(alone)


def _split_defects(random: np.random.Generator, n: int) -> NDArray[np.float64]:
    scores = random.standard_normal((n, 2)) + 10
    scores[np.arange(n), random.integers(0, 2, n)] += 3.5
    return scores


def test_a_rate_outside_0_and_1_is_refused() -> None:
    for rate in (0.0, 1.0, -1.0):
        with pytest.raises(ValueError, match="rate must lie"):
            misses_tolerated(10, rate)
    with pytest.raises(ValueError, match="finite"):
        escape_limit([1.0, np.nan] * 20, 0.05)
