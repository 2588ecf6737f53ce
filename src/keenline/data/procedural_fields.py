"""Random numbers turned into grey fields that look like surfaces: grain, waves, cells, relief.

Every function takes a generator and a side in pixels and answers with float32 values in 0..1 of
shape (side, side), the same for the same state of the generator.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

_Field = NDArray[np.float32]


def grain(random: np.random.Generator, side: int) -> _Field:
    """Noise whose power falls with frequency, as in natural images; often stretched one way."""
    fall = random.uniform(0.3, 2.2)
    stretch = np.exp(random.uniform(0, 3)) if random.random() < 0.5 else 1.0
    angle = random.uniform(0, np.pi)
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    along = fx * np.cos(angle) + fy * np.sin(angle)
    across = fy * np.cos(angle) - fx * np.sin(angle)
    frequency = np.hypot(along * stretch, across) + 1 / side
    spectrum = np.fft.rfft2(random.standard_normal((side, side))) / frequency**fall
    spectrum[0, 0] = 0
    return unit(np.fft.irfft2(spectrum, (side, side)), cut=random.uniform(0, 2))


def marble(random: np.random.Generator, side: int) -> _Field:
    """A wave whose phase follows noise: veins, wood, flowing structures."""
    phase = grain(random, side) * random.uniform(2, 14)
    return unit(np.sin(2 * np.pi * (phase + _ramp(random, side) * random.uniform(0, 12))))


def waves(random: np.random.Generator, side: int) -> _Field:
    """Stripes, checks and their sums: machined, printed and woven surfaces."""
    total = np.zeros((side, side))
    for _ in range(random.integers(1, 4)):
        wobble = grain(random, side) * random.uniform(0, 0.6) if random.random() < 0.4 else 0.0
        wave = np.sin(2 * np.pi * (_ramp(random, side) * side / _period(random) + wobble))
        total += np.sign(wave) if random.random() < 0.35 else wave
    if random.random() < 0.3:
        total = np.abs(total)
    return unit(total)


def rings(random: np.random.Generator, side: int) -> _Field:
    """Circles about one place, or rays from it: turned and ground surfaces."""
    y, x = np.mgrid[0:side, 0:side] - random.uniform(-0.5, 1.5, (2, 1, 1)) * side
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    if random.random() < 0.7:
        phase = radius / _period(random)
    else:
        phase = angle * random.integers(3, 60) / (2 * np.pi)
    wave = np.sin(2 * np.pi * (phase + grain(random, side) * random.uniform(0, 0.8)))
    profile = np.interp(radius, np.linspace(0, 2.2 * side, 120), random.standard_normal(120))
    return unit(wave * random.uniform(0, 1) + profile * random.uniform(0.2, 1))


def cells(random: np.random.Generator, side: int) -> _Field:
    """Polygons about random points: grains of metal, cracks in mud, pebbles."""
    count = int(np.exp(random.uniform(np.log(8), np.log(1200))))
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    if random.random() < 0.5:
        warp = random.uniform(2, 0.15 * side)
        x, y = x + warp * grain(random, side), y + warp * grain(random, side)
    places = random.uniform(0, side, (count, 2))
    distances, nearest = cKDTree(places).query(np.stack([y, x], axis=-1), k=2)
    shades = random.uniform(0, 1, count)[nearest[..., 0]]
    edge = np.clip((distances[..., 1] - distances[..., 0]) / random.uniform(1, 12), 0, 1)
    mixed = shades * random.uniform(0, 1) + edge * random.uniform(-1, 1)
    return unit(mixed + distances[..., 0] / side * random.uniform(-4, 4))


def relief(random: np.random.Generator, side: int) -> _Field:
    """A rough surface in slanting light."""
    kind = (grain, cells, waves, marble)[random.integers(4)]
    height = ndimage.gaussian_filter(kind(random, side), random.uniform(0.5, 3))
    dy, dx = np.gradient(height * np.exp(random.uniform(1.5, 4.5)))
    angle = random.uniform(0, 2 * np.pi)
    light = np.array([np.cos(angle), np.sin(angle), random.uniform(0.4, 2)])
    light /= np.linalg.norm(light)
    lit = (light[2] - light[0] * dx - light[1] * dy) / np.sqrt(1 + dx**2 + dy**2)
    return unit(np.maximum(lit, 0) + lit.clip(0) ** 12 * random.uniform(0, 1))


def fractal(random: np.random.Generator, side: int) -> _Field:
    """Where points end that follow two to four random affine maps again and again."""
    maps = random.integers(2, 5)
    turn = random.uniform(0, 2 * np.pi, (maps, 2))
    shrink = random.uniform(0.35, 0.85, (maps, 2))
    first, second = (
        np.stack([np.stack([np.cos(t), -np.sin(t)], -1), np.stack([np.sin(t), np.cos(t)], -1)], -2)
        for t in (turn[:, 0], turn[:, 1])
    )
    matrices = first @ (shrink[:, :, None] * second)
    offsets = random.uniform(-1, 1, (maps, 2))
    points = random.uniform(-1, 1, (6000, 2))
    seen = []
    for step in range(36):
        chosen = random.integers(0, maps, len(points))
        points = np.einsum("nij,nj->ni", matrices[chosen], points) + offsets[chosen]
        if step > 12:
            seen.append(points)
    cloud = np.concatenate(seen)
    low, high = np.percentile(cloud, (1, 99), axis=0)
    limits = np.stack([low, high + 1e-6], -1)
    counts, _, _ = np.histogram2d(cloud[:, 0], cloud[:, 1], bins=side, range=limits)
    return unit(np.log1p(counts) if random.random() < 0.7 else counts > 0)


def unit(values: NDArray[np.generic], *, cut: float = 0.0) -> _Field:
    """Values brought to 0..1; `cut` per cent at either end is clipped."""
    numbers = values.astype(np.float32)
    low, high = np.percentile(numbers, (cut, 100 - cut)) if cut else (numbers.min(), numbers.max())
    span = max(float(high - low), 1e-6)
    field: _Field = np.clip((numbers - np.float32(low)) / np.float32(span), 0, 1)
    return field


def _ramp(random: np.random.Generator, side: int) -> NDArray[np.float64]:
    """A plane that rises by about one across the image, in any direction."""
    angle = random.choice([0.0, np.pi / 2, random.uniform(0, np.pi)])
    y, x = np.mgrid[0:side, 0:side] / side
    ramp: NDArray[np.float64] = x * np.cos(angle) + y * np.sin(angle)
    return ramp


def _period(random: np.random.Generator) -> float:
    """Of a wave in pixels; short ones are as likely as long ones."""
    return float(np.exp(random.uniform(np.log(2.5), np.log(80))))
