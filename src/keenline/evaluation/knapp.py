"""How people and the machine judged the same units turned into who rejects bad units more surely.

Knapp and Kushner, Generalized methodology for evaluation of parenteral inspection procedures,
J. Parenteral Drug Assoc. 34, 1980: each unit is looked at many times; the share of views that
reject it is its probability of rejection. Units that people reject in 70 % of their views or more
form the reject zone, and the mean probability there is the efficiency. A machine that takes over
must be at least as efficient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

VIEWS = 30
"""Views of each unit that are usual."""

REJECT_ZONE = 0.7


@dataclass(frozen=True, slots=True)
class Human:
    """How people judged one unit."""

    unit: str
    rejected: int
    views: int

    @property
    def probability(self) -> float:
        """Of rejection, 0..1."""
        return self.rejected / self.views


@dataclass(frozen=True, slots=True)
class Knapp:
    """Who is how efficient, over the units of the reject zone."""

    units: int
    """In the reject zone."""
    human: float | None
    """Efficiency, 0..1; None without a unit in the zone."""
    machine: float | None
    weaker: tuple[str, ...]
    """Units of the zone that the machine rejects less often than people do."""

    @property
    def holds(self) -> bool:
        """Whether the machine is at least as efficient; False without a unit in the zone."""
        if self.human is None or self.machine is None:
            return False
        return self.machine >= self.human - 1e-12  # sums of the same shares in another order


def knapp(
    humans: Sequence[Human], machine: Mapping[str, Sequence[bool]], zone: float = REJECT_ZONE
) -> Knapp:
    """Compare over the units of the reject zone.

    machine: by unit, whether each of its views was not passed. Raises KeyError for a unit of the
    zone that the machine never saw, ValueError for one without a view.
    """
    inside = [each for each in humans if each.probability >= zone]
    if not inside:
        return Knapp(0, None, None, ())
    shares = {each.unit: _share(machine[each.unit], each.unit) for each in inside}
    return Knapp(
        units=len(inside),
        human=sum(each.probability for each in inside) / len(inside),
        machine=sum(shares.values()) / len(inside),
        weaker=tuple(each.unit for each in inside if shares[each.unit] < each.probability),
    )


def _share(views: Sequence[bool], unit: str) -> float:
    if not views:
        raise ValueError(f"the machine has no view of {unit}")
    return sum(views) / len(views)
