"""Labelled cells turned into a class head: a small network taught in seconds, without torch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keenline.errors import Code, TrainingError
from keenline.models.class_head import ClassHead
from keenline.training.labelled_cells import GOOD_PLACE, Cells

UNITS = 64
"""Of the hidden layer; 16 and 256 do as well (docs/decisions/0013-class-head.md)."""

PENALTY = 1.0
"""On squared weights, as scikit-learn counts it: strong, because cells of one defect are alike.
0.1, 5 and 20 told less apart."""

STEPS = 2000
"""Of learning, however many cells there are: rounds over few cells are short."""
BATCH = 512

NETWORKS = 1
"""Taught and averaged."""


def fit_head(
    cells: Cells,
    classes: Sequence[str],
    *,
    seed: int,
    units: int = UNITS,
    penalty: float = PENALTY,
    steps: int = STEPS,
    networks: int = NETWORKS,
) -> ClassHead:
    """Teach a head; its shift is 0.

    Several networks that begin elsewhere and draw other cells are taught, and what they say is
    averaged: side by side they are one network of as many hidden units. Every class is drawn as
    often as any other, and good places as often as all of them together, so that a class of three
    samples is not drowned. Raises TrainingError (LOSS_NOT_FINITE) for cells that are no numbers.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # said in words right below
        middle = cells.vectors.mean(axis=0)
        spread = cells.vectors.std(axis=0) + 1e-3
        drawn = replace(cells, vectors=((cells.vectors - middle) / spread).astype(np.float32))
    if not np.isfinite(drawn.vectors).all():
        raise TrainingError(
            Code.LOSS_NOT_FINITE,
            "The classes cannot be learnt: what was seen of the images is not finite",
            got="features that are no numbers, or too large for any",
            next="train the bundle with precision f32; look for an image like no other",
        )
    taught = [
        _network(drawn, len(classes), seed * networks + number, units, penalty, steps)
        for number in range(networks)
    ]
    hidden = np.concatenate([network.hidden for network in taught]) / spread
    bias = np.concatenate([network.hidden_bias for network in taught]) - hidden @ middle
    output = np.concatenate([network.output for network in taught], axis=1) / networks
    return ClassHead(
        tuple(classes),
        hidden.astype(np.float32),
        bias.astype(np.float32),
        output.astype(np.float32),
        np.mean([network.output_bias for network in taught], axis=0).astype(np.float32),
        np.zeros(len(classes), np.float32),
        looks_around=True,
    )


class _Network(NamedTuple):
    """Weights of one network; see `ClassHead`."""

    hidden: NDArray[np.float64]
    hidden_bias: NDArray[np.float64]
    output: NDArray[np.float64]
    output_bias: NDArray[np.float64]


def _network(
    cells: Cells, classes: int, seed: int, units: int, penalty: float, steps: int
) -> _Network:
    # Slow to import, and needed by nobody who only inspects.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    chosen = _balanced(cells.numbers, classes, np.random.default_rng(seed))
    batch = min(BATCH, len(chosen))
    rounds = -(-steps * batch // len(chosen))
    network = MLPClassifier(
        (units,),
        alpha=penalty,
        batch_size=batch,
        max_iter=rounds,
        n_iter_no_change=rounds + 1,  # so that all rounds are made
        random_state=seed,
    )
    with warnings.catch_warnings():
        # The number of rounds is what was chosen, not a limit that was hit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(cells.vectors[chosen], cells.numbers[chosen])
    known = [int(number) for number in network.classes_]
    output = np.zeros((1 + classes, units))
    biases = np.full(1 + classes, _NEVER)
    if len(known) == 2:  # one output then: how much more likely the second is than the first
        output[known[1]], biases[known[1]] = network.coefs_[1][:, 0], network.intercepts_[1][0]
        biases[known[0]] = 0.0
    else:
        output[known], biases[known] = network.coefs_[1].T, network.intercepts_[1]
    return _Network(network.coefs_[0].T, network.intercepts_[0], output, biases)


_NEVER = -30.0
"""The output of a class of which no cell was seen."""


def _balanced(
    numbers: NDArray[np.int64], classes: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Places of the cells to learn from, some of them repeatedly."""
    clean = np.flatnonzero(numbers == GOOD_PLACE)
    present = [np.flatnonzero(numbers == number) for number in range(1, classes + 1)]
    present = [places for places in present if len(places)]
    each = max(1, len(clean) // max(1, len(present)))
    drawn = [rng.choice(places, each) for places in present]
    return np.concatenate([clean, *drawn])
