"""A good image turned into one with a drawn scratch, dent, pit or stain, and its mask.

For kinds of defect of which there is no example yet. Size, strength, direction and sign are drawn
from wide ranges (domain randomisation): what is learnt from them must not hang on one of them.
Texture and light of the surface stay, because a drawn defect multiplies or shades what is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from keenline.types import Image, Mask

_Field = NDArray[np.float64]

SIZES = (0.03, 0.15)
"""Of a defect, as a share of the image's shorter side; pits are a quarter of it, scratches
twice."""
STRENGTHS = (0.15, 0.6)
"""Share by which the grey of the surface changes where the defect is strongest."""
CLEAREST = 0.75
"""Change at least, root mean square over the defect, as a multiple of the spread of grey of the
surface: less is hidden in its texture."""
LEAST_CHANGE = 5.0
"""Grey levels, the same on a smooth surface."""
SEEN = 0.3
"""Share of the strongest change from which on a pixel counts as defective."""
_TRIES = 20


class DrawnKind(StrEnum):
    """What can be drawn."""

    SCRATCH = "scratch"
    """A bent line that tapers and breaks, bright or dark."""
    DENT = "dent"
    """A smooth hollow, bright on one side and dark on the other."""
    PIT = "pit"
    """A few small dark holes."""
    STAIN = "stain"
    """An uneven film with a darker rim."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A good image with a defect that was not there."""

    image: Image
    mask: Mask
    """(height, width) of the image."""
    box: tuple[int, int, int, int]
    """x, y, width, height of what was changed at most, pixels."""


def drawn_defect(
    kind: DrawnKind, target: Image, allowed: Mask | None, rng: np.random.Generator
) -> Drawn | None:
    """Draw one defect at a random place where all of it may lie; None where none was found.

    allowed: (height, width), where defects may lie; None: everywhere.
    """
    shorter = min(target.shape[:2])
    for _ in range(_TRIES):
        size = shorter * float(np.exp(rng.uniform(*np.log(SIZES))))
        change, shape = _DRAWN[kind](size, rng)
        mask = np.abs(shape) >= SEEN * np.abs(shape).max()
        height, width = change.shape
        if height > target.shape[0] or width > target.shape[1]:
            continue
        top = int(rng.integers(target.shape[0] - height + 1))
        left = int(rng.integers(target.shape[1] - width + 1))
        part = (slice(top, top + height), slice(left, left + width))
        strength = rng.uniform(*STRENGTHS) / np.abs(change).max()
        before = target[part].astype(np.float64)
        # On a dark surface a share of its grey would not be seen; 40 levels are added there.
        after = before + change[..., None] * strength * np.maximum(before, 40.0)
        image, where = target.copy(), np.zeros(target.shape[:2], bool)
        image[part] = np.clip(np.rint(after), 0, 255).astype(np.uint8)
        where[part] = mask
        touched = mask | (image[part] != target[part]).any(axis=2)
        if allowed is not None and not allowed[part][touched].all():
            continue
        changed = (image[part].astype(np.float64) - before)[mask]
        needed = max(LEAST_CHANGE, CLEAREST * float(before.mean(axis=2).std()))
        if np.sqrt((changed**2).mean()) >= needed:
            return Drawn(image, where, (left, top, width, height))
    return None


