"""The guarantee holds for any distribution; the estimate says that it is one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from keenline.evaluation.operating_point import estimated_threshold, guaranteed_threshold

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]

SCORES: dict[str, Draw] = {
    "log-normal": lambda random, n: random.lognormal(0, 0.4, n),
    "heavy tail": lambda random, n: random.pareto(1.0, n),
    "Cauchy": lambda random, n: np.abs(random.standard_cauchy(n)),
    "discrete": lambda random, n: random.poisson(3.0, n).astype(np.float64),
    "mostly tied": lambda random, n: (random.random(n) > 0.93).astype(np.float64),
}


@pytest.mark.parametrize("n", [59, 93, 130])
@pytest.mark.parametrize("name", SCORES)
def test_the_guarantee_holds_as_often_as_it_says(name: str, n: int) -> None:
    random = np.random.default_rng(n)
    reference = np.sort(SCORES[name](random, 400_000))
    trials = 1500
    kept = 0
    for _ in range(trials):
        threshold = guaranteed_threshold(SCORES[name](random, n))
        assert threshold is not None
        above = reference.size - np.searchsorted(reference, threshold.value, "right")
        kept += above / reference.size <= 0.05
    assert kept / trials >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / trials)


def test_the_guarantee_is_not_wastefully_high() -> None:
    """With n = 93 one part may lie above: taking the largest score would hold far too often."""
    random = np.random.default_rng(0)
    kept = [guaranteed_threshold(random.random(93)).value >= 0.95 for _ in range(4000)]  # type: ignore[union-attr]
    assert 0.94 < np.mean(kept) < 0.965


def test_statement_of_a_guarantee() -> None:
    threshold = guaranteed_threshold(np.arange(59.0))
    assert threshold is not None
    assert threshold.value == 58.0
    assert threshold.kind == "guaranteed"
    assert threshold.statement == (
        "59 held-out parts, none above: false-alarm rate <= 5 % at 95 % confidence"
    )
    threshold = guaranteed_threshold(np.arange(93.0), 0.05)
    assert threshold is not None
    assert threshold.value == 91.0
    assert threshold.statement.startswith("93 held-out parts, 1 above: ")


def test_other_rates_and_confidences_are_stated() -> None:
    threshold = guaranteed_threshold(np.arange(300.0), 0.025, 0.99)
    assert threshold is not None
    assert threshold.statement.endswith("false-alarm rate <= 2.5 % at 99 % confidence")


def test_too_few_parts_carry_no_guarantee() -> None:
    assert guaranteed_threshold(np.arange(58.0)) is None
    assert guaranteed_threshold([]) is None


def test_identical_scores_give_that_score_and_nothing_above() -> None:
    for n in (1, 2, 5, 18, 19, 59, 200):
        threshold = estimated_threshold(np.full(n, 0.1))
        assert threshold.value == pytest.approx(0.1, rel=1e-12)
        assert threshold.above == 0
    threshold = guaranteed_threshold(np.full(200, 0.1))
    assert threshold is not None
    assert (threshold.value, threshold.above) == (0.1, 0)


def test_statement_of_an_estimate() -> None:
    assert estimated_threshold(np.arange(1.0, 61.0)).statement == (
        "estimate from 60 parts left out one at a time; no guarantee. "
        "59 more parts, held out from learning, are needed to claim <= 5 % at 95 % confidence"
    )


@pytest.mark.parametrize("n", [5, 10, 18, 19, 30, 58, 60, 93])
def test_the_estimate_keeps_its_rate_on_average(n: int) -> None:
    random = np.random.default_rng(n)
    reference = np.sort(random.lognormal(0, 0.3, 200_000))
    values = [estimated_threshold(random.lognormal(0, 0.3, n)).value for _ in range(1000)]
    above = reference.size - np.searchsorted(reference, values, "right")
    assert np.mean(above / reference.size) <= 0.058


scores = st.lists(st.floats(0, 1e6), min_size=1, max_size=150)


@given(scores)
def test_an_estimate_never_has_more_parts_above_than_the_order_statistic_allows(
    values: list[float],
) -> None:
    threshold = estimated_threshold(values)
    assert np.isfinite(threshold.value)
    assert threshold.above == sum(value > threshold.value for value in values)
    assert threshold.above <= 0.05 * len(values)


@given(st.lists(st.floats(0, 1e6), min_size=59, max_size=150), st.randoms())
def test_order_of_parts_does_not_matter(values: list[float], random: object) -> None:
    shuffled = sorted(values, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert guaranteed_threshold(values) == guaranteed_threshold(shuffled)


def test_scores_that_are_no_numbers_are_refused() -> None:
    for make in (guaranteed_threshold, estimated_threshold):
        with pytest.raises(ValueError, match="not finite"):
            make([1.0, float("nan")])
    with pytest.raises(ValueError, match="at least one"):
        estimated_threshold([])
