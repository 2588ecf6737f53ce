"""Turns sizes of defects into a few bands to compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

UNKNOWN = "unknown"
_FEWEST = 6
"""Sizes from which on there are bands: below, a third would hold one part."""


@dataclass(frozen=True, slots=True)
class Bands:
    """Small, middle and large, by the thirds of the sizes themselves."""

    edges: tuple[float, ...]
    """Ascending; a size equal to an edge belongs below it. Empty: one band."""
    unit: str

    @classmethod
    def of(cls, sizes: Sequence[float], unit: str) -> Bands:
        """Bands with about a third of the sizes each; none when there are few or all are alike.

        They follow from the sizes alone, never from what was found.
        """
        if len(sizes) < _FEWEST:
            return cls((), unit)
        cuts = np.quantile(np.asarray(sizes, np.float64), (1 / 3, 2 / 3))
        rounded = sorted({float(f"{cut:.3g}") for cut in cuts})
        return cls(tuple(edge for edge in rounded if min(sizes) <= edge < max(sizes)), unit)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the bands, smallest first, and of what has no size; empty when there are no bands."""
        if not self.edges:
            return ()
        first, last = self.edges[0], self.edges[-1]
        middle = [f"{a:g} to {b:g} {self.unit}" for a, b in pairwise(self.edges)]
        return (f"to {first:g} {self.unit}", *middle, f"above {last:g} {self.unit}", UNKNOWN)

    def band(self, size: float | None) -> str:
        """The name of the band of a size; `UNKNOWN` for None."""
        if size is None or not self.edges:
            return UNKNOWN
        return self.names[int(np.searchsorted(self.edges, size, "left"))]
