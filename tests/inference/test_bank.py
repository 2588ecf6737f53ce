"""The power distance, its codes and its file are what they are said to be."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from keenline.inference.bank import Bank, distances, memory_file, memory_from, nearest_member


def _bank(seed: int, members: int = 40, step: float = 0.0) -> Bank:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, 2, (members, 8)).astype(np.float32)
    return Bank(
        vectors,
        rng.uniform(0, 1.5, members).astype(np.float32),
        rng.integers(4, size=members),
        step,
    )


def _queries(seed: int, number: int = 30) -> NDArray[np.float32]:
    return np.random.default_rng(seed + 99).normal(0, 2, (number, 8)).astype(np.float32)


def _powers(bank: Bank, queries: NDArray[np.float32]) -> NDArray[np.float64]:
    """|q - b|^2 - reach^2 of every pair, (queries, members), in double precision."""
    squared = cdist(queries.astype(float), bank.vectors.astype(float), "sqeuclidean")
    return np.asarray(squared - bank.reach.astype(float) ** 2)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), members=st.integers(1, 60))
def test_it_is_the_brute_force_power_distance(seed: int, members: int) -> None:
    bank, queries = _bank(seed, members), _queries(seed)
    expected = np.sqrt(np.maximum(_powers(bank, queries).min(axis=1), 0.0))
    np.testing.assert_allclose(distances(bank, queries), expected, rtol=1e-3, atol=5e-3)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), source=st.integers(0, 3))
def test_members_passed_over_do_not_count(seed: int, source: int) -> None:
    bank, queries = _bank(seed), _queries(seed)
    without = bank.source == source
    expected = np.sqrt(np.maximum(_powers(bank, queries)[:, ~without].min(axis=1), 0.0))
    found = distances(bank, queries, without=without)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=5e-3)
    assert (found >= distances(bank, queries) - 1e-4).all()


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_member_compared_with_has_the_least_power_distance(seed: int) -> None:
    bank, queries = _bank(seed), _queries(seed, 5)
    powers = _powers(bank, queries)
    for query, row in zip(queries, powers, strict=True):
        assert row[nearest_member(bank, query)] == pytest.approx(row.min(), abs=1e-3)


def test_a_member_is_at_no_distance_from_itself() -> None:
    bank = _bank(0)
    assert distances(bank, bank.vectors).max() < 5e-3


def test_without_reach_it_is_the_plain_nearest_neighbour() -> None:
    bank = _bank(1)
    plain = Bank(bank.vectors, np.zeros_like(bank.reach), bank.source)
    expected = cdist(_queries(1), plain.vectors).min(axis=1)
    np.testing.assert_allclose(distances(plain, _queries(1)), expected, rtol=1e-3)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_codes_are_within_half_a_step_and_rounding_changes_distances_little(seed: int) -> None:
    exact, queries = _bank(seed), _queries(seed)
    rounded = Bank(exact.vectors, exact.reach, exact.source, step=10 / 127)
    codes, steps = rounded.codes()
    assert codes.dtype == np.int8
    assert np.abs(codes).max() <= 127
    error = np.abs(codes * steps[:, None] - exact.vectors)
    assert (error <= 0.501 * steps[:, None]).all()
    difference = np.abs(distances(rounded, queries) - distances(exact, queries))
    assert np.median(difference) < 0.1
    assert np.array_equal(rounded.as_computed(), codes.astype(np.float32) * steps[:, None])


def test_adding_members_changes_no_code_already_there() -> None:
    few, more = _bank(2, 10, step=0.1), _bank(3, 10, step=0.1)
    both = Bank(
        np.concatenate([few.vectors, 100 * more.vectors]),
        np.concatenate([few.reach, more.reach]),
        np.concatenate([few.source, more.source]),
        step=0.1,
    )
    assert np.array_equal(both.codes()[0][:10], few.codes()[0])


def test_a_member_of_zeros_has_codes() -> None:
    bank = Bank(np.zeros((1, 4), np.float32), np.zeros(1, np.float32), np.zeros(1, int), 0.1)
    assert bank.codes()[0].tolist() == [[0, 0, 0, 0]]
    assert np.isfinite(bank.codes()[1]).all()


@settings(max_examples=30, deadline=None)
@given(
    names=st.lists(st.text(st.characters(exclude_characters="\0"), max_size=12), max_size=5),
    scales=st.integers(1, 3),
)
def test_the_file_keeps_everything(names: list[str], scales: int) -> None:
    banks = [_bank(seed, 5 + seed, step=0.5 * seed) for seed in range(scales)]
    weights = [1.5 / (1 + place) for place in range(scales)]
    memory = memory_from(memory_file(banks, weights, names))
    assert memory.weights == tuple(weights)
    assert memory.names == tuple(names)
    for found, expected in zip(memory.banks, banks, strict=True):
        assert np.array_equal(found.vectors, expected.vectors)
        assert np.array_equal(found.reach, expected.reach)
        assert np.array_equal(found.source, expected.source)
        assert found.step == expected.step
        assert found.vectors.dtype == np.float32


def test_the_file_holds_no_pickle_and_is_the_same_every_time() -> None:
    first, second = (memory_file([_bank(0)], [1.0], ["a", "b"]) for _ in range(2))
    assert first == second
    with np.load(io.BytesIO(first), allow_pickle=False) as stored:
        kinds = {name: stored[name].dtype.kind for name in stored.files}
    assert set(kinds) == {"weights", "names", "vectors0", "reach0", "source0", "step0"}
    assert set(kinds.values()) <= set("fiU")


def test_a_pickled_array_is_refused() -> None:
    out = io.BytesIO()
    np.savez(out, weights=np.array([{"danger": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        memory_from(out.getvalue())
