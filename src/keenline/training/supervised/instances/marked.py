"""Labelled samples turned into views in which each defect is known on its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from keenline.annotation import BoxShape
from keenline.data.rasterise import mask_of
from keenline.data.reading import probe, read_mask
from keenline.training.good_parts import framed_roi
from keenline.training.supervised.labelled_views import LabelledView, LabelledViews
from keenline.types import Mask, Sample

_FEWEST_PIXELS = 4
"""A piece of a mask smaller than this is a speck, unless nothing else is marked."""

_GAP = 2
"""Pixels: pieces of a mask this close on both sides are one defect."""

_SHOWN = 0.25
"""Share of a defect that a tile or a crop must show for it to count as one."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One defect in one view."""

    number: int
    """1 + the place of its class."""
    box: tuple[int, int, int, int]
    """left, top, right, bottom in pixels of the view; right and bottom are outside."""
    mask: Mask | None
    """(bottom - top, right - left); None where only a box was drawn."""


@dataclass(frozen=True, slots=True)
class InstanceView(LabelledView):
    """One view of a sample."""

    instances: tuple[Instance, ...] = ()


class InstanceViews(LabelledViews):
    """As `LabelledViews`; every view is an `InstanceView`.

    A mark is a defect. Of a mask file each connected piece is one.
    """

    def instances(self) -> Iterator[tuple[InstanceView, Instance]]:
        """Every one, with the view it is in. Raises ImageError when a file has gone."""
        for known in self.known:
            view = self.view(known)
            assert isinstance(view, InstanceView)
            for instance in view.instances:
                yield view, instance

    def _read(self, sample: Sample) -> list[LabelledView]:
        views = super()._read(sample)
        found: list[list[Instance]] = [[] for _ in views]
        if not sample.is_good:
            facts = probe(sample.image)
            for name, mask, outlined in _marked(sample, (facts.width, facts.height)):
                inside = framed_roi(mask, self._framing)
                most = int(inside.sum(axis=(1, 2)).max())
                for here, instances in zip(inside, found, strict=True):
                    if here.any() and here.sum() >= _SHOWN * most:
                        number = 1 + self._classes.index(name)
                        instances.append(_instance(number, here, outlined))
        return [
            InstanceView(view.pixels, view.numbers, tuple(instances))
            for view, instances in zip(views, found, strict=True)
        ]


def clipped(instance: Instance, left: int, top: int, right: int, bottom: int) -> Instance | None:
    """What a crop shows of it, in the crop's pixels; None when that is too little to be one."""
    box = instance.box
    x0, y0, x1, y1 = max(left, box[0]), max(top, box[1]), min(right, box[2]), min(bottom, box[3])
    if x0 >= x1 or y0 >= y1:
        return None
    if instance.mask is None:
        whole, shown = (box[2] - box[0]) * (box[3] - box[1]), (x1 - x0) * (y1 - y0)
        around = (x0 - left, y0 - top, x1 - left, y1 - top)
        return Instance(instance.number, around, None) if shown >= _SHOWN * whole else None
    part = instance.mask[y0 - box[1] : y1 - box[1], x0 - box[0] : x1 - box[0]]
    if not part.any() or part.sum() < _SHOWN * instance.mask.sum():
        return None
    rows, columns = np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0))
    tight = part[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    x0, y0 = x0 - left + int(columns[0]), y0 - top + int(rows[0])
    return Instance(instance.number, (x0, y0, x0 + tight.shape[1], y0 + tight.shape[0]), tight)


def _marked(sample: Sample, size: tuple[int, int]) -> Iterator[tuple[str, Mask, bool]]:
    """Class, pixels of the image and whether they are its outline, of each defect."""
    for mark in sample.marks:
        if mark.shape is not None:
            yield mark.class_name, mask_of(mark.shape, size), not isinstance(mark.shape, BoxShape)
    if not sample.marks and sample.mask is not None:
        for piece in _pieces(read_mask(Path(sample.mask), size)):
            yield sample.label, piece, True


def _pieces(mask: Mask) -> Iterator[Mask]:
    near = ndimage.binary_dilation(mask, iterations=_GAP)
    numbers, count = ndimage.label(near, structure=np.ones((3, 3)))
    numbers = numbers * mask
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)[1:]
    for number in range(1, count + 1):
        if sizes[number - 1] >= min(_FEWEST_PIXELS, sizes.max()):
            yield numbers == number


def _instance(number: int, inside: NDArray[np.bool_], outlined: bool) -> Instance:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    mask = inside[top:bottom, left:right].copy() if outlined else None
    return Instance(number, (int(left), int(top), int(right), int(bottom)), mask)
