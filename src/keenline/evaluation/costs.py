"""Turns costs, prevalence and scores into the thresholds and review band of least expected cost.

The expected cost of a part is the sum over its kinds (good, and each class) of how often the kind
is made, times the mean cost of what becomes of it: a passed defect costs its class's miss, a
rejected good part a false alarm, any reviewed part a review; who reviews is taken to be right.
This is the rule of least Bayes risk with a reject option (Chow, IEEE Trans. Information Theory 16,
1970), over thresholds instead of posteriors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from keenline.evaluation.scored import PASS, REJECT, REVIEW, Cut, ScoredParts
from keenline.recipe import Recipe
from keenline.types import GOOD

Mode: TypeAlias = Literal["flag", "reject", "band"]
"""What a score may do: only ask for a review; only reject; or either, with a band between."""

_SAME = 1e-12  # two costs that differ by less, relative to the largest, are one


@dataclass(frozen=True, slots=True)
class CostMatrix:
    """What each outcome costs, in one unit, and how often each class is made."""

    miss: Mapping[str, float]
    """By class: a defective part that passed."""
    false_alarm: float = 1.0
    """A good part that was rejected."""
    review: float = 0.2
    """A part that a person looked at."""
    prevalence: Mapping[str, float] | None = None
    """By class: its share of the parts on the line, 0..1. A class that is not named has its share
    of the labelled parts."""
    other_miss: float = 100.0
    """Of a class that `miss` does not name."""

    @classmethod
    def of(cls, recipe: Recipe) -> CostMatrix:
        """What a recipe says."""
        return cls(
            miss={defect.name: defect.miss_cost for defect in recipe.classes},
            false_alarm=recipe.costs.false_alarm,
            review=recipe.costs.review,
            prevalence={
                defect.name: defect.prevalence
                for defect in recipe.classes
                if defect.prevalence is not None
            },
        )

    def miss_of(self, name: str) -> float:
        """Cost of one missed part of a class."""
        return self.miss.get(name, self.other_miss)

    def shares(self, counts: Mapping[str, int]) -> dict[str, float]:
        """How often each kind is made, by label; good ones are the rest. They add up to 1.

        `counts`: labelled parts by label. Raises ValueError when the classes add up to more than 1.
        """
        total = sum(counts.values())
        said = self.prevalence or {}
        shares = {
            name: said.get(name, n / total if total else 0.0)
            for name, n in counts.items()
            if name != GOOD
        }
        defective = sum(shares.values())
        if defective > 1:
            raise ValueError(f"the classes make up {defective:.4g} of the parts, more than all")
        return {GOOD: 1 - defective} | shares

    def table(self, parts: ScoredParts) -> NDArray[np.float64]:
        """Expected cost of each labelled part at each verdict, (parts, 3): its share of the line
        times its cost. A part that nobody labelled costs nothing anywhere."""
        counts = parts.counts()
        table = np.zeros((parts.kind.size, 3))
        for label, share in self.shares(counts).items():
            if counts[label]:
                good = label == GOOD
                row = np.zeros(3)
                row[PASS] = 0.0 if good else self.miss_of(label)
                row[REVIEW] = self.review
                row[REJECT] = self.false_alarm if good else 0.0
                table[parts.of(label)] = row * share / counts[label]
        return table


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The expected cost of every way to cut one score; thresholds within a step cost the same."""

    values: NDArray[np.float64]
    """(steps,) ascending: step j holds thresholds from values[j] to just below values[j + 1]."""
    passing: NDArray[np.float64]
    """(steps,): what letting pass costs more than a review, over the parts up to step j."""
    rejecting: NDArray[np.float64]
    """(steps,): reviews up to step j and rejects above it."""
    reviewing: float
    """Reviews of all."""

    @classmethod
    def of(
        cls, scores: NDArray[np.float64], table: NDArray[np.float64], floor: float = 0.0
    ) -> Steps:
        """Steps of scores (parts,) whose parts cost `table` (parts, 3); no threshold below
        `floor`, so that step 0 begins there and scores of `floor` or less always pass."""
        return cls.over(*placed(scores, floor), table)

    @classmethod
    def over(
        cls,
        values: NDArray[np.float64],
        place: NDArray[np.int64],
        table: NDArray[np.float64],
    ) -> Steps:
        """The same from `placed`, which is worth keeping where one score meets many tables."""
        sums = np.stack([np.bincount(place, column, values.size) for column in table.T], axis=1)
        passing, review, reject = np.cumsum(sums, axis=0).T
        total = sums.sum(axis=0)
        return cls(
            values, passing - review, review + (total[REJECT] - reject), float(total[REVIEW])
        )

    def cost(self, mode: Mode) -> NDArray[np.float64]:
        """Least expected cost with the lower threshold in each step, (steps,)."""
        if mode == "flag":
            return self.passing + self.reviewing
        if mode == "reject":
            return self.passing + self.rejecting
        above = np.minimum.accumulate(self.rejecting[::-1])[::-1]
        return self.passing + above

    def upper(self, step: int, mode: Mode) -> int:
        """The step of the upper threshold that goes with a lower one in `step`."""
        if mode == "reject":
            return step
        return step + _least(self.rejecting[step:])


