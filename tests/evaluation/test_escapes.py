"""The bound on what slips through against the formula and the exact binomial distribution."""

from __future__ import annotations

import pytest
from scipy.stats import binom, binomtest

from keenline.evaluation.escapes import Escapes, escape_ppm


@pytest.mark.parametrize("n", [1, 10, 59, 300, 2996, 100_000])
def test_without_an_escape_it_is_the_formula(n: int):
    assert escape_ppm(0, n) == pytest.approx(1e6 * (1 - 0.05 ** (1 / n)), rel=1e-9)
    if n > 100:
        assert escape_ppm(0, n) == pytest.approx(3e6 / n, rel=0.02)


def test_with_escapes_it_is_clopper_pearson():
    interval = binomtest(3, 1000).proportion_ci(confidence_level=0.9, method="exact")
    assert escape_ppm(3, 1000) == pytest.approx(1e6 * interval.high, rel=1e-9)
    assert binom.cdf(3, 1000, escape_ppm(3, 1000) / 1e6) == pytest.approx(0.05)


def test_what_nobody_could_tell_counts_against_us_and_nothing_proves_nothing():
    assert Escapes(100, 1, 2).ppm_upper95 == escape_ppm(3, 100)
    assert Escapes(0, 0).ppm_upper95 == 1e6
