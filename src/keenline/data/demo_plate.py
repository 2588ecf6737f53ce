"""A pose turned into the shape and the surface of the demo's plate, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont
from scipy import ndimage

Field: TypeAlias = NDArray[np.float32]
"""One value per pixel, (height, width), float32."""

DESIGN = (384, 288)
"""The canvas, in pixels, on which the plate's dimensions are given."""

_HALF, _CORNER = (164.0, 108.0), 20.0
_BORE = (-74.0, -6.0, 34.0)
_BOSS_RADIUS = 62.0
_HOLES = ((-140.0, -84.0, 9.0), (140.0, -84.0, 9.0), (-140.0, 84.0, 9.0), (140.0, 84.0, 9.0))
_SLOT = (28.0, 118.0, -44.0, 13.0)
_RIB = (32.0, 124.0, 14.0, 9.0)
_STAMP_AT = (76.0, 60.0)


@dataclass(frozen=True)
class Plate:
    """The plate where it lies in one photo."""

    u: Field
    """Position along the plate's length, from its centre, in design pixels."""
    v: Field
    """Position across the plate, in design pixels."""
    scale: float
    """Image pixels per design pixel."""
    cover: Field
    """How much of a pixel is metal, 0..1; its holes are open."""
    inside_outline: NDArray[np.bool_]
    """Pixels within the outer contour, holes included."""
    bore_wall: Field
    """Light on the walls of the holes, 0..1."""
    height: Field
    """Height of the surface in image pixels; only its slope matters."""

    def grain(self, rng: np.random.Generator) -> Field:
        """Relative brightness of the surface finish, about -0.3..0.3, new at every call."""
        brushed = _brushed(rng, self.u, self.v)
        x, y = self.u - _BORE[0], self.v - _BORE[1]
        radius, angle = np.hypot(x, y), np.arctan2(y, x)
        on_boss = _step(_BOSS_RADIUS - radius)
        return brushed + on_boss * (_turned(rng, radius, angle) - brushed)


def placed(rng: np.random.Generator, size: tuple[int, int], looseness: float = 1.0) -> Plate:
    """Lay the plate on the belt: moved by up to 4 px, turned by up to 1.5 degrees.

    `looseness` multiplies both: 0 for a part that a fixture holds.
    """
    scale = min(size[0] / DESIGN[0], size[1] / DESIGN[1])
    angle = looseness * np.deg2rad(rng.uniform(-1.5, 1.5))
    dx, dy = looseness * rng.uniform(-4, 4, 2)
    y, x = np.mgrid[: size[1], : size[0]].astype(np.float32)
    x = (x - np.float32(size[0] / 2 + dx * scale)) / np.float32(scale)
    y = (y - np.float32(size[1] / 2 + dy * scale)) / np.float32(scale)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = cos * x + sin * y, cos * y - sin * x
    outline = _outline(u, v)
    openings = _openings(u, v)
    metal = np.maximum(outline, -openings)
    return Plate(
        u=u,
        v=v,
        scale=scale,
        cover=np.clip(0.5 - metal * np.float32(scale), 0, 1),
        inside_outline=outline < 0,
        bore_wall=_bore_wall(openings),
        height=_height(u, v, outline, openings) * np.float32(scale),
    )


