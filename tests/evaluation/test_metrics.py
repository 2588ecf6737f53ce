"""Ranking metrics against scikit-learn and against the slow, obvious way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as PillowImage
from skimage.measure import label
from sklearn import metrics as reference

from keenline.evaluation.metrics import (
    PixelMetrics,
    auroc,
    average_precision,
    enlarge,
    f1_max,
    roc_curve,
)

# Few distinct values, so that ties are common.
tied = st.lists(st.integers(0, 6).map(float), min_size=1, max_size=40)


def _labelled(good: list[float], defective: list[float]) -> tuple[list[int], list[float]]:
    return [0] * len(good) + [1] * len(defective), good + defective


@given(tied, tied)
def test_auroc_and_precision_agree_with_sklearn(good: list[float], defective: list[float]) -> None:
    truth, scores = _labelled(good, defective)
    assert auroc(good, defective) == pytest.approx(reference.roc_auc_score(truth, scores))
    expected = reference.average_precision_score(truth, scores)
    assert average_precision(good, defective) == pytest.approx(expected)


@given(tied, tied)
def test_auroc_mirrors_and_ignores_scale(good: list[float], defective: list[float]) -> None:
    value = auroc(good, defective)
    assert value + auroc(defective, good) == pytest.approx(1.0)
    assert auroc(np.exp(good), np.exp(defective)) == pytest.approx(value)


@given(tied, tied)
def test_f1_max_is_reached_at_its_threshold_and_nowhere_exceeded(
    good: list[float], defective: list[float]
) -> None:
    truth, scores = _labelled(good, defective)
    best, threshold = f1_max(good, defective)
    assert reference.f1_score(truth, np.array(scores) > threshold) == pytest.approx(best)
    for other in {*scores, -1.0}:
        assert reference.f1_score(truth, np.array(scores) > other) <= best + 1e-12


@given(tied, tied)
def test_roc_curve_runs_from_nothing_to_everything(
    good: list[float], defective: list[float]
) -> None:
    false_alarms, recall, thresholds = roc_curve(good, defective)
    assert (false_alarms[0], recall[0], false_alarms[-1], recall[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(recall, false_alarms) == pytest.approx(auroc(good, defective))
    assert (np.diff(thresholds) < 0).all()


def test_one_sided_or_broken_scores_are_refused() -> None:
    for metric in (auroc, average_precision, f1_max, roc_curve):
        with pytest.raises(ValueError, match="needs good and defective"):
            metric([], [1.0])
        with pytest.raises(ValueError, match="not finite"):
            metric([np.nan], [1.0])


def _scene(
    seed: int, shape: tuple[int, int] = (48, 64)
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    random = np.random.default_rng(seed)
    mask = np.zeros(shape, bool)
    for _ in range(random.integers(1, 5)):
        y, x = random.integers(0, shape[0] - 12), random.integers(0, shape[1] - 12)
        mask[y : y + random.integers(1, 12), x : x + random.integers(1, 12)] = True
    scores = random.gamma(2.0, 1.0, shape) + mask * random.gamma(2.0, 1.5)
    return scores.astype(np.float32), mask


def _naive_au_pro(
    scores: list[NDArray[np.float32]], masks: list[NDArray[np.bool_]], limit: float
) -> float:
    """The definition, threshold by threshold, without binning."""
    good = np.concatenate([s[~m] for s, m in zip(scores, masks, strict=True)])
    regions = []
    for score, mask in zip(scores, masks, strict=True):
        marked = label(mask, connectivity=2)
        regions += [score[marked == k] for k in range(1, marked.max() + 1)]
    points = [(0.0, 0.0)]
    for threshold in np.unique(np.concatenate([good, *regions]))[::-1]:
        overlap = np.mean([np.mean(region >= threshold) for region in regions])
        points.append((float(np.mean(good >= threshold)), float(overlap)))
    x, y = np.array(points).T
    last = np.interp(limit, x, y)
    inside = x <= limit
    return float(np.trapezoid(np.append(y[inside], last), np.append(x[inside], limit)) / limit)


@pytest.mark.parametrize("limit", [0.05, 0.3])
def test_au_pro_agrees_with_the_definition(limit: float) -> None:
    scenes = [_scene(seed) for seed in range(4)]
    pixels = PixelMetrics()
    for scores, mask in scenes:
        pixels.add(scores, mask)
    expected = _naive_au_pro([s for s, _ in scenes], [m for _, m in scenes], limit)
    value = pixels.au_pro(limit)
    assert value == pytest.approx(expected, abs=pixels.au_pro_error(limit) + 1e-6)
    assert pixels.au_pro_error(limit) < 2e-3


def test_pixel_auroc_and_precision_agree_with_sklearn_within_the_stated_error() -> None:
    scenes = [_scene(seed) for seed in range(6)]
    pixels = PixelMetrics()
    for scores, mask in scenes:
        pixels.add(scores, mask)
    truth = np.concatenate([mask.ravel() for _, mask in scenes])
    values = np.concatenate([scores.ravel() for scores, _ in scenes])
    assert pixels.auroc() == pytest.approx(
        reference.roc_auc_score(truth, values), abs=pixels.auroc_error()
    )
    assert pixels.auroc_error() < 1e-3
    assert pixels.average_precision() == pytest.approx(
        reference.average_precision_score(truth, values), abs=2e-3
    )


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_pixel_metrics_need_no_known_range(scale: float) -> None:
    scores, mask = _scene(3)
    plain, scaled = PixelMetrics(), PixelMetrics()
    plain.add(scores, mask)
    scaled.add((scores * np.float32(scale)).astype(np.float32), mask)
    assert scaled.auroc() == pytest.approx(plain.auroc(), abs=2e-3)
    assert scaled.au_pro() == pytest.approx(plain.au_pro(), abs=2e-3)


def test_perfect_and_useless_maps() -> None:
    _, mask = _scene(1)
    perfect, useless = PixelMetrics(), PixelMetrics()
    perfect.add(mask.astype(np.float32), mask)
    useless.add(np.zeros(mask.shape, np.float32), mask)
    assert perfect.auroc() == perfect.average_precision() == perfect.au_pro() == 1.0
    assert useless.auroc() == 0.5
    assert useless.au_pro(0.3) == pytest.approx(0.15)


def test_each_defect_counts_the_same_whatever_its_size() -> None:
    mask = np.zeros((40, 40), bool)
    mask[0, 0] = True
    mask[10:30, 10:30] = True
    scores = np.zeros((40, 40), np.float32)
    scores[0, 0] = 1.0  # only the speck is found
    pixels = PixelMetrics()
    pixels.add(scores, mask)
    assert pixels.regions == 2
    assert pixels.au_pro(0.3) == pytest.approx(0.5 + 0.5 * 0.15)


def test_diagonal_neighbours_are_one_region() -> None:
    mask = np.eye(8, dtype=bool)
    pixels = PixelMetrics()
    pixels.add(np.ones((8, 8), np.float32), mask)
    assert pixels.regions == 1


def test_without_defects_or_without_good_pixels_nothing_is_defined() -> None:
    pixels = PixelMetrics()
    pixels.add(np.ones((4, 4), np.float32), None)
    assert pixels.auroc() is pixels.average_precision() is pixels.au_pro() is None
    assert pixels.auroc_error() == pixels.au_pro_error() == 0.0
    everything = PixelMetrics()
    everything.add(np.ones((4, 4), np.float32), np.ones((4, 4), bool))
    assert everything.au_pro() is None


def test_broken_maps_are_refused_and_negative_zero_is_zero() -> None:
    pixels = PixelMetrics()
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="score map"):
            pixels.add(np.full((2, 2), bad, np.float32), None)
    mask = np.array([[True, False]])
    pixels.add(np.array([[0.0, -0.0]], np.float32), mask)
    assert pixels.auroc() == 0.5


def test_maps_smaller_than_their_mask_are_enlarged() -> None:
    mask = np.zeros((40, 60), bool)
    mask[:20] = True
    pixels = PixelMetrics()
    pixels.add(np.array([[1.0], [0.0]], np.float32), mask)
    assert pixels.auroc() == 1.0


@pytest.mark.parametrize("shape", [(7, 5), (14, 30), (1, 1), (50, 5)])
def test_enlarging_agrees_with_pillow(shape: tuple[int, int]) -> None:
    grid = np.random.default_rng(0).random((7, 5)).astype(np.float32)
    if shape < grid.shape:
        shape = (7, 11)
    expected = PillowImage.fromarray(grid).resize(
        (shape[1], shape[0]), PillowImage.Resampling.BILINEAR
    )
    assert enlarge(grid, shape) == pytest.approx(np.asarray(expected), abs=1e-5)
