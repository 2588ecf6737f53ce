"""The network learns by the slopes of its loss, as scikit-learn's does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier

from keenline.training.perceptron import Layers, gradients, learn, untaught

PENALTY = 0.7


def logits(layers: Layers, vectors: np.ndarray) -> np.ndarray:
    return np.maximum(vectors @ layers.hidden + layers.hidden_bias, 0) @ layers.output + (
        layers.output_bias
    )


def loss(layers: Layers, vectors: np.ndarray, classes: np.ndarray) -> float:
    """Written as the books write it."""
    found = logits(layers, vectors)
    if found.shape[1] == 1:
        found = np.concatenate([np.zeros_like(found), found], axis=1)
    likely = np.exp(found) / np.exp(found).sum(axis=1, keepdims=True)
    entropy = -np.log(likely[np.arange(len(vectors)), classes]).mean()
    squares = (layers.hidden**2).sum() + (layers.output**2).sum()
    return float(entropy + PENALTY / 2 * squares / len(vectors))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(1, 9))
def test_the_slopes_are_those_of_the_loss(seed: int, classes: int, number: int) -> None:
    rng = np.random.default_rng(seed)
    layers = Layers(*(each.astype(np.float64) for each in untaught(5, 3, classes, rng)))
    vectors, named = rng.standard_normal((number, 5)), rng.integers(0, classes, number)
    # At its corner a rectifier has no slope.
    assume(np.abs(vectors @ layers.hidden + layers.hidden_bias).min() >= 1e-4)
    for weights, slope in zip(layers, gradients(layers, vectors, named, PENALTY), strict=True):
        for place in np.ndindex(weights.shape):
            was = weights[place]
            weights[place] = was + 1e-6
            above = loss(layers, vectors, named)
            weights[place] = was - 1e-6
            below = loss(layers, vectors, named)
            weights[place] = was
            assert slope[place] == pytest.approx((above - below) / 2e-6, abs=1e-6)


def groups(classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clouds."""
    rng = np.random.default_rng(classes)
    named = rng.integers(0, classes, 3000)
    vectors = rng.standard_normal((3000, 6)) + 1.5 * rng.standard_normal((classes, 6))[named]
    return vectors.astype(np.float32), named


@pytest.mark.parametrize("classes", [2, 4])
def test_it_learns_what_scikit_learn_learns(classes: int) -> None:
    vectors, named = groups(classes)

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(1)
        for _ in range(1500):
            drawn = rng.integers(0, 2000, 200)
            yield vectors[drawn], named[drawn]

    layers = untaught(6, 16, classes, np.random.default_rng(0))
    learn(layers, batches(), PENALTY)
    theirs = MLPClassifier((16,), alpha=PENALTY, random_state=0)
    for drawn, of in batches():
        theirs.partial_fit(drawn, of, classes=np.arange(classes))
    ours = logits(layers, vectors[2000:])
    if classes == 2:
        ours = np.concatenate([np.zeros_like(ours), ours], axis=1)
    likely = np.exp(ours) / np.exp(ours).sum(axis=1, keepdims=True)
    apart = np.abs(likely - theirs.predict_proba(vectors[2000:]))
    assert apart.mean() < 0.02
    assert (likely.argmax(axis=1) == named[2000:]).mean() > 0.7


def test_a_class_that_is_certain_keeps_the_weights_finite() -> None:
    vectors = np.full((4, 3), 1e4, np.float32)
    layers = untaught(3, 8, 2, np.random.default_rng(0))
    learn(layers, [(vectors, np.array([0, 1, 0, 1]))] * 50, PENALTY)
    assert all(np.isfinite(each).all() for each in layers)
    assert all(each.dtype == np.float32 for each in layers)
