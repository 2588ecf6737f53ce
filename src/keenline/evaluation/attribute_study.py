"""Calls of several appraisers on the same parts, several times each, turned into how far they can
be relied on: an attribute agreement study (AIAG, Measurement Systems Analysis, 4th ed. 2010,
chapter III section C).

Each appraiser says accept or reject of each part in each trial; the reference says what is true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import TypeAlias

from keenline.evaluation.intervals import wilson
from keenline.evaluation.kappa import Kappa, cohen, fleiss

Calls: TypeAlias = Mapping[str, Sequence[bool]]
"""Of one appraiser: by part, whether each trial accepted it."""


class Rating(StrEnum):
    """What AIAG says of an appraiser."""

    ACCEPTABLE = "acceptable"
    MARGINAL = "marginal"
    UNACCEPTABLE = "unacceptable"


_WORST_LAST = tuple(Rating)
_GOOD_KAPPA = 0.75
_PREFERRED_KAPPA = 0.9
"""AIAG calls agreement above 0.75 good to excellent; 0.9 is what is preferred."""


@dataclass(frozen=True, slots=True)
class Share:
    """How often, with a two-sided 95 % Wilson interval."""

    events: int
    n: int
    value: float | None
    """0..1; None when n is 0."""
    lower95: float
    upper95: float
    rating: Rating | None = None
    """By the limits of AIAG, of `value`; None without any, or without a limit."""

    @classmethod
    def of(cls, events: int, n: int, limits: tuple[float, float] | None = None) -> Share:
        """`limits`: up to which it is acceptable and marginal; descending: from which."""
        low, high = wilson(events, n)
        value = events / n if n else None
        rating = None if value is None or limits is None else _rating(value, limits)
        return cls(events, n, value, low, high, rating)


EFFECTIVENESS = (0.90, 0.80)
MISS = (0.02, 0.05)
FALSE_ALARM = (0.05, 0.10)
"""Acceptable and marginal limits (AIAG MSA, 4th ed., table of effectiveness criteria)."""


@dataclass(frozen=True, slots=True)
class Appraiser:
    """One appraiser's record."""

    name: str
    parts: int
    trials: int
    within: Share
    """Parts of which every trial says the same."""
    within_kappa: Kappa
    """Fleiss' kappa of the trials."""
    effectiveness: Share
    """Parts of which every trial says what the reference says."""
    miss: Share
    """Trials that accept a part to be rejected."""
    false_alarm: Share
    """Trials that reject a part to be accepted."""
    against_reference: Kappa
    """Cohen's kappa of all trials with the reference."""
    table: tuple[tuple[int, int], tuple[int, int]]
    """Trials: rows appraiser, columns reference; reject first."""

    @property
    def rating(self) -> Rating:
        """The worst of the three."""
        ratings = [share.rating for share in (self.effectiveness, self.miss, self.false_alarm)]
        return max((each for each in ratings if each is not None), key=_WORST_LAST.index)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two appraisers, trial by trial."""

    names: tuple[str, str]
    kappa: Kappa
    table: tuple[tuple[int, int], tuple[int, int]]
    """Trials: rows the first, columns the second; reject first."""


@dataclass(frozen=True, slots=True)
class AttributeStudy:
    """What a study says."""

    parts: int
    appraisers: tuple[Appraiser, ...]
    pairs: tuple[Pair, ...]
    fleiss: Kappa | None
    """Of all trials of all appraisers; None for one appraiser."""
    system: Share
    """Parts of which every trial of every appraiser says the same."""
    system_right: Share
    """Parts of which they all say what the reference says."""


def attribute_study(calls: Mapping[str, Calls], reference: Mapping[str, bool]) -> AttributeStudy:
    """Judge appraisers; `reference`: of each part, whether it is to be accepted.

    Only parts that an appraiser judged as often as any other part count for them; pairs and the
    whole only where everybody concerned did. Kappa between two compares the same trial of both, as
    AIAG does; across all it is Fleiss' over all trials of a part. Raises ValueError without a call,
    for a part that the reference has not, or where appraisers differ in the number of trials.
    """
    full = {name: _complete(each) for name, each in calls.items()}
    full = {name: each for name, each in full.items() if each}
    if not full or any(part not in reference for each in full.values() for part in each):
        raise ValueError("there must be calls, and a reference of each part")
    counts = {len(next(iter(each.values()))) for each in full.values()}
    if len(counts) > 1:
        raise ValueError("every appraiser must have judged the parts equally often")
    shared = sorted(set.intersection(*(set(each) for each in full.values())))
    everybody = [[call for each in full.values() for call in each[part]] for part in shared]
    same = [len(set(row)) == 1 for row in everybody]
    right = [
        alike and row[0] == reference[part]
        for alike, row, part in zip(same, everybody, shared, strict=True)
    ]
    return AttributeStudy(
        parts=len(shared),
        appraisers=tuple(_appraiser(name, each, reference) for name, each in full.items()),
        pairs=tuple(
            _pair(first, second, full[first], full[second])
            for first, second in combinations(full, 2)
        ),
        fleiss=fleiss(_ratings(everybody)) if len(full) > 1 else None,
        system=Share.of(sum(same), len(shared)),
        system_right=Share.of(sum(right), len(shared)),
    )


def words_of(kappa: Kappa) -> str:
    """What a kappa says, by AIAG."""
    if kappa.value is None:
        return "undefined: everybody always said the same"
    if kappa.value >= _PREFERRED_KAPPA:
        return "good, as preferred"
    if kappa.value >= _GOOD_KAPPA:
        return "good"
    return "poor" if kappa.value < 0.4 else "below good"


def _appraiser(name: str, calls: Calls, reference: Mapping[str, bool]) -> Appraiser:
    pairs = [(call, reference[part]) for part, said in calls.items() for call in said]
    table = _table(pairs)
    (_, alarms), (misses, _) = table
    bad, good = (sum(row[column] for row in table) for column in (0, 1))
    same = sum(len(set(said)) == 1 for said in calls.values())
    right = sum(all(call == reference[part] for call in said) for part, said in calls.items())
    return Appraiser(
        name=name,
        parts=len(calls),
        trials=len(next(iter(calls.values()))),
        within=Share.of(same, len(calls)),
        within_kappa=fleiss(_ratings(list(calls.values()))),
        effectiveness=Share.of(right, len(calls), EFFECTIVENESS),
        miss=Share.of(misses, bad, MISS),
        false_alarm=Share.of(alarms, good, FALSE_ALARM),
        against_reference=cohen(table),
        table=table,
    )


def _pair(first: str, second: str, mine: Calls, other: Calls) -> Pair:
    both = [
        pair for part in mine if part in other for pair in zip(mine[part], other[part], strict=True)
    ]
    table = _table(both)
    return Pair((first, second), cohen(table), table)


def _table(pairs: Sequence[tuple[bool, bool]]) -> tuple[tuple[int, int], tuple[int, int]]:
    first, second = (
        tuple(sum(pair == (row, column) for pair in pairs) for column in (False, True))
        for row in (False, True)
    )
    return (first[0], first[1]), (second[0], second[1])


def _complete(calls: Calls) -> Calls:
    most = max((len(said) for said in calls.values()), default=0)
    return {part: tuple(said) for part, said in calls.items() if len(said) == most > 0}


def _ratings(calls: Sequence[Sequence[bool]]) -> list[tuple[int, int]]:
    """How many reject and accept each part, as `fleiss` wants it."""
    return [(len(said) - sum(said), sum(said)) for said in calls]


def _rating(value: float, limits: tuple[float, float]) -> Rating:
    acceptable, marginal = limits
    if acceptable > marginal:  # more is better
        value, acceptable, marginal = -value, -acceptable, -marginal
    if value <= acceptable:
        return Rating.ACCEPTABLE
    return Rating.MARGINAL if value <= marginal else Rating.UNACCEPTABLE
