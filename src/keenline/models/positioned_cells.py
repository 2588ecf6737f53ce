"""Embeddings of good parts, place by place, turned into one small bank for every cell of a grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keenline.models.coreset import NEIGHBOURS
from keenline.types import ScoreMap

POOL = 1024
"""Patches from which the members of one cell are chosen: 3 x 3 cells of about 110 pictures."""

_WORKING_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CellBank:
    """What good parts look like at each cell of one scale's grid."""

    grid: tuple[int, int]
    """Height and width, in cells."""
    vectors: NDArray[np.float32]
    """(cells, members, dimensions); cells row by row."""
    reach: NDArray[np.float32]
    """(cells, members): how far around each member patches of other parts usually lie here."""
    source: NDArray[np.int64]
    """(cells, members): the learning part each came from."""

    def offsets(self) -> NDArray[np.float32]:
        """What is added to the products, (cells, members): see `inference.bank.distances`."""
        out: NDArray[np.float32] = 0.5 * (
            self.reach**2 - np.einsum("ckd,ckd->ck", self.vectors, self.vectors)
        )
        return out


def cell_distances(
    bank: CellBank, embedding: NDArray[np.float32], without: NDArray[np.bool_]
) -> ScoreMap:
    """What the graph computes: the power distance of each cell to its own bank.

    embedding: (dimensions, height, width). without: members that are passed over, (cells,
    members); where that is every member of a cell, none is.
    """
    queries = embedding.reshape(len(embedding), -1).T
    products = np.matmul(bank.vectors, queries[:, :, None])[:, :, 0] + bank.offsets()
    products[without & ~without.all(axis=1, keepdims=True)] = -np.inf
    squared = np.einsum("cd,cd->c", queries, queries) - 2.0 * products.max(axis=1)
    out: ScoreMap = np.sqrt(np.maximum(squared, 0.0)).reshape(bank.grid)
    return out


def choose_cell_bank(
    embeddings: NDArray[np.float32],
    grid: tuple[int, int],
    source: NDArray[np.int64],
    groups: NDArray[np.int64],
    number: int,
    rng: np.random.Generator,
) -> CellBank:
    """At most `number` members for each cell, from the cell and the eight around it.

    embeddings: (pictures, cells, dimensions). source: the part that each picture shows. groups:
    the group of each part. Members are chosen farthest-first, as in `coreset.greedy_k_center`,
    for many cells at once. The neighbours stand for parts that lie up to one cell elsewhere.
    """
    pictures, cells, dimensions = embeddings.shape
    places = rng.permutation(pictures * 9)[:POOL]
    picture, step = places // 9, places % 9
    number = min(number, len(places))
    vectors = np.empty((cells, number, dimensions), np.float32)
    reach = np.empty((cells, number), np.float32)
    chosen = np.empty((cells, number), np.int64)
    group = groups[source[picture]]
    at_once = max(1, _WORKING_BYTES // (len(places) * dimensions * 4))
    for first in range(0, cells, at_once):
        some = np.arange(first, min(cells, first + at_once))
        pool = embeddings[picture[None, :], _around(some, grid, step)]
        squares = np.einsum("cmd,cmd->cm", pool, pool)
        members = _farthest_first(pool, squares, number, rng)
        chosen[some] = members
        vectors[some] = np.take_along_axis(pool, members[:, :, None], axis=1)
        reach[some] = _reach(vectors[some], group[members], pool, squares, group)
    return CellBank(grid, vectors, reach, source[picture[chosen]])


def _around(
    cells: NDArray[np.int64], grid: tuple[int, int], step: NDArray[np.int64]
) -> NDArray[np.int64]:
    """For each cell the neighbour that each step (0..8, 4 = none) leads to, (cells, steps)."""
    rows = cells[:, None] // grid[1] + (step // 3 - 1)[None, :]
    columns = cells[:, None] % grid[1] + (step % 3 - 1)[None, :]
    out: NDArray[np.int64] = np.clip(rows, 0, grid[0] - 1) * grid[1]
    out += np.clip(columns, 0, grid[1] - 1)
    return out


def _farthest_first(
    pool: NDArray[np.float32],
    squares: NDArray[np.float32],
    number: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Places in the pool of each cell, (cells, number)."""
    cells, size = squares.shape
    every = np.arange(cells)
    far = np.full((cells, size), np.inf, np.float32)
    members = np.empty((cells, number), np.int64)
    place = rng.integers(size, size=cells)
    for step in range(number):
        members[:, step] = place
        latest = pool[every, place]
        products = np.matmul(pool, latest[:, :, None])[:, :, 0]
        np.minimum(far, squares - 2.0 * products + squares[every, place][:, None], out=far)
        place = far.argmax(axis=1)
    return members


def _reach(
    members: NDArray[np.float32],
    member_group: NDArray[np.int64],
    pool: NDArray[np.float32],
    squares: NDArray[np.float32],
    group: NDArray[np.int64],
) -> NDArray[np.float32]:
    """As `coreset.reach`, for many cells at once: (cells, members)."""
    near = squares[:, None, :] - 2.0 * np.matmul(members, pool.transpose(0, 2, 1))
    near[member_group[:, :, None] == group[None, None, :]] = np.inf
    wanted = min(NEIGHBOURS, near.shape[2])
    nearest = np.partition(near, wanted - 1, axis=2)[:, :, :wanted]
    nearest += np.einsum("ckd,ckd->ck", members, members)[:, :, None]
    # One part alone has no other parts: then nothing is known and nothing is subtracted.
    known = np.where(np.isfinite(nearest), np.sqrt(np.maximum(nearest, 0.0)), 0.0)
    out: NDArray[np.float32] = known.mean(axis=2)
    return out
