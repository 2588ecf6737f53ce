"""Every pixel comes back, as PNG and as TIFF, and other programs read the same."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image as PillowImage

from keenline.store.pictures import decode, encode, pixels_sha256

SHAPES = st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))
KINDS = ("png", "tiff")


@pytest.mark.parametrize("kind", KINDS)
@given(image=arrays.arrays(np.uint8, SHAPES))
def test_every_pixel_comes_back(kind: str, image: np.ndarray):
    back = decode(encode(image, kind))
    assert np.array_equal(back, image)
    assert pixels_sha256(back) == pixels_sha256(image)


@pytest.mark.parametrize("kind", KINDS)
@given(grey=arrays.arrays(np.uint8, st.tuples(st.integers(1, 30), st.integers(1, 30))))
def test_grey_is_kept_as_grey(kind: str, grey: np.ndarray):
    image = np.repeat(grey[..., None], 3, axis=2)
    data = encode(image, kind)
    with PillowImage.open(io.BytesIO(data)) as picture:
        assert picture.mode == "L"
    assert np.array_equal(decode(data), image)


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_one_pixel_of_colour_is_not_lost(channel: int):
    image = np.full((50, 40, 3), 90, np.uint8)
    image[49, 39, channel] = 91
    assert np.array_equal(decode(encode(image, "png")), image)


def test_other_programs_read_it():
    image = np.random.default_rng(1).integers(0, 256, (33, 57, 3), dtype=np.uint8)
    with PillowImage.open(io.BytesIO(encode(image, "png"))) as picture:
        picture.verify()
    assert np.array_equal(tifffile.imread(io.BytesIO(encode(image, "tiff"))), image)


def test_a_view_of_an_image_is_the_image():
    image = np.random.default_rng(2).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    view = image[::2, 5:50:3][:, ::-1]
    assert not view.flags.c_contiguous
    assert np.array_equal(decode(encode(view, "png")), view)
    assert pixels_sha256(view) == hashlib.sha256(view.tobytes()).hexdigest()


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_file_is_said(kind: str):
    data = encode(np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8), kind)
    for damaged in (b"", data[:20], data[: len(data) // 2], b"GIF89a" + data):
        with pytest.raises(ValueError, match="not an image of ours"):
            decode(damaged)
