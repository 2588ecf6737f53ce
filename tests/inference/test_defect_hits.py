"""A defect is found where the map lies above the threshold on it, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from keenline.inference.defect_hits import is_found, marked_places
from keenline.types import Decision, Inspection, Prediction, Verdict


def inspection(verdict: Verdict = Verdict.REVIEW, **classes: float) -> Inspection:
    """A map of 8 x 10 cells over 80 x 100 px with one cell, (2, 3), above the threshold of 1, and
    of each class the cell (6, 7)."""
    heat = np.zeros((8, 10), np.float32)
    heat[2, 3] = 3
    maps = {}
    for name, score in classes.items():
        maps[name] = np.zeros((8, 10), np.float32)
        maps[name][6, 7] = score
    prediction = Prediction(3.0, heat, class_scores=classes, class_maps=maps)
    return Inspection(None, (100, 80), prediction, Decision(verdict, ()), 1.0, 0.0)


def spot(row: int, column: int) -> np.ndarray:
    mask = np.zeros((80, 100), bool)
    mask[row, column] = True
    return mask


@pytest.mark.parametrize(
    ("row", "column", "found"),
    [(25, 35, True), (25, 45, True), (45, 35, False), (25, 65, False), (65, 75, False)],
)
def test_on_the_place_or_a_cell_beside_it(row: int, column: int, found: bool):
    assert is_found(marked_places(inspection(), {}, 0.5), spot(row, column)) is found


def test_a_part_that_passed_has_nothing_found_on_it():
    assert not is_found(marked_places(inspection(Verdict.PASS), {}, 0.5), spot(25, 35))


def test_a_class_finds_above_its_own_limit():
    def found(limits: dict[str, float]) -> bool:
        return is_found(marked_places(inspection(dent=0.7), limits, 0.5), spot(65, 75))

    assert found({})
    assert found({"dent": 0.6})
    assert not found({"dent": 0.8})


def test_without_a_prediction_nobody_can_say():
    nothing = Inspection(None, (0, 0), None, Decision(Verdict.INVALID, ()), 1.0, 0.0)
    with pytest.raises(ValueError, match="not inspected"):
        marked_places(nothing, {}, 0.5)
