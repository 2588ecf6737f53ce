"""Many patches turned into a small bank that covers them, with the reach of each member."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 5
"""Patches of other images over which the reach of a bank member is averaged."""


def greedy_k_center(
    vectors: NDArray[np.float32], number: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Places of `number` vectors such that every other is near one of them.

    Farthest-first traversal (Gonzalez 1985): at most twice the best covering radius. One
    matrix-vector product a step, updating the distances in place.
    """
    if len(vectors) <= number:
        return np.arange(len(vectors))
    squares = np.einsum("ij,ij->i", vectors, vectors)
    distances = np.full(len(vectors), np.inf, np.float32)
    chosen = np.empty(number, np.int64)
    place = int(rng.integers(len(vectors)))
    work = np.empty(len(vectors), np.float32)
    for step in range(number):
        chosen[step] = place
        np.dot(vectors, vectors[place] * -2.0, out=work)
        work += squares
        work += squares[place]
        np.minimum(distances, work, out=distances)
        place = int(distances.argmax())
    return chosen


def spacing(bank: NDArray[np.float32]) -> float:
    """Median distance from a member to the nearest other member."""
    squares = np.einsum("ij,ij->i", bank, bank)
    squared = squares[:, None] + squares[None, :] - 2.0 * (bank @ bank.T)
    np.fill_diagonal(squared, np.inf)
    return float(np.sqrt(np.maximum(np.median(squared.min(axis=1)), 0.0)))


def farthest_beyond(
    vectors: NDArray[np.float32], bank: NDArray[np.float32], radius: float, most: int
) -> NDArray[np.int64]:
    """Places of vectors to add, farthest first, until all lie within `radius` or `most` are added.

    The farthest-first traversal of `greedy_k_center`, continued from an existing bank.
    """
    squares = np.einsum("ij,ij->i", vectors, vectors)
    halves = 0.5 * np.einsum("ij,ij->i", bank, bank)
    distances = squares - 2.0 * (vectors @ bank.T - halves).max(axis=1)
    chosen: list[int] = []
    while len(chosen) < most:
        place = int(distances.argmax())
        if distances[place] <= radius**2:
            break
        chosen.append(place)
        step = squares + squares[place] - 2.0 * (vectors @ vectors[place])
        np.minimum(distances, step, out=distances)
    return np.array(chosen, np.int64)


def reach(
    bank: NDArray[np.float32],
    bank_source: NDArray[np.int64],
    sample: NDArray[np.float32],
    sample_source: NDArray[np.int64],
    neighbours: int = NEIGHBOURS,
) -> NDArray[np.float32]:
    """How far around each bank member patches of *other* parts usually lie, (members,).

    The mean distance to the `neighbours` nearest patches of `sample` that come from another part.
    Greedy selection keeps the rare and the common alike; this tells them apart again.
    """
    half = 0.5 * np.einsum("ij,ij->i", sample, sample)
    squares = np.einsum("ij,ij->i", bank, bank)
    out = np.empty(len(bank), np.float32)
    wanted = min(neighbours, len(sample))
    for start in range(0, len(bank), 256):
        part = slice(start, start + 256)
        near = half - bank[part] @ sample.T
        near[bank_source[part, None] == sample_source[None, :]] = np.inf
        nearest = np.partition(near, wanted - 1, axis=1)[:, :wanted]
        squared = np.maximum(squares[part, None] + 2 * nearest, 0.0)
        # One part alone has no other parts: then nothing is known and nothing is subtracted.
        known = np.isfinite(squared)
        total = np.sqrt(np.where(known, squared, 0.0)).sum(axis=1)
        out[part] = total / np.maximum(known.sum(axis=1), 1)
    return out
