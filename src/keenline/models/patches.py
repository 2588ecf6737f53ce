"""Patches of good parts: where each is from, a random sample, and ways they may look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keenline.models.base import Views
from keenline.models.lighting import AS_IT_IS, Lighting
from keenline.types import Image, Mask


@dataclass(frozen=True, slots=True)
class View:
    """One way a good part may look."""

    pixels: Image
    view: int
    """Which view (tile) of the part."""
    turn: int
    """Quarter turns counter-clockwise."""


def ways_to_look(
    views: Views,
    part: int,
    brightness: float,
    rotations: Sequence[int],
    lighting: Lighting = AS_IT_IS,
) -> Iterator[View]:
    """Each view as it is, once darker or brighter, and turned by each allowed rotation.

    Parts take turns in being darkened and brightened, so half the bank's sources are either.
    lighting: what is done to each before it is turned, and after it is darkened or brightened: it
    counts pixels of a region that does not turn with the part.
    """
    factor = 1.0 + brightness if part % 2 else 1.0 - brightness
    table = np.clip(np.rint(np.arange(256) * factor), 0, 255).astype(np.uint8)
    for number, pixels in enumerate(views):
        lit = lighting.picture(pixels)
        yield View(lit, number, 0)
        if brightness:
            yield View(lighting.picture(table[pixels]), number, 0)
        for degrees in rotations:
            turn = degrees // 90
            yield View(np.ascontiguousarray(np.rot90(lit, turn)), number, turn)


def inspected(roi: Mask | None, turn: int, grid: tuple[int, int]) -> NDArray[np.bool_]:
    """Which cells of a grid lie inside the region of interest, (height, width)."""
    if roi is None:
        return np.ones(grid, bool)
    turned = np.rot90(roi, turn)
    rows = ((np.arange(grid[0]) + 0.5) * turned.shape[0] / grid[0]).astype(int)
    columns = ((np.arange(grid[1]) + 0.5) * turned.shape[1] / grid[1]).astype(int)
    inside: NDArray[np.bool_] = turned[np.ix_(rows, columns)]
    return inside


class PatchSample:
    """A growing random sample of patches at one scale."""

    def __init__(self) -> None:
        self._vectors: list[NDArray[np.float32]] = []
        self._origins: list[NDArray[np.int32]] = []

    def add(
        self,
        grid: NDArray[np.float32],
        cells: NDArray[np.int64],
        part: int,
        view: View,
    ) -> None:
        """grid: (channels, height, width); cells: places in it, row by row."""
        channels, height, width = grid.shape
        self._vectors.append(np.ascontiguousarray(grid.reshape(channels, -1).T[cells]))
        origin = np.empty((len(cells), 5), np.int32)
        origin[:, :3] = part, view.view, view.turn
        # Centre of the cell as a fraction of the view, in 1/65536.
        origin[:, 3] = ((cells // width + 0.5) / height * 65536).astype(np.int32)
        origin[:, 4] = ((cells % width + 0.5) / width * 65536).astype(np.int32)
        self._origins.append(origin)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(patches, channels)"""
        return np.concatenate(self._vectors)

    @property
    def origins(self) -> NDArray[np.int32]:
        """(patches, 5): part, view, quarter turns, row and column of the centre in 1/65536."""
        return np.concatenate(self._origins)
