"""What a graph reached in float32 and in int8, class by class, turned into whether int8 is as good.

The rule is one for every model: of no class may recall, false alarms on good parts or pixel F1 be
worse by more than `LARGEST_LOSS`. A share of parts cannot move by less than one part, so below a
hundred parts not one may be lost, and not one good part more may be taken for a defect.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

LARGEST_LOSS = 0.01
"""Of recall, false alarms or pixel F1 of any class, by which int8 may be worse than float32."""

_ROUNDING = 1e-9
"""One of a hundred is 0.01, also where the difference of two fractions says a little more."""


@dataclass(frozen=True, slots=True)
class Reached:
    """By one graph on parts left out, for one class."""

    found: int
    """Parts with the class that are found."""
    tried: int
    """Parts with the class."""
    alarms: int
    """Good parts taken for it."""
    good: int
    """Good parts."""
    pixel_f1: float
    """Of defective pixels of the images that show the class; NaN where none is compared."""

    @property
    def recall(self) -> float:
        """0..1; 0 where no part was tried."""
        return self.found / max(1, self.tried)

    @property
    def false_alarms(self) -> float:
        """0..1; 0 where no part is good."""
        return self.alarms / max(1, self.good)


def worse(before: Mapping[str, Reached], after: Mapping[str, Reached]) -> str:
    """In which way `after` is worse than `before` by more than allowed; empty when in none.

    Both by name of class, of the same parts.
    """
    most = LARGEST_LOSS + _ROUNDING
    for name, first in before.items():
        then = after[name]
        if first.recall - then.recall > most:
            return f"{name} is found less often, {then.found} of {then.tried} and not {first.found}"
        if then.false_alarms - first.false_alarms > most:
            return f"good parts are taken for {name} more often, {then.alarms} of {then.good}"
        lost = first.pixel_f1 - then.pixel_f1
        if lost > most:  # not so where one is NaN
            return f"pixel F1 of {name} is lower by {lost:.3f}"
    return ""
