"""A patch set into an image so that no border shows: by opacity, or by its gradients."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from keenline.types import Mask

Patch = NDArray[np.float32]
"""(height, width, 3), grey levels 0..255."""

LARGEST_SOLVED = 200_000
"""Pixels for which the gradient equations are solved; it takes about a second."""
_NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def by_opacity(target: Patch, source: Patch, region: Mask, soft: float = 1.0) -> Patch:
    """The source where `region` is, fading over about `soft` pixels on either side of its border.

    All arrays are of one height and width.
    """
    opacity = ndimage.gaussian_filter(region.astype(np.float32), soft)[..., None]
    return np.asarray(target + (source - target) * opacity)


def by_gradients(target: Patch, source: Patch, region: Mask) -> Patch:
    """The source's differences between neighbours inside `region`, the target's values around it.

    The discrete Poisson equation with the target as its border (Perez, Gangnet and Blake, Poisson
    image editing, 2003), solved exactly. The outermost pixels of the patch stay the target's. At
    most `LARGEST_SOLVED` pixels may be inside, or ValueError.
    """
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import splu

    inside = region.copy()
    inside[[0, -1]] = False
    inside[:, [0, -1]] = False
    count = int(inside.sum())
    if count > LARGEST_SOLVED:
        raise ValueError(f"{count} pixels are too many to solve for")
    result = target.copy()
    if not count:
        return result
    number = np.full(inside.shape, -1)
    number[inside] = np.arange(count)
    rows, columns = np.nonzero(inside)
    right = np.zeros((count, 3))
    entries = [(np.arange(count), np.arange(count), np.full(count, 4.0))]
    for down, across in _NEIGHBOURS:
        near = (rows + down, columns + across)
        right += source[rows, columns].astype(np.float64) - source[near]
        other = number[near]
        known = other < 0
        right[known] += target[near][known]
        places = np.flatnonzero(~known)
        entries.append((places, other[places], np.full(len(places), -1.0)))
    row, column, value = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    matrix = csc_matrix((value, (row, column)), shape=(count, count))
    result[rows, columns] = splu(matrix).solve(right)
    return result
