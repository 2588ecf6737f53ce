"""A seed turned into an image of no thing in particular: textures, leaves, signs and scratches.

A network that is taught on few photographs sees with these what photographs would lack.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from keenline.data import procedural_fields as fields
from keenline.data import procedural_shapes as shapes
from keenline.types import Image

_FIELDS = (
    fields.grain,
    fields.marble,
    fields.waves,
    fields.rings,
    fields.cells,
    fields.relief,
    fields.fractal,
)
_DRAWN: tuple[tuple[float, Callable[[np.random.Generator, Image], Image]], ...] = (
    (0.4, shapes.dead_leaves),
    (0.25, shapes.strokes),
    (0.15, shapes.signs),
    (0.3, shapes.scratches),
)
"""What is drawn over a surface, each with how often."""


def procedural_image(*seed: int, side: int = 320) -> Image:
    """An image (side, side, 3), at least 24 px; the same numbers (from 0) give the same image.

    A surface, or two that meet along an uneven line, under drawn shapes.
    """
    random = np.random.default_rng(seed)
    image = _surface(random, side)
    if random.random() < 0.35:
        mask = _border(random, side)
        image = _mixed(image, _surface(random, side), mask)
    for often, drawing in _DRAWN:
        if random.random() < often:
            drawn = drawing(random, image)
            # Most shapes are even; some carry the texture of a surface of their own.
            if random.random() < 0.4:
                changed = (drawn != image).any(axis=2, keepdims=True)
                shade = fields.grain(random, side)[..., None] - np.float32(0.5)
                wavy = drawn + changed * shade * np.float32(random.uniform(20, 160))
                drawn = np.clip(wavy, 0, 255).astype(np.uint8)
            image = drawn
    return _lit(random, image)


def _surface(random: np.random.Generator, side: int) -> Image:
    field = _FIELDS[random.integers(len(_FIELDS))](random, side)
    if random.random() < 0.3:
        other = _FIELDS[random.integers(len(_FIELDS))](random, side)
        amount = np.float32(random.uniform(0.1, 0.9))
        field = fields.unit(field * (1 - amount) + other * amount)
    return _coloured(random, field)


def _coloured(random: np.random.Generator, field: NDArray[np.float32]) -> Image:
    """Shades of a palette: grey, of one hue, or of colours that have nothing to do with another."""
    count = int(random.integers(2, 6))
    palette = random.uniform(0, 255, (count, 3))
    kind = random.random()
    if kind < 0.4:
        palette[:] = palette[:, :1]
    elif kind < 0.75:
        tint = random.uniform(0.4, 1, 3)
        palette = palette[:, :1] * tint + random.normal(0, 8, (count, 3))
    if random.random() < 0.6:  # most surfaces show few shades
        palette = palette.mean(axis=0) + (palette - palette.mean(axis=0)) * random.uniform(0.1, 0.6)
    if random.random() < 0.5:
        palette = palette[np.argsort(palette.sum(axis=1))]
    at = np.linspace(0, 1, count)
    shades = np.stack([np.interp(field, at, palette[:, c]) for c in range(3)], axis=-1)
    return np.clip(shades, 0, 255).astype(np.uint8)


def _border(random: np.random.Generator, side: int) -> NDArray[np.float32]:
    """How much of the second surface is seen, 0..1: a straight border or an uneven one, sharp."""
    field = fields.grain(random, side) if random.random() < 0.5 else fields.cells(random, side)
    y, x = np.mgrid[0:side, 0:side] / side - random.uniform(0.2, 0.8, (2, 1, 1))
    angle = random.uniform(0, 2 * np.pi)
    line = x * np.cos(angle) + y * np.sin(angle)
    level = line + (field - 0.5) * random.choice([0.0, 0.2, 1.0])
    amount: NDArray[np.float32] = np.clip(level * random.uniform(5, side) + 0.5, 0, 1).astype(
        np.float32
    )
    return amount


def _mixed(first: Image, second: Image, amount: NDArray[np.float32]) -> Image:
    part = amount[..., None]
    return (first * (1 - part) + second * part).astype(np.uint8)


def _lit(random: np.random.Generator, image: Image) -> Image:
    """Light that falls off to one side, and a little noise of a sensor."""
    if random.random() < 0.3:
        side = image.shape[0]
        y, x = np.mgrid[0:side, 0:side] / side - 0.5
        slope = random.uniform(-0.8, 0.8, 2)
        light = 1 + x * slope[0] + y * slope[1]
        image = np.clip(image * light[..., None], 0, 255).astype(np.uint8)
    if random.random() < 0.3:
        noise = random.normal(0, random.uniform(1, 12), image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image
