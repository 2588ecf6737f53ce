"""Local binary patterns in the graph against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from onnx import TensorProto
from skimage.feature import local_binary_pattern
from tests.models.graphs import ENGINES

from keenline.models.graph_writer import GraphWriter
from keenline.models.local_binary_pattern import CODES, add_local_binary_pattern


def _codes(grey: NDArray[np.uint8], engine: str) -> NDArray[np.float32]:
    """Codes of all pixels but the outermost ring."""
    writer = GraphWriter()
    codes = add_local_binary_pattern(writer, "grey")
    writer.op("Identity", codes, name="codes")
    shape = (1, 1, *grey.shape)
    model = writer.model(
        "lbp",
        {"grey": (TensorProto.FLOAT, shape)},
        {"codes": (1, 1, grey.shape[0] - 2, grey.shape[1] - 2)},
    )
    found = ENGINES[engine](model, {"grey": grey.astype(np.float32).reshape(shape)})["codes"]
    return found.reshape(grey.shape[0] - 2, grey.shape[1] - 2)


def _reference(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    codes = local_binary_pattern(grey, P=8, R=1, method="uniform")  # type: ignore[no-untyped-call]
    return np.asarray(codes)[1:-1, 1:-1]


@pytest.mark.parametrize("engine", ENGINES)
def test_noise_gives_scikit_images_codes_at_every_pixel(engine: str) -> None:
    grey = np.random.default_rng(1).integers(0, 256, (160, 200), dtype=np.uint8)
    np.testing.assert_array_equal(_codes(grey, engine), _reference(grey))


@pytest.mark.parametrize("engine", ENGINES)
def test_faint_texture_with_many_ties_agrees_nearly_everywhere(engine: str) -> None:
    # On a tie, scikit-image's float64 rounding decides, which may change with its version; the
    # graph counts a tie as equal.
    rng = np.random.default_rng(2)
    grey = (100 + np.cumsum(rng.integers(-1, 2, (160, 200)), axis=1)).astype(np.uint8)
    agreement = (_codes(grey, engine) == _reference(grey)).mean()
    assert agreement > 0.99


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("level", [0, 1, 77, 128, 254, 255])
def test_a_flat_surface_is_all_ties_at_every_level(engine: str, level: int) -> None:
    codes = _codes(np.full((8, 9), level, np.uint8), engine)
    np.testing.assert_array_equal(codes, np.full((6, 7), 8.0))


@settings(max_examples=20, deadline=None)
@given(arrays(np.uint8, (7, 7), elements=st.integers(0, 255)), st.integers(1, 3))
def test_codes_do_not_turn_with_the_image(grey: NDArray[np.uint8], turns: int) -> None:
    turned = np.rot90(_codes(grey, "onnxruntime"), turns)
    np.testing.assert_array_equal(_codes(np.rot90(grey, turns).copy(), "onnxruntime"), turned)


def test_codes_stay_in_range_and_use_all_of_it() -> None:
    grey = np.random.default_rng(3).integers(0, 256, (64, 64), dtype=np.uint8)
    assert set(np.unique(_codes(grey, "onnxruntime"))) == set(range(CODES))
