"""An image turned into itself under other light: brighter, glossier, a little out of focus, noisy.

In the order in which light travels: reflections and brightness on the part, blur in the lens,
noise in the sensor, contrast and gamma behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from keenline.types import Image

_Pixels = NDArray[np.float32]

MOST_REFLECTIONS = 3
"""In one image."""
SMALLEST_REFLECTION = 0.05
"""Width of a reflection as a share of the image's shorter side; the largest has a third of it."""
_GREY_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class Light:
    """What happens to brightness; the defaults leave an image as it is."""

    brightness: float = 1.0
    """Factor."""
    contrast: float = 1.0
    """Factor about the mean of the image."""
    gamma: float = 1.0
    """Exponent of grey values on a scale of 0..1."""
    reflection: float = 0.0
    """Share of full scale that the brightest one adds."""
    blur: float = 0.0
    """Standard deviation, pixels."""
    noise: float = 0.0
    """Share of the camera's own noise that is added, as a standard deviation."""
    hue: float = 0.0
    """Degrees."""
    saturation: float = 1.0
    """Factor."""
    seed: int = 0
    """Of reflections and noise."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """Noise of a camera (EMVA Standard 1288, linear model)."""

    full_well: float
    """Electrons at the largest grey value."""
    read_noise: float = 0.0
    """Electrons, standard deviation."""

    def deviation(self, grey: _Pixels) -> _Pixels:
        """Standard deviation in grey levels at grey values 0..255.

        Electrons are counted, so their variance is their number: shot noise.
        """
        electrons = np.maximum(grey, 0) * np.float32(self.full_well / 255)
        noise = np.sqrt(electrons + np.float32(self.read_noise**2))
        return np.asarray(noise * np.float32(255 / self.full_well), np.float32)


def lit(image: Image, light: Light, sensor: Sensor | None = None) -> Image:
    """The image under `light`; the array itself where nothing changes.

    Grey stays grey. Without a sensor there is no noise. A value beyond the scale is clipped, as
    a camera does.
    """
    if light == Light(seed=light.seed):
        return image
    rng = np.random.default_rng(light.seed)
    pixels = image.astype(np.float32)
    if light.reflection:
        pixels += _reflections(image.shape[:2], light.reflection, rng)[..., None]
    pixels *= np.float32(light.brightness)
    if light.blur:
        pixels = ndimage.gaussian_filter(pixels, (light.blur, light.blur, 0))
    if light.noise and sensor is not None:
        pixels += _noise(image, pixels, light.noise, sensor, rng)
    if light.contrast != 1:
        mean = pixels.mean(dtype=np.float64)
        pixels = (pixels - np.float32(mean)) * np.float32(light.contrast) + np.float32(mean)
    if light.gamma != 1:
        share = np.clip(pixels / 255, 0, 1)
        pixels = np.asarray(share ** np.float32(light.gamma) * 255, np.float32)
    if light.hue or light.saturation != 1:
        pixels = pixels @ _colour_matrix(light.hue, light.saturation).T
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _reflections(shape: tuple[int, ...], strength: float, rng: np.random.Generator) -> _Pixels:
    """Soft bright spots and streaks, grey levels: light that the surface sends straight back."""
    height, width = shape[0], shape[1]
    side = min(height, width)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    added = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, MOST_REFLECTIONS + 1))):
        at_x, at_y = rng.uniform(0, width), rng.uniform(0, height)
        long = side * rng.uniform(SMALLEST_REFLECTION, 1 / 3) / 2
        short = long * rng.uniform(0.15, 1)
        angle = rng.uniform(0, np.pi)
        along = (x - at_x) * np.cos(angle) + (y - at_y) * np.sin(angle)
        across = (y - at_y) * np.cos(angle) - (x - at_x) * np.sin(angle)
        spot = np.exp(-((along / long) ** 2) - (across / short) ** 2)
        added = np.maximum(added, spot * rng.uniform(0.3, 1))
    return np.asarray(added * np.float32(255 * strength / max(float(added.max()), 1e-6)))


def _noise(
    image: Image, pixels: _Pixels, share: float, sensor: Sensor, rng: np.random.Generator
) -> _Pixels:
    is_grey = np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(
        image[..., 0], image[..., 2]
    )
    drawn = rng.standard_normal((*image.shape[:2], 1 if is_grey else 3), dtype=np.float32)
    return drawn * sensor.deviation(pixels) * np.float32(share)


def _colour_matrix(hue: float, saturation: float) -> _Pixels:
    """Turns colours about the grey axis and scales their distance from it."""
    turn = np.deg2rad(hue)
    third = np.full((3, 3), 1 / 3)
    axis = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / np.sqrt(3)
    rotation = np.cos(turn) * (np.eye(3) - third) + third + np.sin(turn) * axis
    grey = np.tile(np.array(_GREY_WEIGHTS), (3, 1))
    return np.asarray((grey + saturation * (np.eye(3) - grey)) @ rotation, np.float32)
