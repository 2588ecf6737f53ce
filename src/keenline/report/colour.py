"""Turns how anomalous a pixel is, 0..1, into a colour of the scale `ember`.

`ember` runs from deep violet over red to pale yellow. It is computed, not copied: along its path
through the Oklab space (Ottosson, 2020, https://bottosson.github.io/posts/oklab/) every step is of
the same length and lightness only rises, so equal steps of score look like equal steps of colour
and the order survives grey print and colour blindness.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_STEPS = 256
_FINE = 2048
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
    path = _path()
    walked = np.concatenate([np.zeros(1), np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    stops = np.linspace(0.0, walked[-1], _STEPS)
    lab = np.stack([np.interp(stops, walked, path[:, axis]) for axis in range(3)], axis=1)
    table = np.round(255 * _gamma(np.clip(_linear(lab), 0, 1))).astype(np.uint8)
    table.setflags(write=False)
    return table


def hex_colour(place: float) -> str:
    """The colour at `place`, 0..1, as `#rrggbb`."""
    red, green, blue = ember()[round(place * (_STEPS - 1))]
    return f"#{red:02x}{green:02x}{blue:02x}"


def _path() -> NDArray[np.float64]:
    """The way through Oklab in fine steps, (fine, 3)."""
    place = np.linspace(0.0, 1.0, _FINE)
    lightness = np.interp(place, (0, 1), _LIGHTNESS)
    hue = np.deg2rad(np.interp(place, (0, 1), _HUE))
    low, high = np.zeros(_FINE), np.full(_FINE, _CHROMA)
    for _ in range(20):  # halving: as much chroma as sRGB can show
        middle = (low + high) / 2
        linear = _linear(_oklab(lightness, middle, hue))
        inside = ((linear >= 0) & (linear <= 1)).all(axis=1)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    # The border of sRGB has corners, which would show as bands: stay inside, and round them off.
    reach = _FINE // 6
    window = np.hanning(reach + 1)
    inner = ndimage.minimum_filter1d(low, reach + 1, mode="nearest")
    chroma = ndimage.convolve1d(inner, window / window.sum(), mode="nearest")
    return _oklab(lightness, chroma, hue)


def _oklab(
    lightness: NDArray[np.float64], chroma: NDArray[np.float64], hue: NDArray[np.float64]
) -> NDArray[np.float64]:
    return np.stack([lightness, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)


def _linear(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    linear: NDArray[np.float64] = (lab @ _TO_LMS.T) ** 3 @ _TO_RGB.T
    return linear


def _gamma(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """IEC 61966-2-1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