def distance_to_edge(u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far a place on the face is from the nearest edge, step or stamp, in design pixels.

    Negative off the face. Defects are put where this is large enough for them.
    """
    boss = np.abs(np.hypot(u - _BORE[0], v - _BORE[1]) - _BOSS_RADIUS)
    stamp = np.maximum(np.abs(u - _STAMP_AT[0]) - 50, np.abs(v - _STAMP_AT[1]) - 16)
    edges = [-_outline(u, v) - 6, _openings(u, v) - 5, boss - 2, np.abs(_rib(u, v)) - 4, stamp]
    return np.asarray(np.minimum.reduce(edges))


def _outline(u: Field, v: Field) -> Field:
    x, y = np.abs(u) - (_HALF[0] - _CORNER), np.abs(v) - (_HALF[1] - _CORNER)
    outside = np.hypot(np.maximum(x, 0), np.maximum(y, 0))
    return np.asarray(outside + np.minimum(np.maximum(x, y), 0) - _CORNER, np.float32)


def _openings(u: Field, v: Field) -> Field:
    """Signed distance to the nearest hole, negative inside it."""
    holes = [np.hypot(u - x, v - y) - radius for x, y, radius in (_BORE, *_HOLES)]
    return np.asarray(np.minimum.reduce([*holes, _obround(u, v, *_SLOT)]), np.float32)


def _rib(u: Field, v: Field) -> Field:
    return _obround(u, v, *_RIB)


def _obround(u: Field, v: Field, left: float, right: float, y: float, radius: float) -> Field:
    return np.asarray(np.hypot(u - np.clip(u, left, right), v - y) - radius, np.float32)


def _height(u: Field, v: Field, outline: Field, openings: Field) -> Field:
    height = 3.2 * np.clip((-outline - 0.5) / 5, 0, 1)
    height += 3.0 * np.clip(openings / 4.2, 0, 1)
    height += 3.4 * _smooth(np.clip(0.5 - _rib(u, v) / 8, 0, 1))
    boss = np.hypot(u - _BORE[0], v - _BORE[1]) - _BOSS_RADIUS
    height += 1.3 * np.clip(0.5 - boss / 2.5, 0, 1)
    height -= 1.5 * _stamped(u, v)
    return np.asarray(height, np.float32)


def _bore_wall(openings: Field) -> Field:
    """A hole's wall shows at the side away from the light, fading towards its middle."""
    slope_v, slope_u = np.gradient(openings)
    facing = np.clip(0.62 * slope_u + 0.78 * slope_v, 0, None)
    return np.asarray(2.6 * facing * np.exp(np.minimum(openings, 0) / 5), np.float32)


def _stamped(u: Field, v: Field) -> Field:
    stamp = _stamp()
    rows, columns = stamp.shape
    at = (v - _STAMP_AT[1]) * 2 + rows / 2, (u - _STAMP_AT[0]) * 2 + columns / 2
    return np.asarray(ndimage.map_coordinates(stamp, at, order=1, cval=0.0), np.float32)


@cache
def _stamp() -> Field:
    """The number stamped into every plate, at two pixels per design pixel, 0..1."""
    canvas = PillowImage.new("L", (200, 60))
    font = ImageFont.load_default(44)
    ImageDraw.Draw(canvas).text((100, 30), "KL-307", 255, font, anchor="mm")
    soft: Field = ndimage.gaussian_filter(np.asarray(canvas, np.float32) / 255, 1.2)
    return soft


def _brushed(rng: np.random.Generator, u: Field, v: Field) -> Field:
    """Lines along the length: noise drawn out to long and short strokes, turned with the part."""
    rows, columns = u.shape[0] + 32, u.shape[1] + 32
    noise = rng.standard_normal((2, rows, columns), np.float32)
    long = ndimage.uniform_filter1d(ndimage.uniform_filter1d(noise[0], 61, axis=1), 41, axis=1)
    short = ndimage.uniform_filter1d(noise[1], 11, axis=1)
    strokes = 0.055 * long / long.std() + 0.035 * short / short.std()
    scale = np.float32((u[0, -1] - u[0, 0]) / (u.shape[1] - 1))
    at = v / scale + rows / 2, u / scale + columns / 2
    return np.asarray(ndimage.map_coordinates(strokes, at, order=1, mode="reflect"), np.float32)


def _turned(rng: np.random.Generator, radius: Field, angle: Field) -> Field:
    """Rings of a turning tool, with the two bright fans that such a face shows under one lamp."""
    steps = np.arange(0, _BOSS_RADIUS + 8, 0.5)
    feed = np.sin(2 * np.pi * steps / 3.1 + rng.uniform(0, 2 * np.pi))
    groove = ndimage.gaussian_filter1d(rng.standard_normal(len(steps)), 0.9)
    rings = np.interp(radius, steps, 0.07 * feed + 0.09 * groove)
    fans = np.cos(angle - np.deg2rad(38)) ** 2
    fans = fans * fans
    return np.asarray(rings * (0.6 + 0.7 * fans) + 0.42 * fans - 0.15, np.float32)


def _smooth(x: Field) -> Field:
    return np.asarray(x * x * (3 - 2 * x), np.float32)


def _step(x: Field) -> Field:
    return np.asarray(np.clip(x + 0.5, 0, 1), np.float32)
