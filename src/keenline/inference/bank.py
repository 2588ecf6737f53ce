"""The patches of good parts: comparing with them, and their file in a bundle."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

INSIDE = "embeddings/"
"""What the names of the embedding graph's tensors begin with inside the deployed graph."""

EMBEDDING = "embedding_{}"
"""Name of the embedding at scale 0, 1, ...: float32, (batch, dimensions, height, width)."""


@dataclass(frozen=True, slots=True)
class Bank:
    """The patches of good parts at one scale."""

    vectors: NDArray[np.float32]
    """(members, dimensions)"""
    reach: NDArray[np.float32]
    """(members,): how far around each member good patches usually lie."""
    source: NDArray[np.int64]
    """(members,): the learning part each came from."""
    step: float = 0.0
    """Quantisation step of the embedding, int8; 0 when the search is in float32."""

    def as_computed(self) -> NDArray[np.float32]:
        """The vectors with the precision that the graph computes with."""
        if not self.step:
            return self.vectors
        codes, steps = self.codes()
        return codes.astype(np.float32) * steps[:, None]

    def codes(self) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
        """int8 codes, (members, dimensions), and the step of each member.

        Each member has its own step, so adding members changes none of those already there.
        """
        steps = np.maximum(np.abs(self.vectors).max(axis=1), 1e-9) / 127.0
        codes = np.rint(self.vectors / steps[:, None]).astype(np.int8)
        return codes, steps.astype(np.float32)

    def offsets(self) -> NDArray[np.float32]:
        """What is added to the products, (members,): see `squared_distances`."""
        vectors = self.as_computed()
        offset: NDArray[np.float32] = 0.5 * (
            self.reach**2 - np.einsum("ij,ij->i", vectors, vectors)
        )
        return offset


def distances(
    bank: Bank, queries: NDArray[np.float32], without: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """What the graph computes, for queries (any number, dimensions): sqrt(max(0, power distance)).

    The power distance of q to the bank is min over members of |q - b|^2 - reach(b)^2, as in a
    power diagram (Aurenhammer 1987): a patch is compared with the member whose usual
    surroundings it lies in or nearest to, rather than with the nearest member alone. It costs
    nothing, being part of the bias. `without`: members that are passed over, (members,).
    """
    if bank.step:
        codes = np.clip(np.rint(queries / bank.step), -128, 127)
        queries = (codes * bank.step).astype(np.float32)
    products = queries @ bank.as_computed().T + bank.offsets()
    if without is not None and not without.all():
        products[:, without] = -np.inf
    nearest = products.max(axis=1)
    squared = np.einsum("ij,ij->i", queries, queries) - 2.0 * nearest
    out: NDArray[np.float32] = np.sqrt(np.maximum(squared, 0.0))
    return out


def nearest_member(bank: Bank, query: NDArray[np.float32]) -> int:
    """Place of the member that a query (dimensions,) is compared with."""
    return int((bank.as_computed() @ query + bank.offsets()).argmax())


def memory_file(
    banks: Sequence[Bank], weights: Sequence[float], names: Sequence[str] = ()
) -> bytes:
    """The bank as an .npz file, for explaining and updating."""
    arrays: dict[str, NDArray[np.generic]] = {
        "weights": np.array(weights),
        "names": np.array(names, dtype=np.str_),
    }
    for place, bank in enumerate(banks):
        arrays[f"vectors{place}"] = bank.vectors
        arrays[f"reach{place}"] = bank.reach
        arrays[f"source{place}"] = bank.source
        arrays[f"step{place}"] = np.array(bank.step)
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Memory:
    """What `memory.npz` holds."""

    banks: tuple[Bank, ...]
    """One a scale, finest first."""
    weights: tuple[float, ...]
    names: tuple[str, ...]
    """Of the learning parts, by their number in `Bank.source`."""


def memory_from(memory: bytes) -> Memory:
    """The bank of a bundle."""
    with np.load(io.BytesIO(memory), allow_pickle=False) as stored:
        weights = tuple(float(w) for w in stored["weights"])
        banks = tuple(
            Bank(
                stored[f"vectors{place}"],
                stored[f"reach{place}"],
                stored[f"source{place}"],
                float(stored[f"step{place}"]),
            )
            for place in range(len(weights))
        )
        names = tuple(str(name) for name in stored["names"])
    return Memory(banks, weights, names)
