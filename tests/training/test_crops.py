"""Crops of a step follow from the seed and the step, also those of drawn images."""

from __future__ import annotations

import numpy as np
from PIL import Image as PillowImage

from keenline.training.crops import MARGIN, Pool, crops_of, fixed_crops
from keenline.training.unlabelled import Unlabelled


def _plain(*shades: int, size: tuple[int, int] = (90, 60)) -> Unlabelled:
    pictures = tuple(PillowImage.new("L", size, shade) for shade in shades)
    return Unlabelled(pictures, np.full(len(shades), 1 / len(shades)), (), len(shades), ())


def _crops(step: int, **changed: object) -> np.ndarray:
    asked = {
        "seed": 1,
        "unlabelled": _plain(10, 20, 30),
        "pool": [PillowImage.new("RGB", (64, 64), (250, 250, 250))],
        "share": 0.5,
        "count": 12,
        "side": 32,
    }
    return crops_of(step, **(asked | changed))  # type: ignore[arg-type]


def test_crops_have_a_margin_for_turning_and_come_again():
    crops = _crops(4)
    assert crops.shape == (12, round(32 * MARGIN), round(32 * MARGIN), 3)
    assert crops.dtype == np.uint8
    assert np.array_equal(crops, _crops(4))
    assert not np.array_equal(crops, _crops(5))
    assert not np.array_equal(crops, _crops(4, seed=2))


def test_the_share_says_how_many_are_drawn():
    def drawn(**changed: object) -> float:
        return float(np.mean([(_crops(n, **changed)[:, 0, 0, 0] > 200).mean() for n in range(30)]))

    assert drawn(share=0.0) == 0
    assert drawn(share=1.0) == 1
    assert 0.35 < drawn(share=0.5) < 0.65
    assert drawn(pool=[]) == 0  # nothing drawn: photos take their place


def test_weights_say_how_often_a_picture_is_seen():
    pictures = _plain(10, 200)
    uneven = Unlabelled(pictures.pictures, np.array([0.9, 0.1]), (), 2, ())
    crops = np.concatenate([_crops(n, unlabelled=uneven, share=0.0) for n in range(20)])
    assert 0.82 < (crops[:, 0, 0, 0] == 10).mean() < 0.97


def test_a_narrow_picture_is_not_squeezed():
    # Stripes along a narrow strip keep their distance from one another in both directions.
    stripes = np.zeros((40, 400), np.uint8)
    stripes[::8] = 255
    stripes[:, ::8] = 255
    picture = PillowImage.fromarray(stripes)
    unlabelled = Unlabelled((picture,), np.ones(1), (), 1, ())
    for step in range(10):
        for crop in _crops(step, unlabelled=unlabelled, share=0.0, side=64)[..., 0]:
            down, across = (np.abs(np.diff(crop.astype(float), axis=axis)) for axis in (0, 1))
            assert 0.4 < down.mean() / across.mean() < 2.5


def test_the_pool_is_what_it_is_at_a_step_however_one_gets_there():
    walked, jumped = (Pool(7, 3, per_step=0.5, side=24) for _ in range(2))
    walked.fill(0)
    first = [p.tobytes() for p in walked.at(0)]
    for step in range(10):
        walked.at(step)
    jumped.fill(9)
    after = [p.tobytes() for p in walked.at(9)]
    assert after == [p.tobytes() for p in jumped.at(9)]
    assert after != first
    assert len(set(after)) == 3


def test_one_place_of_the_pool_changes_at_a_time():
    pool = Pool(7, 4, per_step=1.0, side=24)
    pool.fill(0)
    before = [p.tobytes() for p in pool.at(0)]
    for step in range(1, 9):
        now = [p.tobytes() for p in pool.at(step)]
        assert sum(a != b for a, b in zip(before, now, strict=True)) == 1
        before = now


def test_an_empty_pool():
    pool = Pool(0, 0)
    pool.fill(5)
    assert pool.at(9) == []


def test_crops_to_measure_with_are_fixed():
    pictures = _plain(10, 20).pictures
    crops = fixed_crops(pictures, seed=0, count=5, side=32)
    assert crops.shape == (5, 32, 32, 3)
    assert crops[:, 0, 0, 0].tolist() == [10, 20, 10, 20, 10]
