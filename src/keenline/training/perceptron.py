"""A network of one hidden layer taught with Adam: a class head in seconds, without torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating]

RATE = 0.001
"""Learning rate."""
_MOMENTUM, _SQUARES, _LEAST = 0.9, 0.999, 1e-8
"""All four as Kingma and Ba (2015), algorithm 1, propose."""


class Layers(NamedTuple):
    """relu(x @ hidden + hidden_bias) @ output + output_bias: one logit a class, or of two classes
    the second's alone."""

    hidden: Floats
    """(dimensions, units)"""
    hidden_bias: Floats
    """(units,)"""
    output: Floats
    """(units, outputs)"""
    output_bias: Floats
    """(outputs,)"""


def untaught(dimensions: int, units: int, classes: int, rng: np.random.Generator) -> Layers:
    """Weights to begin with, float32, uniform as by Glorot and Bengio (2010), equation 16."""
    outputs = classes if classes > 2 else 1
    return Layers(*_uniform(dimensions, units, rng), *_uniform(units, outputs, rng))


def learn(
    layers: Layers, batches: Iterable[tuple[Floats, NDArray[np.integer]]], penalty: float
) -> None:
    """Change the weights in place, a step for each batch.

    batches: vectors, (number, dimensions), and the class of each, (number,), counted from 0.
    penalty: on half the squared weights without the biases, for a whole batch.
    """
    means = [np.zeros_like(each) for each in layers]
    squares = [np.zeros_like(each) for each in layers]
    for step, (vectors, classes) in enumerate(batches, start=1):
        rate = RATE * float(np.sqrt(1 - _SQUARES**step)) / (1 - _MOMENTUM**step)
        slopes = gradients(layers, vectors, classes, penalty)
        for each in zip(layers, means, squares, slopes, strict=True):
            _step(*each, rate)


def gradients(
    layers: Layers, vectors: Floats, classes: NDArray[np.integer], penalty: float
) -> Layers:
    """Of the mean cross-entropy of a batch and its penalty."""
    number = len(vectors)
    reached = vectors @ layers.hidden
    reached += layers.hidden_bias
    np.maximum(reached, 0, out=reached)
    wrong = _likely(reached @ layers.output + layers.output_bias)
    if wrong.shape[1] == 1:
        wrong[:, 0] -= classes
    else:
        wrong[np.arange(number), classes] -= 1
    wrong /= number
    output = reached.T @ wrong
    output += penalty / number * layers.output
    back = wrong @ layers.output.T
    back *= reached > 0
    hidden = vectors.T @ back
    hidden += penalty / number * layers.hidden
    return Layers(hidden, back.sum(axis=0), output, wrong.sum(axis=0))


def _step(weights: Floats, mean: Floats, square: Floats, slope: Floats, rate: float) -> None:
    """One of Adam's, in place; what `slope` held is lost."""
    mean *= _MOMENTUM
    mean += (1 - _MOMENTUM) * slope
    square *= _SQUARES
    square += (1 - _SQUARES) * np.square(slope)
    root = np.sqrt(square, out=slope)
    root += _LEAST
    np.divide(mean, root, out=root)
    root *= rate
    weights -= root


def _likely(logits: Floats) -> Floats:
    """Probability of each class; of two, of the second."""
    if logits.shape[1] == 1:
        # As large as float32's exponential can bear; beyond it nothing changes.
        return 1 / (1 + np.exp(-np.clip(logits, -80, 80)))
    logits -= logits.max(axis=1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= logits.sum(axis=1, keepdims=True)
    return logits


def _uniform(inputs: int, outputs: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    bound = np.sqrt(6 / (inputs + outputs))
    weights = rng.uniform(-bound, bound, (inputs, outputs))
    return weights.astype(np.float32), rng.uniform(-bound, bound, outputs).astype(np.float32)
