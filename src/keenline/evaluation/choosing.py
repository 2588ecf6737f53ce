"""Turns scored parts, costs and promises into the cuts of least expected cost that keep them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from keenline.errors import Code, DatasetError
from keenline.evaluation.costs import CostMatrix, Mode, Steps, best_cut, expected_cost, placed
from keenline.evaluation.intervals import CONFIDENCE, parts_needed
from keenline.evaluation.operating_point import guaranteed_threshold
from keenline.evaluation.risk_control import (
    Ladder,
    Promise,
    defects_needed,
    escape_limit,
    misses_tolerated,
)
from keenline.evaluation.scored import Cut, Fates, ScoredParts, fates
from keenline.types import ANOMALY, GOOD

_ROUNDS = 12
_CLASS_CEILING = 1.0


@dataclass(frozen=True, slots=True)
class Promises:
    """What must hold besides the least cost; None: nothing."""

    escapes: float | None = None
    """Of each class, the share that may pass, 0..1."""
    escape_promise: Promise = "expected"
    false_alarms: float | None = None
    """Of good parts, the share that may be reviewed or rejected, 0..1; proven."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Between which thresholds each score may be cut, low ends."""

    least: Mapping[str, float] = field(default_factory=dict)
    """False alarms are not proven below it."""
    most: Mapping[str, float] = field(default_factory=dict)
    """Escapes are not bounded above it."""
    statements: tuple[str, ...] = ()
    """What holds within the limits; one sentence each."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Cuts, what they cost, and what becomes of the parts at hand."""

    cuts: Mapping[str, Cut]
    cost: float
    """Expected, of one part of the line."""
    fates: tuple[Fates, ...]


def judge(parts: ScoredParts, matrix: CostMatrix, cuts: Mapping[str, Cut]) -> Choice:
    """What given cuts cost."""
    verdicts = parts.verdicts(cuts)
    return Choice(dict(cuts), expected_cost(matrix.table(parts), verdicts), fates(parts, verdicts))


def choose(
    parts: ScoredParts,
    matrix: CostMatrix,
    modes: Mapping[str, Mode],
    *,
    limits: Limits | None = None,
    now: Mapping[str, Cut] | None = None,
) -> Choice:
    """The cuts of least expected cost, one for each score in `modes`.

    One score: exactly the least (`best_cut`). Several: each in turn is cut at the least cost that
    the others leave, until no single cut can be bettered, from several beginnings of which `now`
    is one; the cheapest end is taken. That no single change helps does not exclude that two do.
    Raises DatasetError (SCORES_UNUSABLE without labelled parts, THRESHOLD_IMPOSSIBLE when the
    limits leave no threshold).
    """
    held = limits or Limits()
    known = _only(parts, parts.labelled)
    if not known.kind.size:
        raise DatasetError(
            Code.SCORES_UNUSABLE,
            "No part is labelled, so no threshold has a cost",
            next="give the labels with --truth, or the CSV file of keenline evaluate",
        )
    search = _Search(known, matrix.table(known), modes, held)
    ends = [search.descend(begin) for begin in search.beginnings(now or {})]
    best = min(ends, key=search.cost)
    return judge(parts, matrix, best)


def limits_of(parts: ScoredParts, names: Sequence[str], promises: Promises) -> Limits:
    """The limits within which the promises hold for cuts of the scores `names`.

    Escapes: of each class on its own, for the verdict as a whole; the thresholds of all scores are
    bounded together (`Ladder`), and any lower ones keep the promise too. False alarms: of the
    verdict as a whole; each score gets an equal part of the rate and of the doubt, and is held
    above the order statistic that proves it (`guaranteed_threshold`).
    Raises DatasetError (THRESHOLD_IMPOSSIBLE) when there are too few parts or nothing keeps it.
    """
    statements: list[str] = []
    most: dict[str, float] = {}
    if promises.escapes is not None:
        most = _escape_limits(parts, names, promises.escapes, promises.escape_promise, statements)
    least: dict[str, float] = {}
    if promises.false_alarms is not None:
        least = _alarm_limits(parts, names, promises.false_alarms, statements)
    for name in names:
        if name in least and name in most and least[name] > most[name]:
            raise DatasetError(
                Code.THRESHOLD_IMPOSSIBLE,
                "No threshold keeps both promises on these parts",
                where=f"score of {name}",
                expected=f"a threshold of at least {least[name]:.4g} for the false alarms",
                got=f"at most {most[name]:.4g} for the escapes",
                next="promise less of one of them, or teach the model more",
            )
    return Limits(least, most, tuple(statements))


