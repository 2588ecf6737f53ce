"""A kind of defect turned into what it does to the demo's plate: relief, colour, gleam and mask."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from keenline.data.demo_plate import Field, Plate, distance_to_edge
from keenline.types import Mask

_TRIES = 400


class DefectKind(StrEnum):
    """The defects the demo knows; sizes are in pixels of a 384 x 288 photo."""

    SCRATCH = "scratch"
    """30 to 80 px long, 1.6 to 2.8 px wide, slightly bent, bright."""
    DENT = "dent"
    """A smooth hollow of 14 to 26 px, seen by its shading alone."""
    PIT = "pit"
    """Two to five dark holes of 4 to 7 px, within 24 px of each other."""
    STAIN = "stain"
    """An irregular dark film of 24 to 44 px with a darker rim."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """What one defect adds to a photo; each field is (height, width) of the photo."""

    height: Field
    """Added to the surface, image pixels."""
    albedo: Field
    """Multiplies the brightness, 0..1."""
    gleam: Field
    """Added to the brightness, grey levels."""
    mask: Mask


def flaw(kind: DefectKind, rng: np.random.Generator, plate: Plate) -> Flaw:
    """Draw one defect of random size, place and direction on the flat parts of `plate`."""
    return _DRAWN[kind](rng, plate)


def _scratch(rng: np.random.Generator, plate: Plate) -> Flaw:
    half, width = rng.uniform(15, 40), rng.uniform(1.6, 2.8)
    angle = rng.uniform(0, np.pi)
    along, across = _local(rng, plate, min(half * 0.7, 22), angle)
    bend = rng.uniform(-0.12, 0.12) / half
    off = across - np.float32(bend) * along * along
    taper = np.clip((half - np.abs(along)) / (0.35 * half), 0, 1)
    depth = np.exp(-((off / (width / 2)) ** 2)) * np.sqrt(taper)
    # The burr beside the groove catches the light in places.
    breaks = ndimage.gaussian_filter1d(rng.standard_normal(512), 5)
    sparkle = np.interp(along, np.linspace(-half, half, 512), 1 + 2.2 * breaks)
    gleam = 62 * depth * np.clip(sparkle, 0.35, 1.6)
    return _flaw(plate, height=-1.1 * depth, gleam=gleam, seen=depth > 0.3)


def _dent(rng: np.random.Generator, plate: Plate) -> Flaw:
    radius = rng.uniform(7, 13)
    x, y = _local(rng, plate, radius, rng.uniform(0, np.pi))
    distance = np.hypot(x, y * rng.uniform(1.0, 1.35)) / radius
    hollow = np.where(distance < 1, (1 - np.minimum(distance, 1) ** 2) ** 2, 0)
    depth = rng.uniform(0.28, 0.42) * radius
    return _flaw(plate, height=-depth * hollow, seen=distance < 0.95)


def _pit(rng: np.random.Generator, plate: Plate) -> Flaw:
    x, y = _local(rng, plate, 12, 0.0)
    hole = np.zeros_like(x)
    for _ in range(rng.integers(2, 6)):
        radius, (dx, dy) = rng.uniform(2.0, 3.5), rng.uniform(-9, 9, 2)
        distance = np.hypot(x - dx, (y - dy) * rng.uniform(0.8, 1.25))
        hole = np.maximum(hole, np.clip((radius - distance) / 1.2 + 0.5, 0, 1))
    return _flaw(plate, height=-1.8 * hole, albedo=1 - 0.6 * hole, seen=hole > 0.5)


def _stain(rng: np.random.Generator, plate: Plate) -> Flaw:
    radius = rng.uniform(12, 22)
    x, y = _local(rng, plate, radius * 0.8, rng.uniform(0, np.pi))
    turn = np.arctan2(y, x)
    edge = np.full_like(turn, radius)
    for order in range(2, 7):
        wave = np.cos(order * turn + rng.uniform(0, 2 * np.pi))
        edge += radius * rng.uniform(0.05, 0.3) / order * wave
    cloud = ndimage.zoom(rng.standard_normal((36, 48)), (x.shape[0] / 36, x.shape[1] / 48), order=1)
    inside = edge - np.hypot(x, y * 1.25) + 1.6 * cloud
    film = np.clip(inside / 5 + 0.5, 0, 1)
    # Liquid dries from the rim inwards and leaves most of what it carried there, unevenly.
    rim = np.exp(-(((inside - 2.5) / 2.4) ** 2))
    rim *= 0.6 + 0.4 * np.cos(turn - rng.uniform(0, 2 * np.pi))
    strength = rng.uniform(0.17, 0.28)
    film *= 1 + 0.18 * cloud
    return _flaw(plate, albedo=1 - strength * film - 0.1 * rim, seen=inside > 0)


_DRAWN = {
    DefectKind.SCRATCH: _scratch,
    DefectKind.DENT: _dent,
    DefectKind.PIT: _pit,
    DefectKind.STAIN: _stain,
}


def _local(
    rng: np.random.Generator, plate: Plate, room: float, angle: float
) -> tuple[Field, Field]:
    """Coordinates, in design pixels, around a random place with `room` to the nearest edge."""
    at = _place(rng, room)
    x, y = plate.u - at[0], plate.v - at[1]
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return cos * x + sin * y, cos * y - sin * x


def _place(rng: np.random.Generator, room: float) -> NDArray[np.float32]:
    tries = rng.uniform((-160, -104), (160, 104), (_TRIES, 2)).astype(np.float32)
    space = distance_to_edge(tries[:, 0], tries[:, 1])
    enough = np.flatnonzero(space >= room)
    return np.asarray(tries[enough[0] if len(enough) else space.argmax()])


def _flaw(
    plate: Plate,
    *,
    seen: Mask,
    height: ArrayLike = 0.0,
    albedo: ArrayLike = 1.0,
    gleam: ArrayLike = 0.0,
) -> Flaw:
    shape = plate.u.shape

    def full(values: ArrayLike) -> Field:
        return np.broadcast_to(np.asarray(values, np.float32), shape)

    on_metal = plate.cover > 0.5
    return Flaw(full(height) * np.float32(plate.scale), full(albedo), full(gleam), seen & on_metal)
