"""Regions lie where the map is high, with the size the defect has on the part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from keenline.inference.regions import LARGEST_NUMBER, find_regions
from keenline.types import ANOMALY, ScoreMap

CELL = 8


def _map(rows: int = 30, columns: int = 40) -> NDArray[np.float32]:
    return np.zeros((rows, columns), np.float32)


def _size(score_map: ScoreMap) -> tuple[int, int]:
    return score_map.shape[1] * CELL, score_map.shape[0] * CELL


def test_a_blob_has_its_place_and_size() -> None:
    score_map = _map()
    score_map[10:16, 20:30] = 10.0  # 80 x 48 px from (160, 80)
    (region,) = find_regions(score_map, 5.0, _size(score_map), pixel_size_mm=0.1)
    assert region.class_name == ANOMALY
    assert region.score == pytest.approx(10.0)
    assert region.area_px == pytest.approx(80 * 48, rel=0.05)
    assert region.area_mm2 == pytest.approx(region.area_px * 0.01, rel=1e-3)
    assert abs(region.box.x - 160) <= 2
    assert abs(region.box.y - 80) <= 2
    assert abs(region.box.width - 80) <= 4
    assert abs(region.box.height - 48) <= 4


def test_a_disc_has_its_area_although_cells_are_square() -> None:
    y, x = np.mgrid[:60, :60] + 0.5
    score_map = np.clip(15 - np.hypot(x - 30, y - 30), 0, None).astype(np.float32)
    (region,) = find_regions(score_map, 5.0, (480, 480))
    assert region.area_px == pytest.approx(np.pi * (10 * CELL) ** 2, rel=0.02)
    assert region.area_mm2 is None


def test_sizes_are_in_pixels_of_the_image_as_it_was_read() -> None:
    score_map = _map()
    score_map[5:10, 5:10] = 1.0
    small, large = (find_regions(score_map, 0.5, size)[0] for size in ((320, 240), (1280, 960)))
    assert large.area_px == pytest.approx(16 * small.area_px, rel=1e-3)
    assert large.box.width == pytest.approx(4 * small.box.width, abs=4)


def test_cells_that_touch_at_a_corner_are_one_region() -> None:
    score_map = _map()
    score_map[10:13, 10:13] = 4.0
    score_map[13:16, 13:16] = 4.0
    assert len(find_regions(score_map, 1.0, _size(score_map))) == 1
    score_map[:] = 0
    score_map[10:13, 10:13] = 4.0
    score_map[15:18, 15:18] = 4.0
    assert len(find_regions(score_map, 2.0, _size(score_map))) == 2


def test_the_highest_come_first_and_no_more_than_anyone_reads() -> None:
    score_map = _map(80, 80)
    score_map[::5, ::5] = 1 + np.arange(256).reshape(16, 16)
    regions = find_regions(score_map, 0.5, _size(score_map))
    scores = [region.score for region in regions]
    assert len(regions) == LARGEST_NUMBER
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(256, rel=1e-4)


def test_nothing_above_the_threshold_is_no_region() -> None:
    score_map = _map()
    score_map[3, 3] = 1.0
    assert find_regions(score_map, 1.0, _size(score_map)) == ()


@settings(max_examples=80, deadline=None)
@given(
    row=st.integers(0, 29),
    column=st.integers(0, 39),
    excess=st.floats(0.01, 5),
    ground=st.floats(0, 0.99),
)
def test_one_cell_above_the_threshold_is_always_shown_where_it_is(
    row: int, column: int, excess: float, ground: float
) -> None:
    score_map = np.full((30, 40), ground, np.float32)
    score_map[row, column] = 1 + excess
    (region,) = find_regions(score_map, 1.0, (320, 240))
    assert region.score == pytest.approx(1 + excess, rel=1e-5)
    box = region.box
    middle = (column + 0.5) * CELL, (row + 0.5) * CELL
    assert box.x - 1 <= middle[0] <= box.x + box.width + 1
    assert box.y - 1 <= middle[1] <= box.y + box.height + 1


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    threshold=st.floats(0.05, 0.95),
    width=st.integers(32, 500),
    height=st.integers(32, 500),
)
def test_boxes_stay_inside_the_image(seed: int, threshold: float, width: int, height: int) -> None:
    score_map = np.random.default_rng(seed).random((9, 13), np.float32)
    for region in find_regions(score_map, threshold, (width, height)):
        box = region.box
        assert box.x >= 0
        assert box.y >= 0
        assert box.width >= 1
        assert box.height >= 1
        assert box.x + box.width <= width
        assert box.y + box.height <= height
        assert 0 < region.area_px <= width * height * 1.001
        assert region.score > threshold


def test_what_lies_outside_the_region_of_interest_is_not_reported() -> None:
    score_map = _map()
    score_map[5:8, 5:8] = score_map[20:24, 30:34] = 3.0
    roi = np.zeros((240, 320), bool)
    roi[100:, :] = True
    (region,) = find_regions(score_map, 1.0, (320, 240), roi=roi)
    assert region.box.y > 150
