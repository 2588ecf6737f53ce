"""Turns outcomes by lot, shift, light or size into those that the whole would hide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import gammaln, logsumexp

from keenline.evaluation.intervals import Proportion

LEVEL = 0.05
"""Chance of any false warning, over every stratum compared."""


@dataclass(frozen=True, slots=True)
class Stratum:
    """The parts of one kind that share one value, and how they fared."""

    dimension: str
    """`lot`, `line`, `shift`, `light`, `size` or `class`."""
    value: str
    share: Proportion
    """Found among the defective, or flagged among the good."""

    def as_dict(self) -> dict[str, object]:
        """JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A stratum that is worse than the others by more than chance explains."""

    what: str
    """A defect class, `all defects` or `good`."""
    dimension: str
    value: str
    bad: int
    """Missed defects, or flagged good parts, in the stratum."""
    n: int
    bad_elsewhere: int
    n_elsewhere: int
    p: float
    """Chance of so many or more bad ones in this stratum were all strata alike, times the number
    of strata that could have warned."""

    @property
    def sentence(self) -> str:
        """What to print."""
        happened = "flagged" if self.what == "good" else "missed"
        where = "of class" if self.dimension == "class" else f"with {self.dimension}"
        return (
            f"{self.what} {where} {self.value}: {self.bad} of {self.n} {happened}, elsewhere "
            f"{self.bad_elsewhere} of {self.n_elsewhere} (p = {self.p:.2g}); "
            "the whole hides it"
        )

    def as_dict(self) -> dict[str, object]:
        """JSON values."""
        return asdict(self) | {"sentence": self.sentence}


@dataclass(frozen=True, slots=True)
class Compared:
    """The strata of one dimension of one kind of parts."""

    what: str
    strata: tuple[Stratum, ...]
    flagged_is_bad: bool = False
    """For good parts; else it is the missed that are bad."""


def hidden(compared: Sequence[Compared], level: float = LEVEL) -> tuple[Hidden, ...]:
    """The strata that are worse than the rest of their dimension, worst first.

    Each is tested by Fisher's exact test, one-sided, against the others of its dimension taken
    together. Over all of them the chance of a false warning is at most `level`: Bonferroni, leaving
    out strata that are too small to warn whatever happens in them (Tarone, Biometrics 46, 1990).
    """
    found = [one for group in compared for one in _tested(group)]
    tests = _able([least for least, _ in found], level)
    warned = [
        Hidden(w.what, w.dimension, w.value, w.bad, w.n, w.bad_elsewhere, w.n_elsewhere, corrected)
        for _, w in found
        if (corrected := min(1.0, w.p * tests)) <= level
    ]
    return tuple(sorted(warned, key=lambda warning: warning.p))


def fisher_tail(bad: int, n: int, bad_all: int, n_all: int) -> float:
    """Chance of `bad` or more bad ones among `n`, of `n_all` with `bad_all` bad, all alike.

    The hypergeometric upper tail: Fisher's exact test, one-sided (Fisher, Journal of the Royal
    Statistical Society 98, 1935).
    """
    count = np.arange(bad, min(n, bad_all) + 1, dtype=np.float64)
    logs = _choose(bad_all, count) + _choose(n_all - bad_all, n - count)
    return float(min(1.0, np.exp(logsumexp(logs - _choose(n_all, np.float64(n))))))


def _tested(group: Compared) -> list[tuple[float, Hidden]]:
    """For each stratum the least p it could have reached, and how it fared, p uncorrected."""
    n_all = sum(stratum.share.n for stratum in group.strata)
    bad = [_bad(stratum, group) for stratum in group.strata]
    found = []
    for stratum, worse in zip(group.strata, bad, strict=True):
        n = stratum.share.n
        if 0 < n < n_all:
            least = fisher_tail(min(n, sum(bad)), n, sum(bad), n_all)
            p = fisher_tail(worse, n, sum(bad), n_all)
            rest = sum(bad) - worse, n_all - n
            found.append(
                (
                    least,
                    Hidden(group.what, stratum.dimension, stratum.value, worse, n, *rest, p),
                )
            )
    return found


def _able(least: Sequence[float], level: float) -> int:
    """By how many tests to correct: the smallest k of which at most k could reach level / k."""
    k = 1
    while sum(p <= level / k for p in least) > k:
        k += 1
    return k


def _bad(stratum: Stratum, group: Compared) -> int:
    share = stratum.share
    return share.events if group.flagged_is_bad else share.n - share.events


def _choose(n: int, k: np.ndarray | np.float64) -> np.ndarray:
    """Logarithm of the binomial coefficient; minus infinity where it is 0."""
    inside = np.clip(k, 0, n)
    logs = gammaln(n + 1) - gammaln(inside + 1) - gammaln(n - inside + 1)
    return np.where((k < 0) | (k > n), -np.inf, logs)
