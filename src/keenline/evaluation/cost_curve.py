"""Turns scored parts and cuts into the expected cost over every threshold of one score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keenline.evaluation.choosing import Limits
from keenline.evaluation.costs import CostMatrix, Mode, Steps
from keenline.evaluation.scored import Cut, ScoredParts


@dataclass(frozen=True, slots=True, eq=False)
class CostCurve:
    """What a part of the line costs with one score's threshold anywhere, the others as chosen."""

    name: str
    mode: Mode
    thresholds: NDArray[np.float64]
    """(steps,) ascending: the cost holds from here to the next."""
    costs: NDArray[np.float64]
    """(steps,); of a band, with the best upper edge."""
    now: Cut
    chosen: Cut
    chosen_cost: float
    least: float
    """Below it, false alarms are not proven; minus infinity: no such promise."""
    most: float
    """Above it, escapes are not bounded; infinity: no such promise."""


def cost_curve(
    name: str,
    parts: ScoredParts,
    matrix: CostMatrix,
    mode: Mode,
    *,
    now: Cut,
    cuts: Mapping[str, Cut],
    cost: float,
    limits: Limits,
) -> CostCurve:
    """The curve of score `name` around the chosen `cuts`, which cost `cost`."""
    others = parts.verdicts({other: cut for other, cut in cuts.items() if other != name})
    table, rows = matrix.table(parts), np.arange(parts.kind.size)
    own = np.stack([table[rows, np.maximum(others, verdict)] for verdict in range(3)], axis=1)
    labelled = parts.labelled
    steps = Steps.of(parts.scores[name][labelled], own[labelled])
    return CostCurve(
        name=name,
        mode=mode,
        thresholds=steps.values,
        costs=steps.cost(mode),
        now=now,
        chosen=cuts[name],
        chosen_cost=cost,
        least=limits.least.get(name, -np.inf),
        most=limits.most.get(name, np.inf),
    )
