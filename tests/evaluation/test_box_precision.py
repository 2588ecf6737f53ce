"""Average precision of boxes is COCO's: worked by hand, and as its own code counts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from keenline.evaluation.box_precision import (
    OVERLAPS,
    Boxes,
    box_precision,
    mean_precision,
    overlap,
)


def boxes(*rows: Sequence[float], scored: bool = True) -> Boxes:
    """Rows of left, top, right, bottom, class and, where scored, how sure."""
    table = np.array(rows, np.float64).reshape(-1, 6 if scored else 5)
    scores = table[:, 5] if scored else None
    return Boxes(table[:, :4], table[:, 4].astype(np.int64), scores)


def test_overlap_is_intersection_over_union():
    first = np.array([[0.0, 0, 10, 10], [3, 3, 3, 9]])
    second = np.array([[5.0, 0, 15, 10], [0, 0, 10, 10], [20, 20, 30, 30]])
    assert overlap(first, second) == pytest.approx(np.array([[1 / 3, 1, 0], [0, 0, 0]]))


def test_worked_by_hand():
    true = [boxes((0, 0, 10, 10, 1), (20, 0, 30, 10, 1), scored=False)]
    # Sure and right, less sure and wrong, least sure and right: precision 1, then 2/3, with recall
    # 1/2 and 1; of 101 recalls 51 lie at or below 1/2.
    found = [boxes((0, 0, 10, 10, 1, 0.9), (50, 0, 60, 10, 1, 0.8), (20, 0, 30, 10, 1, 0.7))]
    by_class = box_precision(found, true)
    assert by_class[1] == pytest.approx(np.full(len(OVERLAPS), (51 + 50 * 2 / 3) / 101))
    # A second box on one that was found already is wrong.
    twice = [boxes((0, 0, 10, 10, 1, 0.9), (0, 0, 10, 10, 1, 0.8))]
    assert box_precision(twice, true, [0.5])[1] == pytest.approx([51 / 101])


def test_nothing_found_and_nothing_there():
    nothing, one = boxes(), boxes((0, 0, 10, 10, 2), scored=False)
    assert mean_precision(box_precision([nothing], [one])) == 0.0
    assert np.isnan(mean_precision(box_precision([nothing], [boxes(scored=False)])))
    # On an image without any a found box counts against those elsewhere.
    right = boxes((0, 0, 10, 10, 2, 0.5))
    assert mean_precision(box_precision([right], [one])) == 1.0
    alarmed = [boxes((0, 0, 10, 10, 2, 0.6)), right]
    assert mean_precision(box_precision(alarmed, [boxes(scored=False), one])) == 0.5


def drawn(seed: int) -> tuple[list[Boxes], list[Boxes]]:
    """Images with true boxes, and boxes found near some of them and elsewhere, with ties."""
    rng = np.random.default_rng(seed)
    found, true = [], []
    for _ in range(25):
        count = int(rng.integers(0, 6))
        low = rng.uniform(0, 80, (count, 2))
        real = np.concatenate([low, low + rng.uniform(5, 40, (count, 2))], axis=1)
        classes = rng.integers(1, 4, count)
        near = np.repeat(real, 2, axis=0) + rng.normal(0, 3, (2 * count, 4))
        else_low = rng.uniform(0, 80, (4, 2))
        other = np.concatenate([else_low, else_low + rng.uniform(5, 40, (4, 2))], axis=1)
        places = np.concatenate([near, other])
        places[:, 2:] = np.maximum(places[:, 2:], places[:, :2] + 1)
        said = np.concatenate([np.repeat(classes, 2), rng.integers(1, 4, 4)])
        scores = np.round(rng.uniform(0, 1, len(places)), 2)
        true.append(Boxes(real, classes.astype(np.int64)))
        found.append(Boxes(places, said.astype(np.int64), scores))
    return found, true


# By seed and class: at an overlap of .50, and the mean of .50 to .95. Of pycocotools 2.0.11, with
# `COCOeval(...).eval["precision"][:, :, :, 0, -1]` (all areas, 100 boxes) of the same boxes.
COCO = {
    0: [(0.42334, 0.156207), (0.321555, 0.118084), (0.227773, 0.088377)],
    1: [(0.326727, 0.112753), (0.332279, 0.147003), (0.252837, 0.101708)],
    2: [(0.447695, 0.157393), (0.320358, 0.130546), (0.39189, 0.157611)],
}


@pytest.mark.parametrize("seed", COCO)
def test_it_is_what_pycocotools_says(seed):
    by_class = box_precision(*drawn(seed))
    found = [(values[0], values.mean()) for _, values in sorted(by_class.items())]
    assert np.array(found) == pytest.approx(np.array(COCO[seed]), abs=1e-6)
