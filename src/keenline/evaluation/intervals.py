"""Turns counts of parts into exact one-sided bounds, and claims into the parts they need.

All bounds are Clopper-Pearson (Biometrika 26, 1934): they hold for every true rate, never only
on average, which is what an acceptance test needs. `wilson` is the exception; it is there because
attribute agreement studies (AIAG MSA) state their percentages with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import bdtr, betaincinv, ndtri

CONFIDENCE = 0.95
"""The usual confidence of a one-sided bound."""

_MOST_PARTS = 2**40


def recall_lower_bound(found: int, n: int, confidence: float = CONFIDENCE) -> float:
    """The recall, 0..1, that is exceeded with `confidence` after `found` of `n` defects were found.

    One-sided Clopper-Pearson. 0 when n is 0: nothing tried proves nothing.
    Raises ValueError unless 0 <= found <= n and 0 < confidence < 1.
    """
    _check(found, n, confidence)
    if found == 0:
        return 0.0
    return float(betaincinv(found, n - found + 1, 1.0 - confidence))


def rate_upper_bound(events: int, n: int, confidence: float = CONFIDENCE) -> float:
    """The rate, 0..1, that is not exceeded with `confidence` after `events` in `n` parts.

    One-sided Clopper-Pearson. 1 when n is 0: nothing tried proves nothing.
    Raises ValueError unless 0 <= events <= n and 0 < confidence < 1.
    """
    _check(events, n, confidence)
    if events == n:
        return 1.0
    return float(betaincinv(events + 1, n - events, confidence))


def wilson(events: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Two-sided Wilson score interval of a rate (Wilson, JASA 22, 1927), without correction.

    (0, 1) when n is 0. Its coverage is `confidence` on average only.
    Raises ValueError unless 0 <= events <= n and 0 < confidence < 1.
    """
    _check(events, n, confidence)
    if n == 0:
        return 0.0, 1.0
    z = float(ndtri(0.5 + confidence / 2))
    share = events / n
    centre = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if events == 0 else max(0.0, (centre - reach) / scale)
    high = 1.0 if events == n else min(1.0, (centre + reach) / scale)
    return low, high


def parts_needed(claim: float, misses: int = 0, confidence: float = CONFIDENCE) -> int:
    """The fewest parts that prove "at least `claim`" when `misses` of them fail.

    `claim` is a success rate, 0..1 exclusive: a recall, or 1 - false-alarm rate. It is the least n
    with `recall_lower_bound(n - misses, n) >= claim`.
    Raises ValueError for a claim or confidence outside 0..1, misses < 0, or more than 2**40 parts.
    """
    if not 0 < claim < 1:
        raise ValueError(f"claim must lie between 0 and 1, got {claim}")
    _check(misses, misses, confidence)
    low, high = misses, misses + 1
    while not _proves(high, claim, misses, confidence):
        low, high = high, 2 * high
        if high > _MOST_PARTS:
            raise ValueError(f"no practical number of parts proves {claim}")
    while high - low > 1:
        middle = (low + high) // 2
        if _proves(middle, claim, misses, confidence):
            high = middle
        else:
            low = middle
    return high


def misses_allowed(n: int, claim: float, confidence: float = CONFIDENCE) -> int | None:
    """The most failures among `n` parts that still prove "at least `claim`".

    None when n is too small to prove it even without a failure.
    """
    if n < parts_needed(claim, 0, confidence):
        return None
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        if _proves(n, claim, middle, confidence):
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True)
class Proportion:
    """How often something happened, with exact bounds. Each bound is one-sided at 95 %."""

    events: int
    n: int
    value: float | None
    """events / n, 0..1; None when n is 0."""
    lower95: float
    upper95: float

    @classmethod
    def of(cls, events: int, n: int) -> Proportion:
        """`events` among `n` parts; raises ValueError unless 0 <= events <= n."""
        return cls(
            events=events,
            n=n,
            value=events / n if n else None,
            lower95=recall_lower_bound(events, n),
            upper95=rate_upper_bound(events, n),
        )


def _proves(n: int, claim: float, misses: int, confidence: float) -> bool:
    """Whether at most `misses` failures in n would be rarer than 1 - confidence below the claim."""
    return bool(bdtr(float(misses), n, 1.0 - claim) <= 1.0 - confidence)


def _check(events: int, n: int, confidence: float) -> None:
    if not 0 <= events <= n:
        raise ValueError(f"events must lie between 0 and n, got {events} of {n}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
