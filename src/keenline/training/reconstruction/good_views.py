"""Views of good parts turned into the crops of each epoch and the whole views of validation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keenline.models.base import LearningSet
from keenline.training.supervised.labelled_views import Known, LabelledView

_GOOD: frozenset[int] = frozenset()


class GoodViews:
    """Views of some parts of a learning set, by number; nothing in them is a defect."""

    def __init__(self, good: LearningSet, parts: Sequence[int]) -> None:
        self._good, self.lighting = good, good.lighting
        self.known = [
            Known(part, view, _GOOD) for part in parts for view in range(len(good.parts[part]))
        ]

    def view(self, known: Known) -> LabelledView:
        """As the network sees it; raises ImageError when the file has gone since it was read."""
        seen = self.as_read(known)
        return LabelledView(self.lighting.picture(seen.pixels), seen.numbers)

    def as_read(self, known: Known) -> LabelledView:
        """Before the light is taken out of it."""
        pixels = self._good.parts[known.sample][known.view]
        return LabelledView(pixels, np.zeros(pixels.shape[:2], np.uint8))


def crop_for(views: GoodViews, wanted: int, multiple: int) -> int:
    """Side of a crop in pixels: a multiple of the network's, no more than a view needs."""
    sides = [max(views.view(known).numbers.shape) for known in views.known[:_LOOKED_AT]]
    largest = -(-max(sides) // multiple) * multiple
    side: int = max(multiple, min(wanted // multiple * multiple, largest))
    return side


_LOOKED_AT = 50


def held_out(groups: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Which parts are left out of learning, (parts,): about a fifth of the groups, whole ones.

    At least `_FEWEST`, as long as as many are left: what is normal is known from them alone.
    """
    names = np.unique(groups)
    number = max(round(len(names) / 5), min(_FEWEST, len(names) // 2))
    chosen = np.random.default_rng(seed).permutation(names)[:number]
    return np.isin(groups, chosen)


_FEWEST = 8
