"""Labelled cells turned into a class head: a small network taught in seconds, without torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from keenline.errors import Code, TrainingError
from keenline.models.class_head import ClassHead
from keenline.training.labelled_cells import GOOD_PLACE, Cells
from keenline.training.perceptron import Floats, learn, untaught

UNITS = 64
"""Of the hidden layer; 256 do as well, 16 do not (docs/decisions/0013-class-head.md)."""

PENALTY = 1.0
"""On half the squared weights, for a whole batch: strong, because cells of one defect are alike.
0.1, 5 and 20 told less apart."""

STEPS = 1000
"""Of learning, however many cells there are: rounds over few cells are short. 500 and 2000 did as
well."""
BATCH = 512

NETWORKS = 1
"""Taught and averaged; three and five told no more apart."""

AROUND = 0.5
"""How much the mean of the view counts beside the place. Where it counts as much, it helps classes
of fifty parts, and misleads those of a dozen, whose few views it then knows one by one."""


def fit_head(
    cells: Cells,
    classes: Sequence[str],
    *,
    seed: int,
    units: int = UNITS,
    penalty: float = PENALTY,
    steps: int = STEPS,
    networks: int = NETWORKS,
    weights: NDArray[np.float64] | None = None,
) -> ClassHead:
    """Teach a head; its shift is 0.

    Several networks that begin elsewhere and draw other cells are taught, and what they say is
    averaged: side by side they are one network of as many hidden units. Every class is drawn as
    often as any other, and good places as often as all of them together, so that a class of three
    samples is not drowned. weights: (cells,), how often a cell of a defect is drawn compared with
    the others of its class; alike when None. Raises TrainingError (LOSS_NOT_FINITE) for cells that
    are no numbers.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # said in words right below
        middle = cells.vectors.mean(axis=0)
        spread = cells.vectors.std(axis=0) + np.float32(1e-3)
    if not (np.isfinite(middle).all() and np.isfinite(spread).all()):
        raise TrainingError(
            Code.LOSS_NOT_FINITE,
            "The classes cannot be learnt: what was seen of the images is not finite",
            got="features that are no numbers, or too large for any",
            next="train the bundle with precision f32; look for an image like no other",
        )
    spread[len(spread) // 2 :] /= AROUND
    lesson = _Lesson(cells, middle, 1 / spread, len(classes), weights)
    taught = [
        _network(lesson, seed * networks + number, units, penalty, steps)
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

    hidden: Floats
    hidden_bias: Floats
    output: NDArray[np.float64]
    output_bias: NDArray[np.float64]


class _Lesson(NamedTuple):
    """What a network is taught from."""

    cells: Cells
    middle: NDArray[np.float32]
    unit: NDArray[np.float32]
    """What brings the spread of each dimension to 1."""
    classes: int
    weights: NDArray[np.float64] | None


def _network(lesson: _Lesson, seed: int, units: int, penalty: float, steps: int) -> _Network:
    cells, classes = lesson.cells, lesson.classes
    rng = np.random.default_rng(seed)
    among = _balanced(cells.numbers, classes, lesson.weights, rng)
    known, places = np.unique(cells.numbers[among], return_inverse=True)
    layers = untaught(cells.vectors.shape[1], units, len(known), rng)
    size = min(BATCH, len(among))

    def batches() -> Iterator[tuple[NDArray[np.float32], NDArray[np.intp]]]:
        for _ in range(steps):
            drawn = rng.integers(0, len(among), size)
            vectors = cells.vectors[among[drawn]]
            vectors -= lesson.middle
            vectors *= lesson.unit
            yield vectors, places[drawn]

    learn(layers, batches(), penalty)
    output = np.zeros((1 + classes, units))
    biases = np.full(1 + classes, _NEVER)
    if len(known) == 2:  # one output then: how much more likely the second is than the first
        output[known[1]], biases[known[1]] = layers.output[:, 0], layers.output_bias[0]
        biases[known[0]] = 0.0
    else:
        output[known], biases[known] = layers.output.T, layers.output_bias
    return _Network(layers.hidden.T, layers.hidden_bias, output, biases)


_NEVER = -30.0
"""The output of a class of which no cell was seen."""


def _balanced(
    numbers: NDArray[np.int64],
    classes: int,
    weights: NDArray[np.float64] | None,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Places of the cells to learn from, some of them repeatedly."""
    clean = np.flatnonzero(numbers == GOOD_PLACE)
    present = [np.flatnonzero(numbers == number) for number in range(1, classes + 1)]
    present = [places for places in present if len(places)]
    each = max(1, len(clean) // max(1, len(present)))
    drawn = [rng.choice(places, each, p=_shares(weights, places)) for places in present]
    return np.concatenate([clean, *drawn])


def _shares(
    weights: NDArray[np.float64] | None, places: NDArray[np.intp]
) -> NDArray[np.float64] | None:
    """How likely each is drawn; None where all are alike, which draws as if there were no weights,
    so that what was learnt without them is learnt again."""
    if weights is None or np.ptp(weights[places]) == 0:
        return None
    chosen = weights[places]
    return np.asarray(chosen / chosen.sum(), np.float64)
