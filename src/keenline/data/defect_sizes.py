"""A labelled sample turned into its single defects, each with its class, pixels and size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from keenline.data.rasterise import mask_of
from keenline.data.reading import read_mask
from keenline.types import Mask, Sample

_EIGHT_CONNECTED = np.ones((3, 3), bool)


class SizeMeasure(StrEnum):
    """What the size of a defect is."""

    LENGTH = "length"
    """The largest distance between two of its points (Feret diameter)."""
    DIAMETER = "diameter"
    """Of the circle of the same area."""


@dataclass(frozen=True, slots=True)
class Defect:
    """One defect on one image."""

    class_name: str
    mask: Mask
    """Its pixels, in the whole image."""

    def size(self, measure: SizeMeasure = SizeMeasure.LENGTH) -> float:
        """Size in pixels."""
        return length(self.mask) if measure is SizeMeasure.LENGTH else diameter(self.mask)


def defects_of(sample: Sample, size: tuple[int, int], *, join: int = 0) -> list[Defect]:
    """Each defect somebody marked; `size`: (width, height) of the image.

    One mark is one defect. A mask file is taken apart into connected places; places with a gap of
    at most `join` pixels are one defect. A class said of the whole image is none: it has no size.
    Raises ImageError when the mask file cannot be read.
    """
    if sample.marks:
        drawn = [
            Defect(mark.class_name, mask_of(mark.shape, size))
            for mark in sample.marks
            if mark.shape is not None
        ]
        return [defect for defect in drawn if defect.mask.any()]
    if sample.mask is None or sample.is_good:
        return []
    whole = read_mask(Path(sample.mask), size)
    return [Defect(sample.label, place) for place in separate(whole, join)]


def separate(mask: Mask, join: int = 0) -> list[Mask]:
    """The connected places of a mask, diagonal neighbours included, those near each other as one.

    join: the widest gap, in pixels along a row, a column or a diagonal, that does not separate.
    """
    grown = ndimage.binary_dilation(mask, np.ones((join + 1, join + 1), bool)) if join else mask
    labels, count = ndimage.label(grown, _EIGHT_CONNECTED)
    return [mask & (labels == number) for number in range(1, count + 1)]


def length(mask: Mask) -> float:
    """The largest distance between two points of the pixels, corners included; 0 without one.

    A single pixel has the length of its diagonal, 1.41.
    """
    corners = _outline(mask)
    if not len(corners):
        return 0.0
    from scipy.spatial import ConvexHull

    hull = corners[ConvexHull(corners).vertices]
    apart = hull[:, None, :] - hull[None, :, :]
    return float(np.sqrt((apart**2).sum(axis=2)).max())


def diameter(mask: Mask) -> float:
    """Of the circle with as many pixels."""
    return 2 * math.sqrt(float(mask.sum()) / math.pi)


def _outline(mask: Mask) -> NDArray[np.float64]:
    """Corners of the first and the last pixel of each row, (n, 2): all that a hull can touch."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return np.zeros((0, 2))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    columns = np.concatenate([first, first, last, last])
    lines = np.concatenate([rows, rows + 1, rows, rows + 1])
    return np.column_stack([columns, lines]).astype(np.float64)
