"""A good image stays unpainted, a defect is painted, and colours keep their order."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.color import deltaE_cie76, rgb2lab

from keenline.report.colour import ember, hex_colour
from keenline.report.overlay import cut, heat_layer, outline_layer, paint, shrink
from keenline.types import ANOMALY, Box, Region


def test_the_colour_scale_only_gets_lighter_in_even_steps() -> None:
    lab = rgb2lab(ember()[None] / 255.0)[0]
    assert (np.diff(lab[:, 0]) > 0).all()
    steps = deltaE_cie76(lab[:-16], lab[16:])
    assert steps.max() / steps.min() < 2.5  # in CIELAB; a rainbow has 10 and more
    assert hex_colour(0) != hex_colour(1)


def test_below_the_threshold_nothing_is_painted() -> None:
    quiet = np.full((4, 4), 0.79, np.float32)
    assert heat_layer(quiet, 1.0, (40, 40))[..., 3].max() == 0


def test_more_anomalous_is_more_opaque_and_lighter() -> None:
    scores = np.array([[0.5, 1.0, 1.5, 2.0, 50.0]], np.float32)
    layer = heat_layer(scores, 1.0, (1, 5))
    alpha = layer[0, :, 3].astype(int)
    assert (np.diff(alpha[:4]) > 0).all()
    assert alpha[3] == alpha[4] < 255
    assert (layer[0, 4, :3] == ember()[-1]).all()


def test_the_scale_is_relative_to_the_threshold() -> None:
    scores = np.random.default_rng(0).random((6, 8)).astype(np.float32) * 3
    one = heat_layer(scores, 1.0, (60, 80))
    other = heat_layer(scores * np.float32(1024), 1024.0, (60, 80))
    assert (one == other).all()


def test_a_threshold_of_zero_paints_what_is_above_it() -> None:
    layer = heat_layer(np.array([[0.0, 0.1]], np.float32), 0.0, (1, 2))
    assert layer[0, 0, 3] == 0
    assert layer[0, 1, 3] > 0


def test_the_outline_surrounds_the_defect_and_leaves_it_visible() -> None:
    mask = np.zeros((400, 400), bool)
    mask[100:200, 150:250] = True
    layer = outline_layer(mask, (200, 200))
    assert layer[60:90, 80:120, 3].max() == 0
    assert layer[49, 100, 3] == 255
    assert layer[:40, :, 3].max() == 0


def test_a_hairline_keeps_its_outline_when_the_picture_is_small() -> None:
    mask = np.zeros((1000, 1000), bool)
    mask[500, 100:900] = True
    assert outline_layer(mask, (100, 100))[..., 3].any()


def test_a_defect_that_fills_the_image_is_outlined_at_its_rim() -> None:
    layer = outline_layer(np.ones((50, 50), bool), (50, 50))
    assert layer[0, :, 3].min() == 255
    assert layer[25, 25, 3] == 0


def test_paint_keeps_the_size_and_changes_only_what_is_anomalous() -> None:
    image = np.full((100, 120, 3), 128, np.uint8)
    scores = np.zeros((10, 12), np.float32)
    scores[5, 6] = 3.0
    region = Region(ANOMALY, Box(55, 45, 20, 20), 100.0, 3.0)
    mask = np.zeros((100, 120), bool)
    mask[52:58, 60:68] = True
    picture = paint(image, scores, 1.0, (region,), mask)
    assert picture.shape == image.shape
    assert (picture[:30] == 128).all()
    assert (picture[45:65, 55:75] != 128).any()


@pytest.mark.parametrize("box", [Box(0, 0, 5, 5), Box(90, 70, 10, 10), Box(20, 10, 60, 4)])
def test_a_crop_holds_its_region_and_stays_inside(box: Box) -> None:
    image = np.zeros((80, 100, 3), np.uint8)
    image[box.y : box.y + box.height, box.x : box.x + box.width] = 255
    piece = cut(image, Region(ANOMALY, box, 1.0, 1.0))
    assert (piece == 255).sum() == 3 * box.width * box.height
    assert piece.shape[0] <= 80


def test_shrinking_keeps_the_aspect_ratio_and_never_enlarges() -> None:
    assert shrink(np.zeros((1000, 500, 3), np.uint8), 640).shape == (640, 320, 3)
    assert shrink(np.zeros((10, 5, 3), np.uint8), 640).shape == (10, 5, 3)
