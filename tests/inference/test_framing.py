"""Images are framed with their aspect kept, at the stated size, and never silently otherwise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.small_parts import good_part

from keenline.inference.framing import SIZE_TOLERANCE, Framing, framing_for, resized
from keenline.types import Image

sides = st.integers(33, 900)
multiples = st.sampled_from([1, 8, 16, 32])


def framing(sizes: list[tuple[int, int]], **more: Any) -> Framing:
    chosen = {
        "size": "auto",
        "auto_side": 384,
        "multiple": 16,
        "tile": 128,
        "overlap": 32,
        "bit_depth": None,
    }
    return framing_for(sizes, **(chosen | more))


def image(width: int, height: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@settings(max_examples=200, deadline=None)
@given(width=sides, height=sides, size=st.integers(32, 512), multiple=multiples)
def test_the_aspect_is_kept_and_the_area_is_that_of_the_square(
    width: int, height: int, size: int, multiple: int
) -> None:
    found = framing([(width, height)], size=size, multiple=multiple)
    wide, high = found.working_size(width, height)
    assert wide % multiple == high % multiple == 0
    exact = width * size / (width * height) ** 0.5, height * size / (width * height) ** 0.5
    assert abs(wide - exact[0]) <= max(multiple / 2, multiple - exact[0]) + 1e-6
    assert abs(high - exact[1]) <= max(multiple / 2, multiple - exact[1]) + 1e-6
    framed = found.frame(image(width, height))
    assert framed.views.shape == (1, high, wide, 3)
    assert framed.size == (wide, high)


@given(width=sides, height=sides)
def test_auto_shrinks_large_images_and_never_enlarges_small_ones(width: int, height: int) -> None:
    wide, high = framing([(width, height)]).working_size(width, height)
    assert wide * high <= 1.15 * max(384**2, 0) or wide <= width + 8
    assert wide <= width + 8
    assert high <= height + 8
    if width * height <= 384**2 and min(width, height) > 32:
        assert abs(wide - width) <= 8
        assert abs(high - height) <= 8


@settings(max_examples=100, deadline=None)
@given(width=sides, height=sides, tile=st.sampled_from([128, 256, 512]), multiple=multiples)
def test_native_never_resamples(width: int, height: int, tile: int, multiple: int) -> None:
    found = framing([(width, height)], size="native", tile=tile, multiple=multiple)
    assert found.facts.scale == 1.0
    assert (found.facts.tile is not None) == (width * height > tile * tile)
    pixels = image(width, height)
    framed = found.frame(pixels)
    assert framed.size == (width, height)
    seen = np.zeros((height, width), bool)
    for place, view in zip(framed.places, framed.views, strict=True):
        part = pixels[place.y : place.y + view.shape[0], place.x : place.x + view.shape[1]]
        assert np.array_equal(view[: part.shape[0], : part.shape[1]], part)
        seen[place.y : place.y + view.shape[0], place.x : place.x + view.shape[1]] = True
    assert seen.all()
    assert framed.views.shape[1] % multiple == framed.views.shape[2] % multiple == 0


def test_an_image_that_already_fits_is_passed_on_as_it_is() -> None:
    found = framing([(96, 64)], size="auto")
    pixels = image(96, 64)
    assert np.array_equal(found.frame(pixels).views[0], pixels)


@given(
    width=st.integers(100, 4000),
    height=st.integers(100, 4000),
    across=st.floats(0.8, 1.2),
    down=st.floats(0.8, 1.2),
)
def test_other_sizes_fit_within_five_per_cent_each_way(
    width: int, height: int, across: float, down: float
) -> None:
    found = framing([(width, height)])
    other = round(width * across), round(height * down)
    within = max(abs(other[0] / width - 1), abs(other[1] / height - 1))
    assume(abs(within - SIZE_TOLERANCE) > 1e-9)
    assert found.fits(*other) == (within < SIZE_TOLERANCE)


@pytest.mark.parametrize("size", ["auto", "native", 128])
@pytest.mark.parametrize("other", [(200, 104), (192, 96), (208, 100)])
def test_a_few_pixels_more_or_less_give_the_same_views(
    size: str | int, other: tuple[int, int]
) -> None:
    found = framing([(200, 100)], size=size, tile=512)
    assert found.facts.fixed_size
    expected = found.frame(image(200, 100))
    framed = found.frame(image(*other))
    assert framed.views.shape == expected.views.shape
    assert framed.size == expected.size


@pytest.mark.parametrize(
    ("sizes", "fixed"),
    [
        ([(200, 100)], True),
        ([(200, 100), (205, 97)], True),
        ([(200, 100), (200, 100), (240, 100)], False),
        ([(200, 100), (100, 200)], False),
    ],
)
def test_the_size_is_fixed_where_images_differ_by_no_more_than_that(
    sizes: list[tuple[int, int]], fixed: bool
) -> None:
    facts = framing(sizes).facts
    assert facts.fixed_size == fixed
    assert (facts.width, facts.height) == tuple(np.median(sizes, axis=0).astype(int))


def test_varied_sizes_are_all_scaled_by_one_factor() -> None:
    sizes = [(400, 300), (800, 300), (400, 600), (600, 500)]
    found = framing(sizes, size=200)
    for width, height in sizes:
        assert found.fits(width, height)
        views = found.frame(image(width, height)).views
        assert abs(views.shape[2] - width * found.facts.scale) <= 8
        assert abs(views.shape[1] - height * found.facts.scale) <= 8


def test_varied_sizes_are_tiled_if_the_largest_is_large() -> None:
    sizes = [(100, 100)] * 5 + [(300, 200)]
    assert framing(sizes, size="native").facts.tile == 128
    assert framing([(100, 100)] * 6, size="native").facts.tile is None


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resized(stripes, 60, 60)
    assert small.std() < 2
    assert abs(float(small.mean()) - 127.5) < 2


def test_framing_leaves_the_image_as_it_is_and_takes_read_only_ones() -> None:
    pixels = good_part(0, (200, 150))
    before = pixels.copy()
    pixels.setflags(write=False)
    for size in ("auto", "native", 64):
        found = framing([(200, 150)], size=size)
        views = found.frame(pixels).views
        assert views.flags["C_CONTIGUOUS"]
    assert np.array_equal(pixels, before)