def perlin(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> _Field:
    """Gradient noise (Perlin, An image synthesizer, 1985), about -1..1; `cell`: pixels of its
    lattice."""
    rows, columns = np.arange(shape[0]) / cell, np.arange(shape[1]) / cell
    angles = rng.uniform(0, 2 * np.pi, (int(rows[-1]) + 2, int(columns[-1]) + 2))
    row, column = rows.astype(int)[:, None], columns.astype(int)[None]
    y, x = rows[:, None] - row, columns[None] - column

    def corner(down: int, across: int) -> _Field:
        angle = angles[row + down, column + across]
        return np.asarray(np.sin(angle) * (y - down) + np.cos(angle) * (x - across))

    smooth_y, smooth_x = y**3 * (y * (6 * y - 15) + 10), x**3 * (x * (6 * x - 15) + 10)
    upper = corner(0, 0) * (1 - smooth_x) + corner(0, 1) * smooth_x
    lower = corner(1, 0) * (1 - smooth_x) + corner(1, 1) * smooth_x
    return np.asarray((upper * (1 - smooth_y) + lower * smooth_y) * np.sqrt(2))


# Each answers with the change of grey and with a field that is large where the defect is.


def _scratch(size: float, rng: np.random.Generator) -> tuple[_Field, _Field]:
    half, width = max(size, 6.0), max(0.7, size * rng.uniform(0.02, 0.07))
    y, x, side = _square(half * 1.1 + 3, rng)
    bend = rng.uniform(-0.35, 0.35) / half
    wander = perlin((side, side), max(half / 2, 4), rng) * half * 0.04
    off = y - bend * (x**2 - half**2 / 3) + wander
    ends = np.clip((half - np.abs(x)) / (0.4 * half), 0, 1)
    breaks = np.clip(0.8 + perlin((side, side), max(half / 4, 4), rng), 0.15, 1)
    line = np.exp(-((off / width) ** 2)) * np.sqrt(ends)
    return (1 if rng.random() < 0.5 else -1) * line * breaks, line


def _dent(size: float, rng: np.random.Generator) -> tuple[_Field, _Field]:
    radius = max(size / 2, 3.0)
    y, x, _ = _square(radius * 1.2 + 2, rng)
    distance = np.hypot(x, y * rng.uniform(1.0, 1.6)) / radius
    light = rng.uniform(0, 2 * np.pi)
    slope = np.where(distance < 1, (1 - np.minimum(distance, 1) ** 2), 0)
    return (x * np.cos(light) + y * np.sin(light)) / radius * slope, slope


def _pit(size: float, rng: np.random.Generator) -> tuple[_Field, _Field]:
    around = max(size / 2, 5.0)
    y, x, _ = _square(around + 4, rng)
    hole = np.zeros_like(x)
    for _ in range(int(rng.integers(1, 5))):
        radius = max(1.5, size * rng.uniform(0.06, 0.16))
        at = rng.uniform(-0.6, 0.6, 2) * (around - radius)
        distance = np.hypot(x - at[0], (y - at[1]) * rng.uniform(0.75, 1.33))
        hole = np.maximum(hole, np.clip((radius - distance) / 1.2 + 0.5, 0, 1))
    return -hole, hole


def _stain(size: float, rng: np.random.Generator) -> tuple[_Field, _Field]:
    radius = max(size / 2, 5.0)
    y, x, side = _square(radius * 1.6 + 2, rng)
    rough = perlin((side, side), max(radius, 4), rng) + 0.5 * perlin(
        (side, side), max(radius / 3, 3), rng
    )
    inside = 1 - np.hypot(x, y * rng.uniform(1.0, 1.5)) / radius + 0.4 * rough
    film = np.clip(inside / rng.uniform(0.1, 0.5), 0, 1)
    rim = np.exp(-(((inside - 0.12) / 0.12) ** 2)) * rng.uniform(0, 0.6)
    film *= 1 + 0.3 * perlin((side, side), max(radius / 2, 3), rng)
    change = (-1 if rng.random() < 0.8 else 1) * np.maximum(film, 0) - rim
    return change, np.clip(inside / 0.1, 0, 1)


_DRAWN: dict[DrawnKind, Callable[[float, np.random.Generator], tuple[_Field, _Field]]] = {
    DrawnKind.SCRATCH: _scratch,
    DrawnKind.DENT: _dent,
    DrawnKind.PIT: _pit,
    DrawnKind.STAIN: _stain,
}


def _square(half: float, rng: np.random.Generator) -> tuple[_Field, _Field, int]:
    """Coordinates y, x about the middle of a square in pixels, turned by any angle; its side."""
    side = 2 * int(np.ceil(half)) + 1
    down, across = np.mgrid[:side, :side] - side // 2
    angle = rng.uniform(0, 2 * np.pi)
    y = down * np.cos(angle) - across * np.sin(angle)
    x = across * np.cos(angle) + down * np.sin(angle)
    return y, x, side
