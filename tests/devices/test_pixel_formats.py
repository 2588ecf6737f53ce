"""Pixel formats against values packed here bit by bit, and the mosaic against a convolution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy.ndimage import convolve

from keenline.devices.mosaic import demosaic
from keenline.devices.pixel_formats import FORMATS, known, to_rgb

CODES = {layout.name: code for code, layout in FORMATS.items()}


def packed(values: np.ndarray, name: str) -> bytes:
    """Values of one row after the other as a camera sends them."""
    layout = FORMATS[CODES[name]]
    flat = values.reshape(-1).tolist()
    if layout.packing == "lsb":
        stream = sum(value << (place * layout.bits) for place, value in enumerate(flat))
        return stream.to_bytes((len(flat) * layout.bits + 7) // 8, "little")
    if layout.packing == "gige":
        return b"".join(
            gige_pair(flat[place : place + 2], layout.bits) for place in range(0, len(flat), 2)
        )
    return values.astype("<u2" if layout.bits > 8 else np.uint8).tobytes()


def gige_pair(pair: list[int], bits: int) -> bytes:
    """GigE Vision 1.x: high part of the first, both low parts, high part of the second."""
    low = bits - 8
    first, second = pair[0], pair[1] if len(pair) == 2 else 0
    middle = (first & ((1 << low) - 1)) | (second & ((1 << low) - 1)) << 4
    return bytes([first >> low, middle, second >> low])[: 1 + len(pair)]


@pytest.mark.parametrize("name", [name for name in CODES if name.startswith("Mono")])
@pytest.mark.parametrize(("width", "height"), [(8, 3), (7, 5), (2, 2), (1, 1)])
def test_grey_keeps_its_8_most_significant_bits(name, width, height):
    bits = FORMATS[CODES[name]].bits
    values = np.random.default_rng(1).integers(0, 1 << bits, (height, width))
    image = to_rgb(packed(values, name), CODES[name], width, height)
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert np.array_equal(image, np.repeat((values >> (bits - 8))[..., None], 3, axis=2))


@pytest.mark.parametrize("name", [name for name in CODES if FORMATS[CODES[name]].channels])
def test_channels_come_in_the_order_red_green_blue(name):
    layout = FORMATS[CODES[name]]
    wanted = np.random.default_rng(2).integers(0, 256, (5, 7, 3), np.uint8)
    pixels = np.zeros((5, 7, layout.step), np.uint32)
    for place, channel in enumerate(layout.channels):
        pixels[..., channel] = wanted[..., place].astype(np.uint32) << (layout.bits - 8)
    image = to_rgb(packed(pixels, name), CODES[name], 7, 5)
    assert np.array_equal(image, wanted)


@pytest.mark.parametrize("name", [name for name in CODES if name.startswith("Bayer")])
def test_a_mosaic_of_every_depth_is_that_of_8_bits(name):
    layout = FORMATS[CODES[name]]
    values = np.random.default_rng(3).integers(0, 1 << layout.bits, (6, 8))
    image = to_rgb(packed(values, name), CODES[name], 8, 6)
    eight = (values >> (layout.bits - 8)).astype(np.uint8)
    assert np.array_equal(image, demosaic(eight, layout.mosaic))


def test_padding_behind_each_row_is_left_out():
    values = np.random.default_rng(4).integers(0, 256, (4, 5), np.uint8)
    data = np.full((4, 8), 77, np.uint8)
    data[:, :5] = values
    image = to_rgb(data.tobytes(), CODES["Mono8"], 5, 4, padding=3)
    assert np.array_equal(image[..., 0], values)
    # The last row may end without it.
    image = to_rgb(data.tobytes()[:-3], CODES["Mono8"], 5, 4, padding=3)
    assert np.array_equal(image[..., 0], values)


@pytest.mark.parametrize("name", list(CODES))
def test_one_byte_too_few_is_told_and_more_are_left(name):
    layout = FORMATS[CODES[name]]
    data = packed(np.zeros((4, 6, layout.step), np.int64), name)
    to_rgb(data + b"xyz", CODES[name], 6, 4)
    with pytest.raises(ValueError, match=f"6 x 4 {name} needs {len(data)}"):
        to_rgb(data[:-1], CODES[name], 6, 4)


def test_the_image_has_memory_of_its_own():
    data = bytearray(12)
    image = to_rgb(memoryview(data), CODES["RGB8"], 2, 2)
    data[0] = 9
    assert image.max() == 0


def test_names_and_codes_are_those_of_the_standard():
    pfnc = pytest.importorskip("harvesters.util.pfnc")
    assert {code: layout.name for code, layout in FORMATS.items()} == {
        code: pfnc.dict_by_ints[code] for code in FORMATS
    }
    assert known(CODES["Mono8"])
    assert not known(0x0210001F)  # YUV


# The mosaic

PATTERNS = ("RGGB", "GRBG", "GBRG", "BGGR")
CROSS = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
SQUARE = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4


def convolved(raw: np.ndarray, colours: str) -> np.ndarray:
    """Bilinear interpolation as one convolution for each colour, the textbook's way."""
    image = np.zeros((*raw.shape, 3))
    for channel, colour in enumerate("RGB"):
        plane = np.zeros(raw.shape)
        for place, name in enumerate(colours):
            if name == colour:
                row, column = divmod(place, 2)
                plane[row::2, column::2] = raw[row::2, column::2]
        image[..., channel] = convolve(plane, CROSS if colour == "G" else SQUARE, mode="mirror")
    return image


@given(
    npst.arrays(np.uint8, st.tuples(st.integers(2, 9), st.integers(2, 9))),
    st.sampled_from(PATTERNS),
)
def test_a_mosaic_is_interpolated_as_by_convolution(raw, colours):
    assert np.abs(demosaic(raw, colours) - convolved(raw, colours)).max() <= 0.5


@pytest.mark.parametrize("colours", PATTERNS)
def test_one_colour_stays_one_colour(colours):
    wanted = dict(zip("RGB", (200, 90, 30), strict=True))
    raw = np.empty((6, 8), np.uint8)
    for place, name in enumerate(colours):
        row, column = divmod(place, 2)
        raw[row::2, column::2] = wanted[name]
    assert (demosaic(raw, colours) == (200, 90, 30)).all()