class _Search:
    """Cuts of several scores, improved one at a time."""

    def __init__(
        self,
        parts: ScoredParts,
        table: NDArray[np.float64],
        modes: Mapping[str, Mode],
        limits: Limits,
    ) -> None:
        self._parts, self._table, self._modes, self._limits = parts, table, modes, limits
        self._rows = np.arange(parts.kind.size)
        self._placed = {name: placed(parts.scores[name]) for name in modes}

    def cost(self, cuts: Mapping[str, Cut]) -> float:
        return expected_cost(self._table, self._parts.verdicts(cuts))

    def beginnings(self, now: Mapping[str, Cut]) -> list[dict[str, Cut]]:
        """Nothing flagged; everything as low as may be; each score on its own; as it is now."""
        silent = {name: self._held(name, Cut(np.inf, np.inf)) for name in self._modes}
        loud = {name: self._held(name, Cut(0.0, np.inf)) for name in self._modes}
        alone = {name: self._best(name, {}) for name in self._modes}
        known = {name: self._held(name, now.get(name, silent[name])) for name in self._modes}
        return [known, alone, silent, loud]

    def descend(self, cuts: dict[str, Cut]) -> dict[str, Cut]:
        cost = self.cost(cuts)
        for _ in range(_ROUNDS):
            before = cost
            for name in self._modes:
                others = {other: cut for other, cut in cuts.items() if other != name}
                tried = others | {name: self._best(name, others)}
                reached = self.cost(tried)
                if reached < cost * (1 - 1e-12):
                    cuts, cost = tried, reached
            if cost == before:
                break
        return cuts

    def _best(self, name: str, others: Mapping[str, Cut]) -> Cut:
        """The best cut of one score where the others already say something."""
        others_say = self._parts.verdicts(others)
        table = np.stack(
            [self._table[self._rows, np.maximum(others_say, own)] for own in range(3)], axis=1
        )
        found = best_cut(
            Steps.over(*self._placed[name], table),
            self._modes[name],
            least=self._limits.least.get(name, 0.0),
            most=self._limits.most.get(name, np.inf),
            ceiling=_ceiling(name),
        )
        if found is None:
            raise DatasetError(
                Code.THRESHOLD_IMPOSSIBLE,
                "The limits leave no threshold",
                where=f"score of {name}",
                got=f"at least {self._limits.least.get(name, 0.0):.4g}, "
                f"at most {self._limits.most.get(name, np.inf):.4g}",
            )
        return found[0]

    def _held(self, name: str, cut: Cut) -> Cut:
        """The cut brought between the limits and into its mode."""
        least, most = self._limits.least.get(name, 0.0), self._limits.most.get(name, np.inf)
        low = max(least, min(cut.low, most, self._highest(name)))
        mode = self._modes[name]
        if mode == "flag":
            return Cut(low, np.inf)
        return Cut(low, low if mode == "reject" else max(low, cut.high))

    def _highest(self, name: str) -> float:
        """A threshold above which nothing was seen: no score of these parts exceeds it."""
        return float(self._parts.scores[name].max())


def _escape_limits(
    parts: ScoredParts,
    names: Sequence[str],
    rate: float,
    promise: Promise,
    statements: list[str],
) -> dict[str, float]:
    columns = np.stack([parts.scores[name] for name in names], axis=1)
    good = columns[parts.of(GOOD)]
    if not len(good):
        raise _too_few("good parts", 0, 1, "the promise about escapes")
    ladder = Ladder(good)
    most = np.full(len(names), np.inf)
    if not parts.classes:
        raise _too_few("defects", 0, defects_needed(rate, promise), _words(rate, promise))
    for label in parts.classes:
        scores = columns[parts.of(label)]
        tolerated = misses_tolerated(len(scores), rate, promise)
        if tolerated is None:
            needed = defects_needed(rate, promise)
            raise _too_few(f"parts of {label}", len(scores), needed, _words(rate, promise))
        rung = _highest(ladder, scores, rate, promise)
        if rung is None:
            raise DatasetError(
                Code.THRESHOLD_IMPOSSIBLE,
                f"No threshold finds enough of {label}",
                expected=_words(rate, promise),
                got=f"more than {tolerated} of {len(scores)} parts score as low as the best good "
                "part, by every score",
                next="promise less, or teach the model this class",
            )
        most = np.minimum(most, rung)
        statements.append(
            f"{label}: {_words(rate, promise)}, from {len(scores)} parts of which {tolerated} may "
            "be missed"
        )
    return dict(zip(names, map(float, most), strict=True))


def _highest(
    ladder: Ladder, scores: NDArray[np.float64], rate: float, promise: Promise
) -> NDArray[np.float64] | None:
    """The highest thresholds that keep the promise; of one score, to the last digit."""
    if scores.shape[1] > 1:
        return ladder.highest(scores, rate, promise)
    limit = escape_limit(scores[:, 0], rate, promise)
    return None if limit is None or limit < 0 else np.array([limit])


def _alarm_limits(
    parts: ScoredParts, names: Sequence[str], rate: float, statements: list[str]
) -> dict[str, float]:
    good = parts.of(GOOD)
    share, doubt = rate / len(names), (1 - CONFIDENCE) / len(names)
    least = {}
    for name in names:
        threshold = guaranteed_threshold(parts.scores[name][good], share, 1 - doubt)
        if threshold is None:
            needed = parts_needed(1 - share, 0, 1 - doubt)
            words = f"a false-alarm rate of at most {100 * rate:.4g} % over {len(names)} scores"
            raise _too_few("good parts", int(good.sum()), needed, words)
        least[name] = threshold.value
    statements.append(
        f"false-alarm rate <= {100 * rate:.4g} % at {100 * CONFIDENCE:.4g} % confidence, from "
        f"{int(good.sum())} good parts that were not learnt from"
    )
    return least


def _words(rate: float, promise: Promise) -> str:
    kind = "expected to be" if promise == "expected" else f"at {100 * CONFIDENCE:.4g} % confidence"
    return f"escapes {kind} <= {100 * rate:.4g} %"


def _too_few(what: str, got: int, needed: int, words: str) -> DatasetError:
    return DatasetError(
        Code.THRESHOLD_IMPOSSIBLE,
        f"There are too few {what} for this promise",
        expected=f"{needed} or more for: {words}",
        got=got,
        next="collect them, or promise less",
    )


def _only(parts: ScoredParts, chosen: NDArray[np.bool_]) -> ScoredParts:
    scores = {name: column[chosen] for name, column in parts.scores.items()}
    return ScoredParts(scores, parts.kind[chosen], parts.classes)


def _ceiling(name: str) -> float:
    return np.inf if name == ANOMALY else _CLASS_CEILING
