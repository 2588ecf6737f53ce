"""Disturbed crops stay images; each disturbance does what its name says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from keenline.data.procedural import procedural_image
from keenline.training import disturbing

pytestmark = pytest.mark.train


def _crops(count: int = 8, side: int = 40) -> Any:
    import torch

    return torch.from_numpy(np.stack([procedural_image(2, n, side=side) for n in range(count)]))


def _changed(change: Any, data: Any) -> Any:
    import torch

    chance = torch.Generator()
    chance.manual_seed(0)
    return change(data, torch.arange(len(data)), chance)


def test_images_of_the_side_asked_for_that_come_again_with_their_seed():
    crops = _crops()
    kept = crops.clone()
    images = disturbing.disturbed(crops, 32, 5).numpy()
    assert images.shape == (8, 32, 32, 3)
    assert images.dtype == np.uint8
    assert np.array_equal(crops.numpy(), kept.numpy())
    assert np.array_equal(images, disturbing.disturbed(crops, 32, 5).numpy())
    assert not np.array_equal(images, disturbing.disturbed(crops, 32, 6).numpy())


def test_one_crop_alone_is_enough():
    assert disturbing.disturbed(_crops(1), 32, 0).shape == (1, 32, 32, 3)


def test_a_plain_crop_shows_no_border_however_it_is_turned():
    import torch

    chance = torch.Generator()
    chance.manual_seed(0)
    turned = disturbing._turned(torch.full((16, 3, 40, 40), 0.5), 32, chance)
    assert torch.allclose(turned, torch.tensor(0.5), atol=1e-5)


def test_all_quarter_turns_and_mirrors_are_seen():
    import torch

    crop = torch.zeros(1, 3, 40, 40)
    crop[..., :8] = 1.0  # bright on the left
    chance = torch.Generator()
    chance.manual_seed(0)
    turned = disturbing._turned(crop.expand(64, -1, -1, -1), 32, chance)
    edges = [turned[..., :4], turned[..., -4:], turned[..., :4, :], turned[..., -4:, :]]
    brightest = torch.stack([e.mean((1, 2, 3)) for e in edges]).argmax(0)
    assert set(brightest.tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize("change", [change for _, change in disturbing._CHANGES])
def test_every_disturbance_keeps_the_shape_and_changes_something(change: Any):
    data = _crops(6).permute(0, 3, 1, 2).float() / 255
    changed = _changed(change, data)
    assert changed.shape == data.shape
    assert not np.allclose(changed.numpy(), data.numpy())
    assert np.isfinite(changed.numpy()).all()


def test_blur_smooths_and_keeps_the_brightness():
    data = _crops(6).permute(0, 3, 1, 2).float() / 255
    blurred = _changed(disturbing._blurred, data)
    assert (blurred.var((2, 3)) <= data.var((2, 3)) + 1e-4).all()
    assert np.allclose(blurred.mean((1, 2, 3)), data.mean((1, 2, 3)), atol=0.03)


def test_grey_is_grey():
    grey = _changed(disturbing._grey, _crops(4).permute(0, 3, 1, 2).float())
    assert (grey[:, 0] == grey[:, 1]).all()
    assert (grey[:, 0] == grey[:, 2]).all()
