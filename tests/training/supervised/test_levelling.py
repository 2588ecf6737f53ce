"""After a U-Net is taught, one half is where marking places does best on the parts left out."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.train


def counts_of(good, defective):
    from keenline.training.supervised.levelling import pixels_of

    there = np.repeat([False, True], [len(good), len(defective)])
    return pixels_of(np.concatenate([good, defective])[None], there[None])


def test_the_level_is_where_dice_is_highest_by_trying_all():
    from keenline.training.supervised.levelling import best_level

    rng = np.random.default_rng(3)
    views = [(rng.normal(-2, 1.5, 20000), rng.normal(3, 1, number)) for number in (400, 3000, 0)]
    tried = np.linspace(-9, 9, 721)

    def dice(good, defective, level):
        said, hit = (good > level).sum() + (defective > level).sum(), (defective > level).sum()
        return (2 * hit + 50) / (said + len(defective) + 50)

    each = np.array([[dice(*view, level) for level in tried] for view in views])
    reached = (each[:2].mean(axis=0) + each[2]) / 2
    found, highest = best_level([counts_of(*view) for view in views])
    assert highest == pytest.approx(reached.max(), abs=0.01)
    assert reached[int(np.abs(tried - found).argmin())] >= 0.98 * reached.max()


def test_a_large_stain_that_is_missed_does_not_decide_for_all():
    from keenline.training.supervised.levelling import best_level

    seen = counts_of(np.full(60000, -4.0), np.full(500, 4.0))
    missed = counts_of(np.full(10000, -6.0), np.full(50000, -5.0))
    found, _ = best_level([seen] * 9 + [missed, counts_of(np.full(60000, -4.0), np.empty(0))])
    assert -4 <= found <= 4


def test_without_a_defect_nothing_is_moved():
    from keenline.training.supervised.levelling import best_level

    assert best_level([counts_of(np.zeros(50), np.empty(0))]) == (0.0, 1.0)
