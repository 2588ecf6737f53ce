"""Sizes of defects, each found or missed, turned into a curve: the probability to find one.

P(a) = F(b0 + b1 g(a)), with F the logistic (logit) or the normal distribution (probit) and g(a)
the size a or its natural logarithm, fitted by maximum likelihood to the single hits and misses,
never to shares of size classes (MIL-HDBK-1823A, 2009, appendix G; ASTM E2862).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_ndtr, logit, ndtr, ndtri

Link: TypeAlias = Literal["logit", "probit"]
Scale: TypeAlias = Literal["linear", "log"]

LINKS: tuple[Link, ...] = get_args(Link)
SCALES: tuple[Scale, ...] = get_args(Scale)

LEVEL = 3.841458820694124
"""Of twice the difference of log-likelihoods at a bound: the 95th percentile of chi-square with one
degree of freedom. For a one-sided bound of 95 % the 90th, 2.71, is enough where defects are many;
with 60 it covers 92 to 93 % (benchmarks/pod_coverage.py)."""

_Floats: TypeAlias = NDArray[np.float64]
_STEPS = 100
_PRECISE = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class PodCurve:
    """One fitted curve with what its bounds are made of."""

    link: Link
    scale: Scale
    intercept: float
    """b0."""
    slope: float
    """b1, > 0 where larger defects are found more often."""
    covariance: tuple[tuple[float, float], tuple[float, float]]
    """Of (b0, b1): the inverse of the observed information."""
    deviance: float
    """-2 log-likelihood, as each defect is found or missed."""
    null_deviance: float
    """The same of a curve without slope."""
    places: _Floats
    """g(a) of each defect, (n,)."""
    hits: NDArray[np.bool_]

    def probability(self, sizes: ArrayLike) -> _Floats:
        """P(a) of each size."""
        place = self.intercept + self.slope * transformed(sizes, self.scale)
        return np.asarray(expit(place) if self.link == "logit" else ndtr(place), np.float64)

    def size_at(self, probability: float) -> float:
        """The size found with this probability, 0..1 exclusive."""
        return self._size((quantile(probability, self.link) - self.intercept) / self.slope)

    def upper_size(self, probability: float) -> float | None:
        """One-sided upper bound of `size_at`, at least 95 %, by the profile likelihood.

        None where even a curve without slope is among the plausible ones: then no size is large
        enough.
        """
        if self.null_deviance - self.deviance <= LEVEL:
            return None
        aim = quantile(probability, self.link)
        best = (aim - self.intercept) / self.slope

        def excess(place: float) -> float:
            return self._profile(place, aim) - self.deviance - LEVEL

        step = 0.1 * float(self.places.std())
        return self._size(_root(excess, best, step))

    def wald_upper_size(self, probability: float) -> float:
        """The same bound by the normal approximation (delta method); too low in small samples."""
        place = (quantile(probability, self.link) - self.intercept) / self.slope
        (v00, v01), (_, v11) = self.covariance
        error = math.sqrt(max(0.0, v00 + 2 * place * v01 + place * place * v11)) / abs(self.slope)
        return self._size(place + float(ndtri(0.95)) * error)

    def lower_probability(self, sizes: ArrayLike) -> _Floats:
        """One-sided lower bound of P at each size, at least 95 %, one size at a time, by the
        profile likelihood."""
        bounds = []
        for place in np.atleast_1d(transformed(sizes, self.scale)):
            best = self.intercept + self.slope * float(place)

            def excess(down: float, place: float = float(place), best: float = best) -> float:
                return self._profile(place, best - down) - self.deviance - LEVEL

            lowest = best - _root(excess, 0.0, 0.25)
            bounds.append(float(expit(lowest) if self.link == "logit" else ndtr(lowest)))
        return np.array(bounds)

    def _profile(self, place: float, aim: float) -> float:
        """Least deviance of all curves through `aim` (on the scale of the link) at `place`."""
        across = self.places - place
        largest = float(np.abs(across).max()) or 1.0
        x = (across / largest)[:, None]
        start = np.array([self.slope * largest])
        offset = np.full(len(x), aim)
        return _newton(x, self.hits, self.link, start, offset)[1]

    def _size(self, place: float) -> float:
        if self.scale == "linear":
            return place
        return math.exp(place) if place < 700 else math.inf


def fit_curve(sizes: ArrayLike, hits: ArrayLike, link: Link, scale: Scale) -> PodCurve:
    """The likeliest curve; sizes: (n,), > 0; hits: (n,), bool.

    There is one only where sizes found and sizes missed overlap; raises ValueError where they do
    not, and for sizes that are not above 0.
    """
    values, found = np.asarray(sizes, np.float64), np.asarray(hits, bool)
    if values.ndim != 1 or values.shape != found.shape:
        raise ValueError("there must be one size for each hit or miss")
    if not values.size or not np.isfinite(values).all() or values.min() <= 0:
        raise ValueError("each size must be a number above 0")
    if not overlapping(values, found):
        raise ValueError("sizes found and sizes missed do not overlap")
    places = transformed(values, scale)
    middle, spread = float(places.mean()), float(places.std())
    x = np.column_stack([np.ones(len(places)), (places - middle) / spread])
    share = float(found.mean())
    start = np.array([quantile(share, link), 0.0])
    b, deviance, information = _newton(x, found, link, start, np.zeros(len(x)))
    back = np.array([[1.0, -middle / spread], [0.0, 1 / spread]])
    intercept, slope = back @ b
    covariance = back @ np.linalg.inv(information) @ back.T
    n = len(places)
    null = -2 * n * (share * math.log(share) + (1 - share) * math.log(1 - share))
    first, second = (tuple(map(float, row)) for row in covariance)
    return PodCurve(
        link,
        scale,
        float(intercept),
        float(slope),
        ((first[0], first[1]), (second[0], second[1])),
        deviance,
        null,
        places,
        found,
    )


def overlapping(sizes: ArrayLike, hits: ArrayLike) -> bool:
    """Whether some defect was missed that is larger than one found, and the other way round: only
    then a likeliest curve exists (M. J. Silvapulle, J. R. Stat. Soc. B 43, 1981)."""
    values, found = np.asarray(sizes, np.float64), np.asarray(hits, bool)
    if found.all() or not found.any():
        return False
    hit, missed = values[found], values[~found]
    return bool(hit.min() < missed.max() and missed.min() < hit.max())


def transformed(sizes: ArrayLike, scale: Scale) -> _Floats:
    """g(a)."""
    values = np.asarray(sizes, np.float64)
    return values if scale == "linear" else np.log(values)


def quantile(probability: float, link: Link) -> float:
    """Where the link has this probability, 0..1 exclusive."""
    return float(logit(probability) if link == "logit" else ndtri(probability))


def _newton(
    x: _Floats, hits: NDArray[np.bool_], link: Link, b: _Floats, offset: _Floats
) -> tuple[_Floats, float, _Floats]:
    """Coefficients of the columns of `x` with the least deviance, that deviance, and the observed
    information there. The log-likelihood is concave for both links, so steps that are halved until
    they lead down end at the one minimum."""
    sign = np.where(hits, 1.0, -1.0)
    value, gradient, information = _at(x, sign, link, b, offset)
    for _ in range(_STEPS):
        step = np.linalg.solve(information, gradient)
        if float(gradient @ step) < _PRECISE:
            break
        size = 1.0
        while True:
            tried = _at(x, sign, link, b + size * step, offset)
            if tried[0] <= value or size < _PRECISE:
                break
            size /= 2
        if size < _PRECISE:
            break
        b = b + size * step
        value, gradient, information = tried
    return b, value, information


def _at(
    x: _Floats, sign: _Floats, link: Link, b: _Floats, offset: _Floats
) -> tuple[float, _Floats, _Floats]:
    """Deviance, gradient of the log-likelihood and observed information."""
    t = sign * (offset + x @ b)
    if link == "logit":
        logs = -np.logaddexp(0.0, -t)
        first = expit(-t)
        second = first * (1 - first)
    else:
        logs = log_ndtr(t)
        first = np.exp(-0.5 * t * t - 0.5 * math.log(2 * math.pi) - logs)  # Mills' ratio
        second = first * (first + t)
    information = x.T @ (np.maximum(second, 1e-300)[:, None] * x)
    return -2 * float(logs.sum()), x.T @ (sign * first), information


def _root(excess: Callable[[float], float], start: float, step: float) -> float:
    """Above `start`, where it is negative, the first place where `excess` is 0."""
    from scipy.optimize import brentq

    low, high = start, start + step
    while excess(high) < 0:
        step *= 2
        low, high = high, high + step
    return float(brentq(excess, low, high, xtol=1e-10 * max(1.0, abs(high)), rtol=1e-10))
