"""Defects that a person found on parts that had passed weigh more in a lesson."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from keenline.annotation import CONFIRMED_MISS, Annotation
from keenline.models.class_head import ClassHead
from keenline.training.confirmed_misses import MISS_WEIGHT, cell_weights
from keenline.training.head_fit import fit_head
from keenline.training.labelled_cells import Cells
from keenline.types import GOOD, Sample


def marked(name: str, *, missed: bool) -> Sample:
    said = ((CONFIRMED_MISS, "yes"),) if missed else (("verdict", "REVIEW"),)
    return Sample(Path(f"{name}.png"), "dent", marks=(Annotation("dent", attributes=said),))


GOOD_PART = Sample(Path("good.png"), GOOD)
SEEN, MISSED = marked("seen", missed=False), marked("missed", missed=True)


@pytest.fixture(scope="module")
def cells() -> Cells:
    """Good places, dents far from them, and dents that passed because they are close to them."""
    rng = np.random.default_rng(0)
    places = {0: ((0.0, 0.0), 400), 1: ((6.0, 0.0), 160), 2: ((0.0, 1.2), 40)}
    vectors = [rng.normal(at, 1.0, (count, 2)) for at, count in places.values()]
    source = np.repeat(list(places), [count for _, count in places.values()])
    doubled = np.repeat(np.concatenate(vectors), 2, axis=1).astype(np.float32)
    return Cells(doubled, np.minimum(source, 1), source)


def confidence(head: ClassHead, cells: Cells, sample: int) -> float:
    inner = np.maximum(cells.vectors[cells.source == sample] @ head.hidden.T + head.hidden_bias, 0)
    raw = inner @ head.output.T + head.output_bias
    return float((1 / (1 + np.exp(raw[:, 0] - raw[:, 1]))).mean())


def taught_with(cells: Cells, weights: NDArray[np.float64] | None) -> ClassHead:
    return fit_head(cells, ["dent"], seed=0, steps=200, weights=weights)


def test_a_confirmed_miss_pulls_the_head_its_way(cells: Cells) -> None:
    weights = cell_weights(cells, [GOOD_PART, SEEN, MISSED])
    assert set(weights[cells.source == 2]) == {MISS_WEIGHT}
    assert set(weights[cells.source != 2]) == {1.0}
    plain, weighed = taught_with(cells, None), taught_with(cells, weights)
    before, after = (confidence(head, cells, 2) for head in (plain, weighed))
    assert after > before + 0.03


def test_without_a_miss_everything_is_learnt_as_before(cells: Cells) -> None:
    plain = taught_with(cells, None)
    alike = taught_with(cells, cell_weights(cells, [GOOD_PART, SEEN, SEEN]))
    assert (plain.hidden == alike.hidden).all()


def test_what_was_made_from_a_drawing_weighs_like_any_other(cells: Cells) -> None:
    made = replace(cells, source=np.full(len(cells.source), -1))
    assert set(cell_weights(made, [GOOD_PART, SEEN, MISSED])) == {1.0}
