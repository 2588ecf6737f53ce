"""Labelled samples turned into embedding cells with the class that covers each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keenline.data.class_masks import class_masks
from keenline.data.dataset import Skipped
from keenline.data.reading import read_image
from keenline.errors import ImageError
from keenline.inference.engine import Engine
from keenline.inference.framing import Framing
from keenline.models.base import Progress
from keenline.models.class_head import CELLS
from keenline.types import Image, Mask, Sample

COVERED = 0.5
"""Share of a cell that a defect must cover for the cell to show it. Of a defect smaller than that,
the cells it covers most: at least `MOST_COVERED` of the best one."""
MOST_COVERED = 0.7

DEFECT_CELLS = 150
"""Taken at most from one view of a defective sample: a large defect must not outweigh small ones
(chosen with the two below on validation images, docs/decisions/0013-class-head.md)."""
CLEAN_CELLS = 60
"""Taken from the untouched places of each view of a defective sample, and from each view of a
good one."""

STRANGEST = 0.01
"""Share of the cells of a view that is taken for the defect where nobody marked its place."""

GOOD_PLACE = 0
"""Number of what is no defect; class k of the list has the number k + 1."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells drawn from samples."""

    vectors: NDArray[np.float32]
    """(cells, dimensions)"""
    numbers: NDArray[np.int64]
    """(cells,): `GOOD_PLACE`, or 1 + the place of the class."""
    source: NDArray[np.int64]
    """(cells,): the sample each came from, by place."""

    def of(self, samples: NDArray[np.bool_]) -> Cells:
        """Those of some samples, (samples,) True."""
        chosen = samples[self.source]
        return Cells(self.vectors[chosen], self.numbers[chosen], self.source[chosen])


def draw_cells(
    samples: Sequence[Sample],
    classes: Sequence[str],
    engine: Engine,
    framing: Framing,
    *,
    mirrored: bool,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[Cells, tuple[Skipped, ...]]:
    """Draw cells of each sample as it is and, `mirrored`, across each axis.

    engine: of a graph that answers with `CELLS`. A sample that cannot be read is skipped.
    """
    vectors, numbers, sources, skipped = [], [], [], []
    for place, sample in enumerate(samples):
        progress("look at labelled parts", place, len(samples))
        try:
            looks = list(_looks(sample, classes, framing, mirrored=mirrored))
        except ImageError as error:
            skipped.append(Skipped(sample.image, error))
            continue
        for view, shares in looks:
            found = engine.run(view[None])
            cells, grid = found[CELLS][0], found["map"][0]
            if shares is None:
                number = _strangest(grid, 1 + classes.index(sample.label)).ravel()
            else:
                number = _numbers(shares, (cells.shape[1], cells.shape[2])).ravel()
            chosen = _chosen(number, rng)
            # Row by row: cells are drawn from it thousands of times.
            vectors.append(np.ascontiguousarray(cells.reshape(len(cells), -1).T[chosen]))
            numbers.append(number[chosen])
            sources.append(np.full(len(chosen), place))
    progress("look at labelled parts", len(samples), len(samples))
    if not vectors:
        return Cells(np.empty((0, 0), np.float32), np.empty(0, int), np.empty(0, int)), (*skipped,)
    drawn = Cells(np.concatenate(vectors), np.concatenate(numbers), np.concatenate(sources))
    return drawn, tuple(skipped)


def _looks(
    sample: Sample, classes: Sequence[str], framing: Framing, *, mirrored: bool
) -> Iterator[tuple[Image, NDArray[np.float32] | None]]:
    """Views of a sample, each with the share of every pixel that a class covers, 0..1.

    None where it is known that the image shows a class, but not where.
    """
    image = read_image(sample.image, bit_depth=framing.facts.bit_depth)
    height, width = image.shape[:2]
    found = class_masks(sample, (width, height))
    masks = [_as_picture(found[name]) if name in found else None for name in classes]
    unknown = not sample.is_good and not found
    for axis in (None, 0, 1) if mirrored else (None,):
        views = framing.frame(_turned(image, axis)).views
        if unknown:
            yield from ((view, None) for view in views)
            continue
        covered = [
            np.zeros(views.shape[:3], np.float32)
            if mask is None
            else framing.frame(_turned(mask, axis)).views[..., 0].astype(np.float32)
            for mask in masks
        ]
        shares = np.stack(covered, axis=1) / 255
        # A tile without a defect says nothing that good samples do not say.
        for view, share in zip(views, shares, strict=True):
            if sample.is_good or share.any():
                yield view, share


def _turned(pixels: Image, axis: int | None) -> Image:
    return pixels if axis is None else np.ascontiguousarray(np.flip(pixels, axis))


def _as_picture(mask: Mask) -> Image:
    return np.repeat(mask.astype(np.uint8)[..., None] * 255, 3, axis=2)


def _numbers(shares: NDArray[np.float32], grid: tuple[int, int]) -> NDArray[np.int64]:
    """The number of the class that each cell shows, -1 where a defect only touches it.

    shares: (classes, view height, view width).
    """
    rows, columns = shares.shape[1] // grid[0], shares.shape[2] // grid[1]
    cells = shares[:, : rows * grid[0], : columns * grid[1]]
    cells = cells.reshape(len(shares), grid[0], rows, grid[1], columns).mean(axis=(2, 4))
    numbers = np.where(cells.max(axis=0) > 0, -1, GOOD_PLACE)
    for place, covered in enumerate(cells):
        if covered.any():
            enough = min(COVERED, MOST_COVERED * float(covered.max()))
            numbers[(covered >= enough) & (covered >= cells.max(axis=0))] = place + 1
    return numbers


def _strangest(grid: NDArray[np.float32], number: int) -> NDArray[np.int64]:
    """The cells that look least like a good part are taken for the class, no cell for good."""
    places = np.argsort(grid, axis=None)[-max(1, round(STRANGEST * grid.size)) :]
    numbers = np.full(grid.shape, -1)
    numbers.ravel()[places] = number
    return numbers


def _chosen(numbers: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    defects, clean = np.flatnonzero(numbers > 0), np.flatnonzero(numbers == GOOD_PLACE)
    return np.concatenate(
        [
            rng.permutation(defects)[:DEFECT_CELLS],
            rng.permutation(clean)[:CLEAN_CELLS],
        ]
    )
