"""Turns parts compared one after the other into a decision that may be taken at any moment.

Whoever looks at an exact bound after every part and stops when it looks well claims too often. The
sequential probability ratio test (A. Wald, Sequential Tests of Statistical Hypotheses, Ann. Math.
Statist. 16, 1945) may be looked at after every part. Its limits are here 1/alpha and beta, not
Wald's approximations, so that both errors hold exactly (J. Ville, 1939: a likelihood ratio ever
reaches 1/alpha under the other hypothesis with a chance of at most alpha).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import bdtr

from keenline.evaluation.intervals import CONFIDENCE, parts_needed

Outcome = Literal["promote", "refuse", "continue"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be told apart, and how often each error may happen."""

    good: float = 0.01
    """Share of disagreements, 0..1, with which a bundle should be promoted."""
    bad: float = 0.05
    """Share of disagreements, above `good`, with which it must not be."""
    alpha: float = 0.05
    """Chance, at most, that a bundle that disagrees at the share `bad` or more is promoted."""
    beta: float = 0.1
    """Chance, at most, that one that disagrees at the share `good` or less is refused."""

    def __post_init__(self) -> None:
        if not 0 < self.good < self.bad < 1:
            raise ValueError(f"0 < good < bad < 1, got {self.good} and {self.bad}")
        if not (0 < self.alpha < 0.5 and 0 < self.beta < 0.5):
            raise ValueError(f"alpha and beta between 0 and 0.5, got {self.alpha} and {self.beta}")

    @property
    def gain(self) -> float:
        """What an agreement adds to the logarithm of the likelihood ratio."""
        return math.log((1 - self.good) / (1 - self.bad))

    @property
    def loss(self) -> float:
        """What a disagreement takes from it."""
        return math.log(self.bad / self.good)

    @property
    def upper(self) -> float:
        """Where the bundle is promoted."""
        return math.log(1 / self.alpha)

    @property
    def lower(self) -> float:
        """Where it is refused."""
        return math.log(self.beta)

    def outcome(self, compared: int, disagreed: int) -> Outcome:
        """What stands after so many parts, had nothing been decided before."""
        ratio = (compared - disagreed) * self.gain - disagreed * self.loss
        # Sums in another order differ in the last digits.
        if ratio >= self.upper - 1e-9:
            return "promote"
        return "refuse" if ratio <= self.lower + 1e-9 else "continue"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a sequential test stands."""

    outcome: Outcome
    compared: int
    """Parts up to the decision, or up to now."""
    disagreed: int
    """Of them."""
    more: int
    """Parts without a disagreement that would still promote; 0 when decided."""


def standing(plan: Plan, disagreements: Iterable[bool]) -> Standing:
    """Go through parts in the order in which they were compared; the first decision stays."""
    compared = disagreed = 0
    for differs in disagreements:
        compared += 1
        disagreed += differs
        outcome = plan.outcome(compared, disagreed)
        if outcome != "continue":
            return Standing(outcome, compared, disagreed, 0)
    ratio = (compared - disagreed) * plan.gain - disagreed * plan.loss
    more = max(1, math.ceil((plan.upper - ratio) / plan.gain - 1e-9))
    return Standing("continue", compared, disagreed, more)


@dataclass(frozen=True, slots=True)
class Operating:
    """What a plan does to bundles of one true share of disagreements."""

    promoted: float
    """Chance to be promoted within the parts asked for."""
    refused: float
    parts: float
    """Expected number of parts, those that end undecided counted with all of theirs."""


def operating(plan: Plan, share: float, most: int) -> Operating:
    """Exact chances within `most` parts when each disagrees with chance `share`, independently.

    By adding up every way through the test, part by part.
    """
    open_ = np.zeros(most + 2)
    open_[0] = 1.0
    promoted = refused = parts = 0.0
    counts = np.arange(most + 2)
    for compared in range(1, most + 1):
        parts += float(open_.sum())
        open_[1:] = open_[1:] * (1 - share) + open_[:-1] * share
        open_[0] *= 1 - share
        ratio = (compared - counts) * plan.gain - counts * plan.loss
        up, down = ratio >= plan.upper - 1e-9, ratio <= plan.lower + 1e-9
        promoted += float(open_[up].sum())
        refused += float(open_[down].sum())
        open_[up | down] = 0.0
    return Operating(promoted, refused, parts)


@dataclass(frozen=True, slots=True)
class SampleSize:
    """A plan of a fixed size: all parts are compared, then it is decided."""

    disagreements: int
    """Allowed, at most."""
    parts: int
    """Fewest that then prove the claim."""
    success: float
    """Chance that no more disagree, should the true share be the one expected."""


def sample_sizes(agreement: float, expected: float, most: int = 5) -> list[SampleSize]:
    """Fixed sizes that prove an agreement of `agreement` at 95 %, by disagreements allowed.

    `expected`: the true share of disagreements one hopes for. From none to `most`.
    """
    sizes = []
    for allowed in range(most + 1):
        parts = parts_needed(agreement, allowed, CONFIDENCE)
        sizes.append(SampleSize(allowed, parts, float(bdtr(float(allowed), parts, expected))))
    return sizes
