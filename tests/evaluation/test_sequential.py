"""The test for a promotion keeps both errors, however often it is looked at."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from keenline.evaluation.sequential import Plan, operating, sample_sizes, standing

LINES, PARTS = 10_000, 1200


def simulated(plan: Plan, share: float, seed: int) -> tuple[float, float]:
    """Share of simulated lines promoted and refused; each line is looked at after every part."""
    rng = np.random.default_rng(seed)
    promoted = refused = 0
    compared = np.arange(1, PARTS + 1)
    for _ in range(10):
        disagreed = np.cumsum(rng.random((LINES // 10, PARTS)) < share, axis=1)
        ratio = (compared - disagreed) * plan.gain - disagreed * plan.loss
        up = np.where((ratio >= plan.upper).any(1), (ratio >= plan.upper).argmax(1), PARTS)
        down = np.where((ratio <= plan.lower).any(1), (ratio <= plan.lower).argmax(1), PARTS)
        promoted += int((up < down).sum())
        refused += int((down < up).sum())
    return promoted / LINES, refused / LINES


@pytest.mark.parametrize("plan", [Plan(), Plan(0.005, 0.02, 0.1, 0.2)], ids=["usual", "other"])
def test_both_errors_hold_over_10_000_lines(plan: Plan):
    wrongly_promoted, _ = simulated(plan, plan.bad, seed=1)
    _, wrongly_refused = simulated(plan, plan.good, seed=2)
    assert binomtest(round(wrongly_promoted * LINES), LINES, plan.alpha, "greater").pvalue > 0.01
    assert binomtest(round(wrongly_refused * LINES), LINES, plan.beta, "greater").pvalue > 0.01
    # The exact chances, computed in another way, are those of the simulation.
    for share, seed in ((plan.bad, 1), (plan.good, 2)):
        exact = operating(plan, share, PARTS)
        tolerance = 4 * np.sqrt(0.25 / LINES)
        assert simulated(plan, share, seed) == pytest.approx(
            (exact.promoted, exact.refused), abs=tolerance
        )


def test_looking_at_a_fixed_bound_after_each_part_would_not_hold():
    """Why the test is needed: an exact 95 % bound, looked at after every part, errs far oftener."""
    rng = np.random.default_rng(3)
    compared = np.arange(1, 601)
    allowed = np.array([max(-1, int(binom.ppf(0.05, n, 0.05)) - 1) for n in compared])
    disagreed = np.cumsum(rng.random((4000, 600)) < 0.05, axis=1)
    assert (disagreed <= allowed).any(axis=1).mean() > 0.1


@given(st.lists(st.booleans(), max_size=400))
def test_a_decision_stays_and_what_is_said_to_be_missing_is(path: list[bool]):
    plan = Plan(0.05, 0.2)
    now = standing(plan, path)
    assert standing(plan, [*path, True, False]).outcome == now.outcome or now.outcome == "continue"
    if now.outcome == "continue":
        assert standing(plan, [*path, *[False] * now.more]).outcome == "promote"
        assert standing(plan, [*path, *[False] * (now.more - 1)]).outcome == "continue"


def test_sizes_are_those_of_the_exact_binomial():
    first, second, *_ = sample_sizes(0.95, 0.01)
    assert (first.parts, second.parts) == (59, 93)  # the known sizes for 95 % at 95 %
    assert first.success == pytest.approx(0.99**59)
    assert second.success == pytest.approx(binom.cdf(1, 93, 0.01))


@pytest.mark.parametrize("wrong", [(0.1, 0.1), (0.0, 0.1), (0.2, 0.1)])
def test_a_plan_that_tells_nothing_apart_is_none(wrong: tuple[float, float]):
    with pytest.raises(ValueError, match="good < bad"):
        Plan(*wrong)
