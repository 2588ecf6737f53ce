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


def reach(
    bank: NDArray[np.float32],
    bank_source: NDArray[np.int64],
    sample: NDArray[np.float32],
    sample_source: NDArray[np.int64],
) -> NDArray[np.float32]:
    """How far around each bank member patches of *other* parts usually lie, (members,).

    The mean distance to the `NEIGHBOURS` nearest patches of `sample` that come from another part.
    Greedy selection keeps the rare and the common alike; this tells them apart again.
    """
    half = 0.5 * np.einsum("ij,ij->i", sample, sample)
    squares = np.einsum("ij,ij->i", bank, bank)
    out = np.empty(len(bank), np.float32)
    wanted = min(NEIGHBOURS, len(sample))
    for start in range(0, len(bank), 256):
        part = slice(start, start + 256)
        near = half - bank[part] @ sample.T
        near[bank_source[part, None] == sample_source[None, :]] = np.inf
        nearest = np.partition(near, wanted - 1, axis=1)[:, :wanted]
        squared = np.maximum(squares[part, None] + 2 * nearest, 0.0)
        # One part alone has no other parts: then nothing is known and nothing is subtracted.
        out[part] = np.where(np.isfinite(squared), np.sqrt(squared), 0.0).mean(axis=1)
    return out
