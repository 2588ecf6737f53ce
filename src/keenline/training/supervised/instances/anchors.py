"""Boxes of a training set turned into the sizes and shapes that a detector begins from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ENDS = (0.05, 0.95)
"""Quantiles of the sides between which sizes are laid."""

_STEP = 1.6
"""Largest factor from one size to the next: neighbours still overlap a box between them by more
than 0.7 (Ren et al., Faster R-CNN, 2015, take 0.7 for a hit)."""

_MOST = 3
"""Sizes at most for one level."""

_LONG = (0.5, 0.9)
"""Quantiles of how long a box is, which become shapes beside the square."""


@dataclass(frozen=True, slots=True)
class Anchors:
    """As torchvision's AnchorGenerator takes them."""

    sizes: tuple[tuple[float, ...], ...]
    """Of each level, finest first: sides of a square of equal area, pixels."""
    ratios: tuple[float, ...]
    """Height over width; the same for every level."""


def anchors_for(boxes: NDArray[np.float32], levels: int) -> Anchors:
    """boxes: (number, 4), left, top, right, bottom in pixels of a view; one at least."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).T.astype(np.float64)
    low, high = np.quantile(np.sqrt(width * height), _ENDS)
    low, high = min(low, high / _STEP), max(high, low * _STEP)
    steps = int(np.ceil(np.log(high / low) / np.log(_STEP))) + 1
    each = min(_MOST, -(-steps // levels))
    sizes = np.geomspace(low, high, each * levels).reshape(levels, each)
    longer = np.quantile(np.maximum(height / width, width / height), _LONG)
    shapes = sorted({round(float(ratio), 2) for ratio in longer if ratio > 1.25})
    ratios = (*(1 / ratio for ratio in reversed(shapes)), 1.0, *shapes)
    return Anchors(tuple(tuple(round(float(s), 2) for s in level) for level in sizes), ratios)
