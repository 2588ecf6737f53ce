"""Bounds against the printed tables, against scipy's exact test, and as properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from keenline.evaluation.intervals import (
    Proportion,
    misses_allowed,
    parts_needed,
    rate_upper_bound,
    recall_lower_bound,
    wilson,
)

# One-sided 95 % lower bound of recall after 0, 1, 2 misses. 100 parts without a miss are
# 0.05 ** (1 / 100) = 0.97049.
BOUNDS = {
    10: (0.741, 0.606, 0.493),
    20: (0.861, 0.784, 0.717),
    30: (0.905, 0.851, 0.805),
    50: (0.942, 0.909, 0.879),
    100: (0.970, 0.953, 0.938),
    300: (0.990, 0.984, 0.979),
}
PARTS = {
    0.90: (29, 46, 61),
    0.95: (59, 93, 124),
    0.98: (149, 236, 313),
    0.99: (299, 473, 628),
    0.999: (2995, 4742, 6294),
}

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
confidences = st.floats(0.5, 0.999)


@pytest.mark.parametrize("n", BOUNDS)
def test_recall_bounds_of_the_table(n: int) -> None:
    for misses, expected in enumerate(BOUNDS[n]):
        assert round(recall_lower_bound(n - misses, n), 3) == expected


@pytest.mark.parametrize("claim", PARTS)
def test_parts_needed_of_the_table(claim: float) -> None:
    assert tuple(parts_needed(claim, misses) for misses in range(3)) == PARTS[claim]


@given(counts, confidences)
def test_bounds_agree_with_scipy(count: tuple[int, int], confidence: float) -> None:
    found, n = count
    low = stats.binomtest(found, n, alternative="greater").proportion_ci(confidence, "exact").low
    high = stats.binomtest(found, n, alternative="less").proportion_ci(confidence, "exact").high
    assert recall_lower_bound(found, n, confidence) == pytest.approx(low, abs=1e-9)
    assert rate_upper_bound(found, n, confidence) == pytest.approx(high, abs=1e-9)


@given(counts, confidences)
def test_wilson_agrees_with_scipy(count: tuple[int, int], confidence: float) -> None:
    found, n = count
    expected = stats.binomtest(found, n).proportion_ci(confidence, "wilson")
    assert wilson(found, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(counts)
def test_bounds_enclose_the_observed_rate_and_mirror(count: tuple[int, int]) -> None:
    found, n = count
    low, high = recall_lower_bound(found, n), rate_upper_bound(found, n)
    assert 0 <= low <= found / n <= high <= 1
    assert low == pytest.approx(1 - rate_upper_bound(n - found, n), abs=1e-9)


@given(counts)
def test_more_found_is_a_higher_bound_and_more_confidence_a_lower_one(
    count: tuple[int, int],
) -> None:
    found, n = count
    if found < n:
        assert recall_lower_bound(found, n) < recall_lower_bound(found + 1, n)
    assert recall_lower_bound(found, n, 0.99) <= recall_lower_bound(found, n, 0.95)


@given(st.floats(0.01, 0.999), st.integers(0, 20), confidences)
def test_parts_needed_is_the_least_that_proves_it(
    claim: float, misses: int, confidence: float
) -> None:
    n = parts_needed(claim, misses, confidence)
    assert recall_lower_bound(n - misses, n, confidence) >= claim - 1e-9
    if n - 1 > misses:
        assert recall_lower_bound(n - 1 - misses, n - 1, confidence) < claim + 1e-9


@given(st.integers(1, 3000), st.floats(0.5, 0.99))
def test_misses_allowed_inverts_parts_needed(n: int, claim: float) -> None:
    allowed = misses_allowed(n, claim)
    if allowed is None:
        assert parts_needed(claim, 0) > n
    else:
        assert parts_needed(claim, allowed) <= n < parts_needed(claim, allowed + 1)


@pytest.mark.parametrize("rate", [0.02, 0.3, 0.9, 0.97])
def test_the_bound_holds_as_often_as_it_says(rate: float) -> None:
    found = np.random.default_rng(7).binomial(40, rate, size=20_000)
    bounds = np.array([recall_lower_bound(k, 40) for k in range(41)])
    covered = np.mean(bounds[found] <= rate)
    assert covered >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / found.size)


def test_nothing_tried_proves_nothing() -> None:
    assert recall_lower_bound(0, 0) == 0.0
    assert rate_upper_bound(0, 0) == 1.0
    assert wilson(0, 0) == (0.0, 1.0)
    assert Proportion.of(0, 0).value is None


def test_a_proportion_holds_both_bounds() -> None:
    share = Proportion.of(28, 30)
    assert (share.value, share.n, share.events) == (28 / 30, 30, 28)
    assert round(share.lower95, 3) == 0.805
    assert share.upper95 == pytest.approx(rate_upper_bound(28, 30))


@pytest.mark.parametrize("call", [(3, 2, 0.95), (-1, 2, 0.95), (1, 2, 0.0), (1, 2, 1.0)])
def test_impossible_counts_are_refused(call: tuple[int, int, float]) -> None:
    for bound in (recall_lower_bound, rate_upper_bound, wilson):
        with pytest.raises(ValueError, match="must lie between"):
            bound(*call)


def test_impossible_claims_are_refused() -> None:
    for claim in (0.0, 1.0, -0.5):
        with pytest.raises(ValueError, match="claim"):
            parts_needed(claim)
    with pytest.raises(ValueError, match="practical"):
        parts_needed(1 - 1e-15)
