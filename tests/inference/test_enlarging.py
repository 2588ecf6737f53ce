"""Enlarging is the `Resize` operator's, so that learning and the graph see the same map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from tests.models.graphs import in_onnxruntime

from keenline.inference.enlarging import enlarge
from keenline.models.graph_writer import GraphWriter

sides = st.integers(1, 20)


@settings(max_examples=40, deadline=None)
@given(rows=sides, columns=sides, down=st.integers(1, 60), across=st.integers(1, 60))
def test_it_is_what_onnx_says(rows: int, columns: int, down: int, across: int) -> None:
    score_map = np.random.default_rng(rows * 100 + columns).random((rows, columns), np.float32)
    writer = GraphWriter()
    target = writer.integers(1, 1, down, across)
    writer.op(
        "Resize",
        "data",
        "",
        "",
        target,
        mode="linear",
        coordinate_transformation_mode="half_pixel",
        name="large",
    )
    model = writer.model(
        "resize",
        {"data": (TensorProto.FLOAT, (1, 1, rows, columns))},
        {"large": (1, 1, down, across)},
    )
    expected = in_onnxruntime(model, {"data": score_map[None, None]})["large"][0, 0]
    np.testing.assert_allclose(enlarge(score_map, (down, across)), expected, atol=1e-5)


@given(value=st.floats(0, 1e4, width=32), factor=st.integers(1, 6))
def test_a_flat_map_stays_flat(value: float, factor: int) -> None:
    found = enlarge(np.full((3, 5), value, np.float32), (3 * factor, 5 * factor))
    np.testing.assert_allclose(found, value, rtol=1e-6)


def test_it_never_leaves_the_range_of_the_map() -> None:
    score_map = np.random.default_rng(0).random((7, 9), np.float32)
    found = enlarge(score_map, (100, 77))
    assert score_map.min() - 1e-6 <= found.min()
    assert found.max() <= score_map.max() + 1e-6


def test_the_map_given_is_left_as_it_is() -> None:
    score_map = np.random.default_rng(0).random((4, 4), np.float32)
    before = score_map.copy()
    found = enlarge(score_map, (4, 4))
    assert found == pytest.approx(before)
    found += 1
    assert np.array_equal(score_map, before)
