"""Charts draw what the numbers say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from keenline.evaluation.intervals import Proportion
from keenline.evaluation.metrics import roc_curve
from keenline.report.charts import bound_bar, histogram, roc

NAMES = ("good", "defective")
NOTHING = np.zeros(0)


def _bars(svg: str, css: str) -> list[tuple[float, float, float]]:
    """x, width and height of the bars of one group."""
    found = re.findall(
        rf'<rect class="{css}" x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="([\d.]+)"', svg
    )
    return [(float(x), float(width), float(height)) for x, width, height in found]


def _limit(svg: str) -> float:
    found = re.search(r'<line class="limit" x1="([\d.]+)"', svg)
    assert found
    return float(found.group(1))


@pytest.mark.parametrize("spread", [0.1, 30.0])
def test_no_bar_holds_scores_from_both_sides_of_the_threshold(spread: float) -> None:
    random = np.random.default_rng(2)
    svg = histogram(random.random(50), 0.5 + spread * random.random(50), 1.0, NAMES)
    ElementTree.fromstring(svg)
    limit = _limit(svg)
    for x, width, _ in _bars(svg, "good") + _bars(svg, "bad"):
        assert x + width <= limit or x >= limit


def test_an_equal_score_is_drawn_on_the_passing_side() -> None:
    svg = histogram(np.array([0.2, 1.0]), NOTHING, 1.0, NAMES)
    assert all(x + width <= _limit(svg) for x, width, _ in _bars(svg, "good"))


def test_decades_get_a_logarithmic_axis() -> None:
    assert "logarithmic" in histogram(np.array([0.1, 0.9]), np.array([50.0]), 1.0, NAMES)
    assert "logarithmic" not in histogram(np.array([0.1, 0.9]), np.array([5.0]), 1.0, NAMES)
    assert "logarithmic" not in histogram(np.array([0.0, 0.9]), np.array([50.0]), 1.0, NAMES)


@pytest.mark.parametrize("scores", [[0.0], [1.0], [1.0] * 9, [1e-30, 2e-30], [1e9, 3e9]])
def test_odd_scores_are_drawn(scores: list[float]) -> None:
    for threshold in (0.0, 1.0, 1e9):
        ElementTree.fromstring(histogram(np.array(scores), NOTHING, threshold, NAMES))


def test_an_empty_group_is_left_out() -> None:
    assert histogram(NOTHING, NOTHING, 1.0, NAMES) == ""
    assert "defective" not in histogram(np.ones(3), NOTHING, 1.0, NAMES)


def test_charts_are_told_to_a_screen_reader() -> None:
    svg = histogram(np.array([0.5, 2.0]), np.array([3.0]), 1.0, NAMES)
    assert 'role="img"' in svg
    assert "good: 2 images, 1 above the threshold; defective: 1 images, 1 above" in svg


def test_roc_leaves_out_points_on_a_straight_line() -> None:
    good, bad = np.arange(2000.0), np.arange(1000.0, 3000.0) + 0.5
    false_alarms, recall, _ = roc_curve(good, bad)
    svg = roc(false_alarms, recall, (0.1, 0.9))
    ElementTree.fromstring(svg)
    path = re.search(r'class="curve" d="M([^"]*)"', svg)
    assert path
    assert path.group(1).startswith("58.0,260.0L")
    assert path.group(1).endswith("308.0,18.0")
    perfect = roc(*roc_curve(np.arange(500.0), np.arange(500.0) + 900)[:2], (0.0, 1.0))
    assert len(perfect) < 2000


def test_a_bar_spans_value_and_bound() -> None:
    share = Proportion.of(8, 10)
    svg = bound_bar(share, upper=False)
    x, width, _ = _bars(svg, "reach")[0]
    assert x == pytest.approx(160 * share.lower95, abs=0.1)
    assert x + width == pytest.approx(160 * 0.8, abs=0.2)
    assert "80.0 %, at least 49.3 %" in svg
    assert bound_bar(Proportion.of(0, 0), upper=True) == ""
