"""Probability of detection: the handbook, statsmodels, a table, coverage, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from tests.evaluation.handbook_cracks import BY_LENGTH, BY_LOG_DEPTH, by_depth, by_length

from keenline.evaluation.pod import probability_of_detection
from keenline.evaluation.pod_curve import (
    LEVEL,
    LINKS,
    SCALES,
    Link,
    Scale,
    fit_curve,
    quantile,
    transformed,
)

Sizes = NDArray[np.float64]
Hits = NDArray[np.bool_]


def simulated(seed: int, n: int = 120, a90: float = 1.0) -> tuple[Sizes, Hits]:
    """Sizes 0.2 to 3 and hits of a logit curve on ln a through 90 % at `a90`."""
    random = np.random.default_rng(seed)
    sizes = np.exp(random.uniform(np.log(0.2), np.log(3), n))
    eta = quantile(0.9, "logit") + 4 * np.log(sizes / a90)
    return sizes, random.random(n) < 1 / (1 + np.exp(-eta))


def theirs(sizes: Sizes, hits: Hits, link: Link, scale: Scale, offset: float | None = None) -> Any:
    """statsmodels' fit; with `offset` the curve through 90 % at that place on the scale."""
    family = sm.families.Binomial(
        sm.families.links.Logit() if link == "logit" else sm.families.links.Probit()
    )
    x = transformed(sizes, scale)
    if offset is None:
        return sm.GLM(hits.astype(float), sm.add_constant(x), family=family).fit(tol=1e-12)
    fixed = np.full(len(x), quantile(0.9, link))
    return sm.GLM(hits.astype(float), x - offset, family=family, offset=fixed).fit(tol=1e-12)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("link", LINKS)
def test_curve_deviance_and_bound_are_those_of_statsmodels(link: Link, scale: Scale):
    sizes, hits = simulated(1)
    mine, other = fit_curve(sizes, hits, link, scale), theirs(sizes, hits, link, scale)
    assert [mine.intercept, mine.slope] == pytest.approx(list(other.params), rel=1e-6)
    assert mine.deviance == pytest.approx(other.deviance, abs=1e-8)
    assert mine.null_deviance == pytest.approx(other.null_deviance, abs=1e-8)
    if link == "logit":  # of the probit statsmodels gives the expected information
        assert np.array(mine.covariance) == pytest.approx(other.cov_params(), rel=1e-5)
    upper = mine.upper_size(0.9)
    assert upper is not None
    assert upper > mine.size_at(0.9)
    # At the bound the likeliest curve through it is worse by exactly the contour.
    through = theirs(sizes, hits, link, scale, float(transformed(upper, scale)))
    assert through.deviance - other.deviance == pytest.approx(LEVEL, abs=1e-5)
    # The lower bound of the curve crosses 90 % there: that is what a90/95 means.
    assert mine.lower_probability([upper])[0] == pytest.approx(0.9, abs=1e-6)


def test_the_published_fit_of_bliss_beetles():
    # Bliss, Ann. Appl. Biol. 22, 1935; fits printed in Dobson, An Introduction to Generalized
    # Linear Models, 2nd ed. 2002, tables 7.2 and 7.4.
    dose = (1.6907, 1.7242, 1.7552, 1.7842, 1.8113, 1.8369, 1.8610, 1.8839)
    tried, killed = (59, 60, 62, 56, 63, 59, 62, 60), (6, 13, 18, 28, 52, 53, 61, 60)
    sizes = np.repeat(dose, tried)
    hits = np.concatenate([np.arange(n) < k for n, k in zip(tried, killed, strict=True)])
    logit, probit = (fit_curve(sizes, hits, link, "linear") for link in LINKS)
    assert (logit.intercept, logit.slope) == pytest.approx((-60.72, 34.27), abs=0.005)
    errors = np.sqrt(np.diag(logit.covariance))
    assert errors == pytest.approx((5.18, 2.91), abs=0.005)
    assert (probit.intercept, probit.slope) == pytest.approx((-34.94, 19.73), abs=0.005)


