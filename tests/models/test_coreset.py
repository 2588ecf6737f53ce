"""Greedy selection and reach do what their plain definitions say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from keenline.models.coreset import NEIGHBOURS, greedy_k_center, reach


def _vectors(seed: int, number: int, dimensions: int = 6) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 4, (5, dimensions))
    return (centres[rng.integers(5, size=number)] + rng.normal(size=(number, dimensions))).astype(
        np.float32
    )


def _naive(vectors: NDArray[np.float32], first: int, number: int) -> list[int]:
    """Farthest-first traversal with every distance computed anew."""
    chosen = [first]
    distances = cdist(vectors.astype(float), vectors.astype(float))
    while len(chosen) < number:
        chosen.append(int(distances[:, chosen].min(axis=1).argmax()))
    return chosen


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), total=st.integers(2, 120), share=st.floats(0.05, 0.99))
def test_it_chooses_what_the_naive_traversal_chooses(seed: int, total: int, share: float) -> None:
    vectors = _vectors(seed, total)
    number = max(1, int(share * total))
    chosen = greedy_k_center(vectors, number, np.random.default_rng(seed))
    assert chosen.tolist() == _naive(vectors, int(chosen[0]), number)


def test_it_covers_at_most_twice_as_wide_as_the_best_cover() -> None:
    # Five tight clusters and five members: the best radius is that of a cluster.
    rng = np.random.default_rng(0)
    centres = np.eye(5, 8, dtype=np.float32) * 50
    vectors = np.repeat(centres, 20, axis=0) + rng.uniform(-1, 1, (100, 8)).astype(np.float32)
    best = max(
        float(cdist(vectors[20 * i : 20 * i + 20], vectors[20 * i : 20 * i + 20]).max(1).min())
        for i in range(5)
    )
    for seed in range(10):
        chosen = greedy_k_center(vectors, 5, np.random.default_rng(seed))
        assert cdist(vectors, vectors[chosen]).min(axis=1).max() <= 2 * best


def test_the_same_seed_chooses_the_same() -> None:
    vectors = _vectors(3, 80)
    one, two = (greedy_k_center(vectors, 20, np.random.default_rng(5)) for _ in range(2))
    assert one.tolist() == two.tolist()


@pytest.mark.parametrize("number", [7, 8, 500])
def test_of_few_vectors_all_are_kept(number: int) -> None:
    chosen = greedy_k_center(_vectors(0, 7), number, np.random.default_rng(0))
    assert chosen.tolist() == list(range(7))


def test_equal_vectors_do_no_harm() -> None:
    vectors = np.repeat(_vectors(1, 3), 20, axis=0)
    chosen = greedy_k_center(vectors, 10, np.random.default_rng(0))
    assert len(chosen) == 10
    assert {int(place) // 20 for place in chosen} == {0, 1, 2}


def test_reach_is_the_mean_distance_to_the_nearest_patches_of_other_parts() -> None:
    bank, sample = _vectors(0, 300), _vectors(1, 90)
    bank_source = np.arange(300) % 4
    sample_source = np.arange(90) % 4
    distances = cdist(bank, sample)
    distances[bank_source[:, None] == sample_source[None, :]] = np.inf
    expected = np.sort(distances, axis=1)[:, :NEIGHBOURS].mean(axis=1)
    found = reach(bank, bank_source, sample, sample_source)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)


def test_one_part_alone_has_no_reach() -> None:
    vectors, source = _vectors(0, 30), np.zeros(30, np.int64)
    assert reach(vectors[:5], source[:5], vectors, source).tolist() == [0.0] * 5


def test_few_other_patches_count_as_they_are() -> None:
    # Three patches of another part: the mean of three distances, not of three and two zeros.
    bank = np.zeros((1, 2), np.float32)
    sample = np.array([[3, 4], [6, 8], [5, 12], [0, 0.1], [0.1, 0], [0.2, 0]], np.float32)
    source = np.array([1, 1, 1, 0, 0, 0])
    found = reach(bank, np.array([0]), sample, source)
    assert found[0] == pytest.approx((5 + 10 + 13) / 3, rel=1e-5)
