"""Turns what was found so far into the number of parts still needed to claim a rate."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from scipy.special import bdtr

from keenline.evaluation.intervals import CONFIDENCE, parts_needed, recall_lower_bound

POWER = 0.8
"""The usual chance that a study of the planned size succeeds (Cohen, Statistical Power Analysis,
2nd ed. 1988, section 2.4)."""

MOST_PARTS = 20_000
"""More parts than this are planned by nobody; the answer is then None."""


@dataclass(frozen=True, slots=True)
class Needed:
    """How many more parts a claim takes, after `found` of `n`."""

    claim: float
    """The rate to be claimed, 0..1."""
    observed: float | None
    """The rate found so far, 0..1; None when nothing was tried."""
    proven: bool
    """Whether it can be claimed already."""
    without_miss: int
    """More parts, should none of them be missed; what was missed so far counts. 0 when proven."""
    expected: int | None
    """More parts with which the claim succeeds with chance `power`, should the true rate be the one
    observed. None when the observed rate is not above the claim, nothing was tried, or more than
    `MOST_PARTS` were needed."""
    power: float

    def as_dict(self) -> dict[str, object]:
        """JSON values."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """What to print."""
        claim = f"{100 * self.claim:g} %"
        if self.proven:
            return f"{claim} can be claimed"
        if self.observed is not None and self.observed <= self.claim:
            seen = f"{100 * self.observed:.3g} % observed is no more than {claim}"
            return f"{seen}; {self.without_miss} more without a miss would prove it"
        if self.expected in (None, self.without_miss):
            return f"{self.without_miss} more without a miss to claim {claim}"
        return (
            f"{self.without_miss} more without a miss to claim {claim}; "
            f"{self.expected} if recall stays as observed"
        )


def needed(found: int, n: int, claim: float = 0.95, power: float = POWER) -> Needed:
    """The parts still needed before "at least `claim`" holds with 95 % confidence.

    The number is to be fixed before the parts are tried and all of them counted: whoever looks
    after every part and stops at the first success claims too often (`docs/evidence.md` says how
    much). Raises ValueError unless 0 <= found <= n and 0 < claim, power < 1.
    """
    if not 0 < power < 1:
        raise ValueError(f"power must lie between 0 and 1, got {power}")
    misses = n - found
    if recall_lower_bound(found, n, CONFIDENCE) >= claim:
        return Needed(claim, found / n, True, 0, 0, power)
    without = parts_needed(claim, misses) - n
    observed = found / n if n else None
    return Needed(claim, observed, False, without, _expected(found, n, claim, power), power)


def _expected(found: int, n: int, claim: float, power: float) -> int | None:
    """Between two sizes that allow one miss more, power only falls: these sizes are looked at."""
    if n == 0 or found / n <= claim:
        return None
    misses, missed_rate = n - found, 1 - found / n
    allowed = misses
    while (total := parts_needed(claim, allowed)) - n <= MOST_PARTS:
        if bdtr(float(allowed - misses), total - n, missed_rate) >= power:
            return total - n
        allowed += 1
    return None