@pytest.mark.parametrize("link", LINKS)
def test_the_example_of_the_handbook_is_that_of_its_own_program(link: Link):
    sizes, hits = by_length()
    assert (len(sizes), hits.sum()) == (134, 92)
    pod = probability_of_detection(sizes, hits, link=link, scale="linear", unit="inch")
    assert pod.curve is not None
    found = (pod.curve.intercept, pod.curve.slope, pod.a50, pod.a90)
    assert found == pytest.approx(BY_LENGTH[link][:4], rel=1e-7)
    # Theirs is read off a grid; ours is exact.
    assert pod.a90_95 == pytest.approx(BY_LENGTH[link][4], rel=2e-4)
    assert pod.claimed


def test_its_depths_on_a_logarithmic_scale_are_those_of_jasp():
    curve = fit_curve(*by_depth(), "logit", "log")
    assert (curve.intercept, curve.slope) == pytest.approx(BY_LOG_DEPTH, rel=1e-7)


def test_the_bound_holds_as_often_as_it_says():
    claims = [probability_of_detection(*simulated(seed, 60)) for seed in range(150)]
    bounds = [pod.a90_95 for pod in claims if pod.a90_95 is not None]
    assert len(bounds) > 140
    # benchmarks/pod_coverage.py: 95 to 99 %; 3 standard errors of 150 below 95 %.
    assert np.mean([bound >= 1 for bound in bounds]) > 0.896
    assert np.median(bounds) < 2


def test_a_scale_of_sizes_scales_the_answer_and_order_does_not_matter():
    sizes, hits = simulated(3)
    once, scaled = (
        probability_of_detection(sizes, hits),
        probability_of_detection(25.4 * sizes[::-1], hits[::-1]),
    )
    assert scaled.a90 == pytest.approx(25.4 * (once.a90 or 0), rel=1e-6)
    assert scaled.a90_95 == pytest.approx(25.4 * (once.a90_95 or 0), rel=1e-6)


def test_a_claim_needs_sixty_defects():
    sizes, hits = simulated(4, 59)
    pod = probability_of_detection(sizes, hits)
    assert pod.curve is not None
    assert pod.a90 is not None
    assert pod.a90_95 is None
    assert pod.refusals == ("too few defects for a claim: 59, at least 60 are needed",)


SIXTY = np.linspace(0.1, 6, 60)


@pytest.mark.parametrize(
    ("hits", "why"),
    [
        (np.ones(60, bool), "every defect was found"),
        (np.zeros(60, bool), "no defect was found"),
        (SIXTY > 3, "try more sizes between"),
        (SIXTY < 3, "the smaller defects were found"),
        (np.arange(60) % 2 == 1, "not shown to be found more often"),
        ((SIXTY > 4) | (np.arange(60) % 7 == 0), "outside the sizes that were tried"),
    ],
)
def test_what_cannot_be_claimed_is_refused_with_the_reason(hits: Hits, why: str):
    pod = probability_of_detection(SIXTY, hits)
    assert why in "; ".join(pod.refusals)
    assert pod.a90_95 is None
    assert pod.found.events == hits.sum()


def test_large_defects_that_are_never_found_contradict_the_curve():
    sizes, hits = simulated(5, 400)
    hits[np.argsort(sizes)[-60:]] &= np.arange(60) % 3 > 0
    pod = probability_of_detection(sizes, hits, link="logit", scale="log")
    assert pod.fit is not None
    assert pod.fit.poor
    assert pod.notes


def test_sizes_that_are_none_are_refused():
    for sizes in ([0.0, 1.0], [-1.0, 1.0], [np.nan, 1.0]):
        with pytest.raises(ValueError, match="above 0"):
            probability_of_detection(sizes, [True, False])
    assert probability_of_detection([], []).refusals == ("no defect was tried",)
