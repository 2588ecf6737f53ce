"""Good parts are looked at in every allowed way, and patches know where they are from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.small_parts import good_part

from keenline.models.patches import PatchSample, View, inspected, ways_to_look


@pytest.mark.parametrize("part", [0, 1])
def test_each_view_as_it_is_and_once_in_other_light(part: int) -> None:
    views = np.stack([good_part(0), good_part(1)])
    found = list(ways_to_look(views, part, 0.2, ()))
    assert [(view.view, view.turn) for view in found] == [(0, 0), (0, 0), (1, 0), (1, 0)]
    assert np.array_equal(found[0].pixels, views[0])
    factor = 1.2 if part else 0.8
    expected = np.clip(np.rint(views[0] * factor), 0, 255)
    assert np.abs(found[1].pixels - expected).max() <= 1
    assert all(view.pixels.dtype == np.uint8 for view in found)


def test_without_brightness_only_as_it_is() -> None:
    assert len(list(ways_to_look(good_part(0)[None], 0, 0.0, ()))) == 1


def test_rotations_turn_counter_clockwise() -> None:
    image = good_part(0)
    found = list(ways_to_look(image[None], 0, 0.0, (90, 180, 270)))
    assert [view.turn for view in found] == [0, 1, 2, 3]
    for view in found:
        assert np.array_equal(np.rot90(view.pixels, -view.turn), image)
        assert view.pixels.flags["C_CONTIGUOUS"]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 12),
    columns=st.integers(1, 12),
    turn=st.integers(0, 3),
    seed=st.integers(0, 99),
)
def test_a_cell_is_inspected_where_its_centre_is(
    rows: int, columns: int, turn: int, seed: int
) -> None:
    roi = np.random.default_rng(seed).random((48, 96)) < 0.5
    turned = np.rot90(roi, turn)
    found = inspected(roi, turn, (rows, columns))
    for row in range(rows):
        for column in range(columns):
            y = int((row + 0.5) * turned.shape[0] / rows)
            x = int((column + 0.5) * turned.shape[1] / columns)
            assert found[row, column] == turned[y, x]
    assert inspected(None, turn, (rows, columns)).all()


def test_a_sample_keeps_vectors_with_the_centres_of_their_cells() -> None:
    grid = np.arange(3 * 4 * 6, dtype=np.float32).reshape(3, 4, 6)
    sample = PatchSample()
    cells = np.array([0, 7, 23])
    sample.add(grid, cells, 5, View(good_part(0), view=2, turn=1))
    sample.add(grid, cells[:1], 6, View(good_part(0), view=0, turn=0))
    assert sample.vectors.tolist() == [
        grid[:, 0, 0].tolist(),
        grid[:, 1, 1].tolist(),
        grid[:, 3, 5].tolist(),
        grid[:, 0, 0].tolist(),
    ]
    assert sample.origins[:, :3].tolist() == [[5, 2, 1]] * 3 + [[6, 0, 0]]
    down, across = sample.origins[:, 3] / 65536 * 4, sample.origins[:, 4] / 65536 * 6
    np.testing.assert_allclose(down[:3], [0.5, 1.5, 3.5], atol=1e-3)
    np.testing.assert_allclose(across[:3], [0.5, 1.5, 5.5], atol=1e-3)
