"""After a U-Net is taught, one half is where marking places does best on the parts left out."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.train


def counts_of(good, defective):
    from keenline.training.supervised.levelling import pixels_of

    there = np.repeat([False, True], [len(good), len(defective)])
    return pixels_of(np.concatenate([good, defective])[None], there[None])


def test_the_level_is_where_pixel_f1_is_highest_by_trying_all():
    from keenline.training.supervised.levelling import best_level

    rng = np.random.default_rng(3)
    good, defective = rng.normal(-1, 1.5, 20000), rng.normal(3, 1, 500)
    tried = np.linspace(-9, 9, 1801)
    reached = [
        2 * (defective > t).sum() / ((good > t).sum() + (defective > t).sum() + 500) for t in tried
    ]
    found, highest = best_level(counts_of(good, defective))
    assert highest == pytest.approx(max(reached), abs=0.01)
    at = reached[int(np.abs(tried - found).argmin())]
    assert at >= 0.99 * max(reached)
    assert found == pytest.approx(tried[int(np.argmax(reached))], abs=0.3)


def test_without_a_defect_nothing_is_moved():
    from keenline.training.supervised.levelling import best_level

    assert best_level(counts_of(np.zeros(50), np.empty(0))) == (0.0, 1.0)
