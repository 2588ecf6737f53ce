"""Drawn images are images, differ from one another, and come again with their seed."""

from __future__ import annotations

import numpy as np
import pytest

from keenline.data import procedural_fields as fields
from keenline.data import procedural_shapes as shapes
from keenline.data.procedural import procedural_image

FIELDS = [
    getattr(fields, n) for n in ["grain", "marble", "waves", "rings", "cells", "relief", "fractal"]
]
SHAPES = [shapes.dead_leaves, shapes.strokes, shapes.signs, shapes.scratches]


def test_an_image_is_an_image_and_comes_again():
    for seed in range(12):
        image = procedural_image(3, seed, side=64)
        assert image.shape == (64, 64, 3)
        assert image.dtype == np.uint8
        assert np.array_equal(image, procedural_image(3, seed, side=64))


def test_images_differ_and_use_the_whole_range():
    images = np.stack([procedural_image(0, seed, side=64) for seed in range(40)])
    small = images[:, ::16, ::16].reshape(40, -1).astype(float)
    apart = np.abs(small[:, None] - small[None]).mean(axis=2)[~np.eye(40, dtype=bool)]
    assert apart.min() > 1
    assert images.min() == 0
    assert images.max() == 255
    grey = (images[..., 0] == images[..., 1]).all(axis=(1, 2))
    assert 0 < grey.sum() < 40  # some are grey, some are not
    contrast = images.std(axis=(1, 2, 3))
    assert contrast.min() < 25
    assert contrast.max() > 60


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_between_0_and_1_and_no_plain_area(field):
    for seed in range(8):
        values = field(np.random.default_rng(seed), 48)
        assert values.shape == (48, 48)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
        assert values.min() == 0
        assert values.max() == 1
        assert values.std() > 0.005
        assert np.array_equal(values, field(np.random.default_rng(seed), 48))


@pytest.mark.parametrize("draw", SHAPES)
def test_shapes_change_some_of_the_canvas_and_leave_the_canvas_alone(draw):
    changed = []
    for seed in range(8):
        canvas = np.full((48, 48, 3), 90, np.uint8)
        drawn = draw(np.random.default_rng(seed), canvas)
        assert drawn.shape == canvas.shape
        assert drawn.dtype == np.uint8
        assert (canvas == 90).all()
        changed.append((drawn != canvas).any(axis=2).mean())
        assert np.array_equal(drawn, draw(np.random.default_rng(seed), canvas))
    assert max(changed) > 0.02


def test_what_does_not_vary_becomes_zero():
    assert (fields.unit(np.full((4, 4), 3.0)) == 0).all()
