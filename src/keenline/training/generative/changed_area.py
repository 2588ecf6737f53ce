"""A good surface and what a network made of it turned into the area that was changed, if it is one.

A network of this kind gives no mask. What it made is of use only where one compact place became
different and the rest stayed: then that place is the defect.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from scipy import ndimage

from keenline.types import Image, Mask

LEAST_CHANGE = 10.0
"""Grey levels from which on a change is no noise."""
SPREADS = 5.0
"""The same in robust spreads of the change over the crop: what is unusual within it."""
LARGEST = 0.35
"""Of the crop: more is another surface, not a defect."""
SMALLEST = 12
"""Pixels."""
COMPACT = 0.7
"""Share of the changed pixels that the largest piece must hold."""
_BORDER = 3
"""Pixels of the border that stay free, so that the whole of it is seen."""
_BRIDGED = 2
"""Pixels by which pieces may be apart and still be one."""


class Unusable(StrEnum):
    """Why a change is no defect."""

    UNCHANGED = "hardly changed"
    EVERYWHERE = "changed everywhere"
    SCATTERED = "changed in several places"
    AT_BORDER = "changed at the border"


def changed_area(before: Image, after: Image) -> Mask | Unusable:
    """The changed place of a crop, (side, side), or why there is none.

    A change of all of it in the same way, as of brightness, is taken off first.
    """
    change = after.astype(np.float64) - before
    change -= np.median(change, axis=(0, 1))
    strength = ndimage.gaussian_filter(np.abs(change).max(axis=2), 1.0)
    middle = float(np.median(strength))
    # 1.4826: from the median distance to the standard deviation of a normal distribution.
    spread = 1.4826 * float(np.median(np.abs(strength - middle)))
    mask = strength > max(LEAST_CHANGE, middle + SPREADS * spread)
    mask = ndimage.binary_opening(mask, np.ones((2, 2)))
    if mask.sum() < SMALLEST:
        return Unusable.UNCHANGED
    if mask.mean() > LARGEST:
        return Unusable.EVERYWHERE
    numbers, _ = ndimage.label(ndimage.binary_dilation(mask, iterations=_BRIDGED))
    sizes = np.bincount(numbers[mask])
    largest = int(sizes.argmax())
    if sizes[largest] < COMPACT * mask.sum():
        return Unusable.SCATTERED
    piece = ndimage.binary_fill_holes(ndimage.binary_closing(mask & (numbers == largest)))
    inner = piece[_BORDER:-_BORDER, _BORDER:-_BORDER]
    if inner.sum() < piece.sum():
        return Unusable.AT_BORDER
    return np.asarray(piece)
