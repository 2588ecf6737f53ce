"""Defects of a mask taken apart and measured: by hand, by scikit-image, in any position."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import regionprops

from keenline.data.defect_sizes import diameter, length, separate


def test_a_pixel_a_row_and_a_rectangle():
    mask = np.zeros((20, 30), bool)
    assert length(mask) == 0
    mask[4, 5] = True
    assert length(mask) == pytest.approx(math.sqrt(2))
    mask[4, 5:15] = True
    assert length(mask) == pytest.approx(math.hypot(10, 1))
    mask[4:8, 5:15] = True
    assert length(mask) == pytest.approx(math.hypot(10, 4))
    assert diameter(mask) == pytest.approx(2 * math.sqrt(40 / math.pi))


@given(st.integers(0, 2**32 - 1))
def test_length_is_that_of_scikit_image_and_survives_turning(seed: int):
    random = np.random.default_rng(seed)
    mask = np.zeros((24, 24), bool)
    rows, columns = random.integers(2, 22, (2, 12))
    mask[rows, columns] = True
    mask[rows.min() : rows.max() + 1, columns[0]] = True
    mine = length(mask)
    theirs = regionprops(mask.astype(int))[0].feret_diameter_max
    # Theirs ends in the middle of a pixel's side, ours at its corner: up to half a pixel at each.
    assert theirs - 1e-9 <= mine <= theirs + math.sqrt(2)
    assert length(np.rot90(mask)) == pytest.approx(mine)
    assert length(np.flipud(mask)) == pytest.approx(mine)


def test_places_near_each_other_are_one_defect_where_asked():
    mask = np.zeros((10, 20), bool)
    mask[5, 2], mask[4, 3], mask[5, 8] = True, True, True
    assert [int(each.sum()) for each in separate(mask)] == [2, 1]  # a diagonal does not separate
    assert len(separate(mask, join=3)) == 2
    (whole,) = separate(mask, join=4)
    assert (whole == mask).all()
    assert separate(np.zeros((4, 4), bool)) == []
