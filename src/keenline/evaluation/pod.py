"""Defects of one class, each found or missed, turned into what may be claimed: a50, a90, a90/95.

a90 is the size found with a probability of 90 %, and a90/95 its one-sided 95 % upper bound: what
an inspection is said to find. A claim that the defects do not carry is refused with the reason.
Which of several curves is true is not known from 60 defects, so the bound is the largest of those
that fit about as well as the best; the bound of the best alone covers 87 % only
(benchmarks/pod_coverage.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtrc

from keenline.evaluation.intervals import Proportion
from keenline.evaluation.pod_curve import (
    LEVEL,
    LINKS,
    SCALES,
    PodCurve,
    fit_curve,
    overlapping,
)

FEWEST = 60
"""Hits and misses below which nothing is claimed (MIL-HDBK-1823A, 4.5.2.2; ASTM E2862)."""

LINK_CHOICES: TypeAlias = Literal["auto", "logit", "probit"]
SCALE_CHOICES: TypeAlias = Literal["auto", "linear", "log"]

AS_WELL = 2.0
"""Deviance above the best below which a curve counts as fitting about as well."""
_GROUPS = 10
_POORLY = 0.05
"""Probability of a worse fit below which a curve is said not to fit."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How well the curve follows what was found and missed (Hosmer and Lemeshow, Applied Logistic
    Regression, 1989, 5.2.2)."""

    chi_square: float
    freedom: int
    p: float
    """Probability that a true curve fits no better than this one, 0..1."""

    @property
    def poor(self) -> bool:
        """Whether the curve contradicts the data."""
        return self.p < _POORLY


@dataclass(frozen=True, slots=True)
class Pod:
    """What is known of how the size of a defect decides whether it is found."""

    sizes: NDArray[np.float64]
    """(n,), ascending, > 0."""
    hits: NDArray[np.bool_]
    """(n,), in the order of `sizes`."""
    found: Proportion
    """Over all sizes as they were tried; says nothing of other sizes."""
    curve: PodCurve | None
    """None where none can be fitted; `refusals` says why."""
    tried: tuple[PodCurve, ...]
    """Every curve that was fitted, least deviance first."""
    a50: float | None
    a90: float | None
    """Estimates; None where larger defects are not shown to be found more often, and where they
    lie outside the sizes that were tried."""
    a90_95: float | None
    """By the profile likelihood, the largest of `plausible`; None where it is refused."""
    a90_95_wald: float | None
    """For comparison: of the best curve alone, by the normal approximation."""
    fit: Fit | None
    refusals: tuple[str, ...]
    """Why there is no a90/95; empty where there is one."""
    notes: tuple[str, ...]

    @property
    def plausible(self) -> tuple[PodCurve, ...]:
        """The curves that fit about as well as the best."""
        return plausible(self.tried)

    def lower95(self, sizes: ArrayLike) -> NDArray[np.float64]:
        """Lower 95 % bound of the probability at each size, over the plausible curves."""
        bounds = [curve.lower_probability(sizes) for curve in self.plausible]
        return np.asarray(np.min(bounds, axis=0), np.float64)

    @property
    def claimed(self) -> bool:
        """Whether a90/95 may be stated."""
        return not self.refusals


def probability_of_detection(
    sizes: ArrayLike,
    hits: ArrayLike,
    *,
    link: LINK_CHOICES = "auto",
    scale: SCALE_CHOICES = "auto",
    unit: str = "mm",
) -> Pod:
    """Fit and judge; sizes: (n,), > 0, in `unit`, which is named only; hits: (n,), bool.

    `auto`: the curve of least deviance among those allowed. a90/95 is refused with fewer than
    `FEWEST` defects, without a curve, where larger defects are not shown to be found more often,
    and where it lies outside the sizes that were tried. Raises ValueError as `fit_curve`, but for
    sizes that do not overlap.
    """
    values, found = np.asarray(sizes, np.float64), np.asarray(hits, bool)
    if values.ndim != 1 or values.shape != found.shape:
        raise ValueError("there must be one size for each hit or miss")
    if not np.isfinite(values).all() or (values.size and values.min() <= 0):
        raise ValueError("each size must be a number above 0")
    order = np.argsort(values, kind="stable")
    values, found = values[order], found[order]
    refusals = _too_few(values)
    if not overlapping(values, found):
        return _without_curve(values, found, (*refusals, _no_overlap(values, found, unit)))
    tried = [
        fit_curve(values, found, each, other)
        for each in LINKS
        for other in SCALES
        if link in ("auto", each) and scale in ("auto", other)
    ]
    tried.sort(key=lambda curve: curve.deviance)
    return _judged(values, found, tried, refusals, unit)


def plausible(tried: Sequence[PodCurve]) -> tuple[PodCurve, ...]:
    """Those within `AS_WELL` of the least deviance."""
    least = min((curve.deviance for curve in tried), default=0.0)
    return tuple(curve for curve in tried if curve.deviance <= least + AS_WELL)


def hosmer_lemeshow(curve: PodCurve, sizes: ArrayLike, hits: ArrayLike) -> Fit | None:
    """Hits counted and expected in ten groups of like probability; None below 10 a group."""
    expected = curve.probability(sizes)
    found = np.asarray(hits, bool)
    groups = min(_GROUPS, len(found) // 10)
    if groups < 3:
        return None
    chi = 0.0
    for part in np.array_split(np.argsort(expected, kind="stable"), groups):
        mean = float(expected[part].mean())
        spread = len(part) * mean * (1 - mean)
        difference = float(found[part].sum()) - len(part) * mean
        if difference:
            chi += difference**2 / max(spread, 1e-300)
    return Fit(chi, groups - 2, float(chdtrc(groups - 2, chi)))


def _judged(
    values: NDArray[np.float64],
    found: NDArray[np.bool_],
    tried: list[PodCurve],
    refusals: tuple[str, ...],
    unit: str,
) -> Pod:
    curve = tried[0]
    fit = hosmer_lemeshow(curve, values, found)
    bounds = [each.upper_size(0.9) if each.slope > 0 else None for each in plausible(tried)]
    known = [bound for bound in bounds if bound is not None]
    upper = max(known, default=0.0)
    if len(known) < len(bounds):
        refusals = (*refusals, _no_slope(curve))
    elif not values[0] <= upper <= values[-1]:
        refusals = (
            *refusals,
            (
                f"a90/95 would be {upper:.3g} {unit}, outside the sizes that were tried, "
                f"{values[0]:.3g} to {values[-1]:.3g} {unit}"
            ),
        )
    notes = ["the curve contradicts the data: see the fit"] if fit and fit.poor else []
    return Pod(
        sizes=values,
        hits=found,
        found=Proportion.of(int(found.sum()), len(found)),
        curve=curve,
        tried=tuple(tried),
        a50=_estimate(curve, 0.5, values),
        a90=_estimate(curve, 0.9, values),
        a90_95=None if refusals else upper,
        a90_95_wald=None if refusals else curve.wald_upper_size(0.9),
        fit=fit,
        refusals=refusals,
        notes=tuple(notes),
    )


def _estimate(curve: PodCurve, probability: float, values: NDArray[np.float64]) -> float | None:
    if curve.slope <= 0 or curve.null_deviance - curve.deviance <= LEVEL:
        return None
    size = curve.size_at(probability)
    return size if values[0] <= size <= values[-1] else None


def _without_curve(
    values: NDArray[np.float64], found: NDArray[np.bool_], refusals: tuple[str, ...]
) -> Pod:
    share = Proportion.of(int(found.sum()), len(found))
    return Pod(values, found, share, None, (), None, None, None, None, None, refusals, ())


def _too_few(values: NDArray[np.float64]) -> tuple[str, ...]:
    if len(values) >= FEWEST:
        return ()
    if not len(values):
        return ()
    return (f"too few defects for a claim: {len(values)}, at least {FEWEST} are needed",)


def _no_overlap(values: NDArray[np.float64], found: NDArray[np.bool_], unit: str) -> str:
    if not len(values):
        return "no defect was tried"
    span = f"{values[0]:.3g} to {values[-1]:.3g} {unit}"
    if found.all():
        return f"every defect was found, {span}: a90 lies below; try smaller ones"
    if not found.any():
        return f"no defect was found, {span}: a90 lies above; try larger ones"
    hit, missed = values[found], values[~found]
    if hit.min() >= missed.max():
        return (
            f"every defect up to {missed.max():.3g} {unit} was missed and every one from "
            f"{hit.min():.3g} {unit} found: try more sizes between and around"
        )
    return "the smaller defects were found and the larger ones missed: size is not what decides"


def _no_slope(curve: PodCurve) -> str:
    gain = curve.null_deviance - curve.deviance
    if curve.slope <= 0:
        return "larger defects were found less often: size is not what decides"
    return (
        "larger defects are not shown to be found more often "
        f"(likelihood ratio {gain:.2f}, {LEVEL:.2f} needed): no size can be claimed"
    )