def best_cut(
    steps: Steps,
    mode: Mode,
    *,
    least: float = -np.inf,
    most: float = np.inf,
    ceiling: float = np.inf,
) -> tuple[Cut, float] | None:
    """The cut of least expected cost with `least` <= low <= `most`, and that cost.

    Of equal costs the lowest threshold is taken, which misses least. In a step the middle is taken,
    so that a new score as near as the old ones falls on the same side. `ceiling`: the highest
    score there can be. None when no threshold lies between `least` and `most`.
    """
    floor = np.maximum(steps.values, least)
    roof = np.append(np.nextafter(steps.values[1:], -np.inf), ceiling)
    roof = np.minimum(roof, most)
    allowed = floor <= roof
    if not allowed.any():
        return None
    costs = np.where(allowed, steps.cost(mode), np.inf)
    step = _least(costs)
    low = _inside(float(floor[step]), float(roof[step]), steps, step, ceiling)
    cost = float(costs[step])
    if mode == "flag":
        return Cut(low, np.inf), cost
    upper = steps.upper(step, mode)
    if upper == step:
        return Cut(low, low), cost
    if upper + 1 == steps.values.size:
        return Cut(low, np.inf), cost
    edges = steps.values[upper : upper + 2]
    high = _inside(float(edges[0]), float(np.nextafter(edges[1], -np.inf)), steps, upper, ceiling)
    return Cut(low, max(low, high)), cost


def placed(
    scores: NDArray[np.float64], floor: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Where steps begin, (steps,), and in which step each score lies, (parts,)."""
    values, place = np.unique(np.maximum(scores, floor), return_inverse=True)
    if values.size == 0 or values[0] > floor:
        values, place = np.concatenate([[floor], values]), place + 1
    return values, place


def expected_cost(table: NDArray[np.float64], verdicts: NDArray[np.int64]) -> float:
    """Expected cost of a part of the line, from `CostMatrix.table` and verdicts (parts,)."""
    return float(table[np.arange(verdicts.size), verdicts].sum())


def _inside(low: float, high: float, steps: Steps, step: int, ceiling: float) -> float:
    """The middle of a step; in the last one its beginning, above which nothing was seen."""
    if step + 1 == steps.values.size:
        return min(low, ceiling)
    return low + (high - low) / 2


def _least(costs: NDArray[np.float64]) -> int:
    """The first of the least, where sums in another order may differ in the last digits."""
    finite = np.abs(costs[np.isfinite(costs)])
    slack = _SAME * float(finite.max(initial=0.0))
    return int(np.argmax(costs <= costs.min() + slack))
