"""Components from sums are the components of all the data at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from keenline.models.projection import RIDGE, WHITENING, StreamingPca


def _data(seed: int, number: int = 600, channels: int = 12) -> NDArray[np.float32]:
    """Correlated, with variances over four orders of magnitude and means away from zero."""
    rng = np.random.default_rng(seed)
    turned, _ = np.linalg.qr(rng.normal(size=(channels, channels)))
    spread = np.geomspace(10, 0.1, channels)
    data = rng.normal(size=(number, channels)) * spread @ turned + rng.normal(0, 3, channels)
    return data.astype(np.float32)


def _streamed(data: NDArray[np.float32], parts: int) -> StreamingPca:
    pca = StreamingPca(data.shape[1])
    for part in np.array_split(data, parts):
        pca.add(part)
    return pca


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), parts=st.integers(1, 40), kept=st.integers(1, 12))
def test_it_is_what_numpy_finds_in_all_the_data(seed: int, parts: int, kept: int) -> None:
    data = _data(seed)
    found = _streamed(data, parts).projection(kept)
    exact = data.astype(np.float64)
    variances, directions = np.linalg.eigh(np.cov(exact.T, bias=True))
    order = np.argsort(variances)[::-1][:kept]
    floor = RIDGE * variances[order].mean()
    expected = directions[:, order] * (variances[order] + floor) ** (-WHITENING / 2)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-5, atol=1e-5)
    for column, wanted in zip(found.weights.T, expected.T, strict=True):
        sign = np.sign(column @ wanted)
        np.testing.assert_allclose(sign * column, wanted, atol=2e-3 * np.abs(wanted).max())


def test_the_order_of_the_images_does_not_matter() -> None:
    data = _data(1)
    one, two = _streamed(data, 10).projection(6), _streamed(data[::-1], 7).projection(6)
    distances = [np.linalg.norm(p(data[:50]) - p(data[50:51]), axis=1) for p in (one, two)]
    np.testing.assert_allclose(distances[0], distances[1], rtol=1e-4)


def test_projected_components_are_uncorrelated_and_fall_off_as_half_whitening_says() -> None:
    data = _data(2)
    projected = _streamed(data, 5).projection(12)(data).astype(np.float64)
    covariance = np.cov(projected.T, bias=True)
    variances = np.diag(covariance)
    off = covariance - np.diag(variances)
    assert np.abs(off).max() < 1e-2 * variances.max()
    assert np.abs(projected.mean(axis=0)).max() < 1e-2
    assert (np.diff(variances) < 1e-3).all()
    # Half whitening leaves the square root of each variance's weight.
    raw = np.sort(np.linalg.eigvalsh(np.cov(data.astype(float).T, bias=True)))[::-1]
    floor = RIDGE * raw.mean()
    np.testing.assert_allclose(variances, raw / (raw + floor) ** WHITENING, rtol=1e-2)


def test_more_dimensions_than_channels_keep_all_channels() -> None:
    projection = _streamed(_data(3), 3).projection(128)
    assert projection.weights.shape == (12, 12)
    assert projection.weights.dtype == projection.mean.dtype == np.float32


@pytest.mark.parametrize("value", [0.0, 1.0, 250.0])
def test_channels_that_never_change_stay_finite_and_say_nothing(value: float) -> None:
    data = _data(4)
    data[:, 5] = value
    projection = _streamed(data, 6).projection(12)
    assert np.isfinite(projection.weights).all()
    assert np.isfinite(projection(data)).all()


def test_data_that_never_changes_stays_finite() -> None:
    projection = _streamed(np.full((50, 4), 3.0, np.float32), 5).projection(4)
    assert np.isfinite(projection.weights).all()


def test_nothing_added_is_known_to_be_nothing() -> None:
    pca = StreamingPca(3)
    assert pca.empty
    pca.add(np.zeros((1, 3), np.float32))
    assert not pca.empty
