"""Turns how anomalous a pixel is, 0..1, into a colour of the scale `ember`.

`ember` runs from deep violet over red to pale yellow. It is computed, not copied: lightness rises
in a straight line and hue turns steadily in the Oklab space (Ottosson, 2020,
https://bottosson.github.io/posts/oklab/), so equal steps of score look like equal steps of colour,
also in grey print and for colour-blind readers.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

_STEPS = 256
_LIGHTNESS = (0.28, 0.95)
_HUE = (-62.0, 105.0)  # degrees in Oklab: violet, through 0 (pink red) and 30 (red), to yellow
_CHROMA = 0.20

# Oklab to linear sRGB, from the source above.
_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


@cache
def ember() -> NDArray[np.uint8]:
    """The scale as a table, (256, 3), uint8 sRGB, least to most anomalous."""
    place = np.linspace(0.0, 1.0, _STEPS)
    lightness = np.interp(place, (0, 1), _LIGHTNESS)
    hue = np.deg2rad(np.interp(place, (0, 1), _HUE))
    chroma = _widest_chroma(lightness, hue)
    table = np.round(255 * _srgb(lightness, chroma, hue)).astype(np.uint8)
    table.setflags(write=False)
    return table


def hex_colour(place: float) -> str:
    """The colour at `place`, 0..1, as `#rrggbb`."""
    red, green, blue = ember()[round(place * (_STEPS - 1))]
    return f"#{red:02x}{green:02x}{blue:02x}"


def _widest_chroma(lightness: NDArray[np.float64], hue: NDArray[np.float64]) -> NDArray[np.float64]:
    """As much chroma as sRGB can show, at most `_CHROMA`, found by halving."""
    low, high = np.zeros(_STEPS), np.full(_STEPS, _CHROMA)
    for _ in range(20):
        middle = (low + high) / 2
        linear = _linear(lightness, middle, hue)
        inside = ((linear >= 0) & (linear <= 1)).all(axis=1)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    # The border of sRGB has corners; without them the scale has no visible bands.
    window = np.hanning(41)
    padded = np.pad(low, 20, mode="edge")
    return np.minimum(low, np.convolve(padded, window / window.sum(), mode="valid"))


def _linear(
    lightness: NDArray[np.float64], chroma: NDArray[np.float64], hue: NDArray[np.float64]
) -> NDArray[np.float64]:
    lab = np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)
    linear: NDArray[np.float64] = (lab @ _TO_LMS.T) ** 3 @ _TO_RGB.T
    return linear


def _srgb(
    lightness: NDArray[np.float64], chroma: NDArray[np.float64], hue: NDArray[np.float64]
) -> NDArray[np.float64]:
    linear = np.clip(_linear(lightness, chroma, hue), 0, 1)
    # IEC 61966-2-1
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
