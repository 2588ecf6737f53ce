"""Random numbers turned into drawn images: leaves that hide each other, strokes, signs, scratches.

Every function takes a generator and a canvas, (side, side, 3) uint8, and answers with another one
of that shape, the same for the same state of the generator.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFilter, ImageFont

from keenline.types import Image

_SIGNS = "0123456789ABCDEFGHKLMNPRSTXYZabcdefgnrst#%&+-/=<>?()[]{}"


def dead_leaves(random: np.random.Generator, canvas: Image) -> Image:
    """Shapes of all sizes that hide one another (Lee, Mumford and Huang, 2001)."""
    side = canvas.shape[0]
    picture = PillowImage.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    smallest = random.uniform(0.008, 0.05) * side
    count = int(np.exp(random.uniform(np.log(40), np.log(900))))
    # Sizes of which there are as many as 1 / r^3: then the image looks alike at every scale.
    radii = smallest / np.sqrt(random.uniform((smallest / (0.4 * side)) ** 2, 1, count))
    colours = _colours(random, canvas, count)
    corners = int(random.integers(0, 8))
    for radius, colour in zip(radii, colours, strict=True):
        centre = random.uniform(-0.1, 1.1, 2) * side
        draw.polygon(_outline(random, centre, radius, corners), fill=colour)
    return np.asarray(picture)


def strokes(random: np.random.Generator, canvas: Image) -> Image:
    """Lines, arcs and polygons, alone or in rows: tracks, drawings, cracks."""
    side = canvas.shape[0]
    picture = PillowImage.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    count = int(np.exp(random.uniform(np.log(5), np.log(120))))
    straight = random.random() < 0.4
    width = random.integers(1, 12)
    for colour in _colours(random, canvas, count):
        at = random.uniform(0, side, 2)
        steps = random.standard_normal((random.integers(2, 14), 2)) * random.uniform(2, 0.2 * side)
        if straight:  # along the axes, as on a circuit board
            steps *= np.eye(2)[random.integers(0, 2, len(steps))]
        path = [tuple(p) for p in np.concatenate([at[None], at + np.cumsum(steps, axis=0)])]
        draw.line(path, fill=colour, width=int(width), joint="curve")
        if random.random() < 0.3:
            r = random.uniform(1, 0.06 * side)
            draw.ellipse((at[0] - r, at[1] - r, at[0] + r, at[1] + r), fill=colour)
    return np.asarray(picture)


def signs(random: np.random.Generator, canvas: Image) -> Image:
    """Rows of letters and figures, as printed and engraved on parts."""
    side = canvas.shape[0]
    picture = PillowImage.fromarray(canvas)
    draw = ImageDraw.Draw(picture)
    for colour in _colours(random, canvas, int(random.integers(2, 25))):
        words = "".join(random.choice(list(_SIGNS), random.integers(1, 12)))
        font = ImageFont.load_default(float(random.uniform(0.03, 0.3) * side))
        at = random.uniform(-0.1, 0.9, 2) * side
        draw.text((float(at[0]), float(at[1])), words, fill=colour, font=font)
    return np.asarray(picture)


def scratches(random: np.random.Generator, canvas: Image) -> Image:
    """Thin lines, pits and stains on what is there: what defects look like."""
    side = canvas.shape[0]
    layer = PillowImage.new("L", (side, side))
    draw = ImageDraw.Draw(layer)
    heading = random.uniform(0, 2 * np.pi)
    for _ in range(int(np.exp(random.uniform(0, np.log(60))))):
        turn = heading if random.random() < 0.7 else random.uniform(0, 2 * np.pi)
        bends = turn + np.cumsum(random.normal(0, random.uniform(0.01, 0.7), 20))
        step = random.uniform(0.5, 0.06 * side)
        path = random.uniform(0, side, 2) + np.cumsum(
            step * np.stack([np.cos(bends), np.sin(bends)], -1), axis=0
        )
        shade = int(random.integers(60, 256))
        if random.random() < 0.75:
            draw.line([tuple(p) for p in path], fill=shade, width=int(random.integers(1, 5)))
        else:
            draw.polygon(_outline(random, path[0], random.uniform(1, 0.05 * side), 0), fill=shade)
    if random.random() < 0.6:
        layer = layer.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 2)))
    amount = np.asarray(layer, np.float32)[..., None] / 255
    colour = random.uniform(0, 255, 3) if random.random() < 0.3 else random.choice([0.0, 255.0])
    return (canvas * (1 - amount) + colour * amount).astype(np.uint8)


def _outline(
    random: np.random.Generator, centre: NDArray[np.float64], radius: float, corners: int
) -> list[tuple[float, float]]:
    """A polygon about a place; below three corners a rough ellipse."""
    points = corners if corners >= 3 else 18
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False) + random.uniform(0, np.pi)
    radii = radius * (1 + (random.uniform(-0.3, 0.3, points) if corners < 2 else 0.0))
    flat = random.uniform(0.3, 1)
    turn = random.uniform(0, np.pi)
    x, y = radii * np.cos(angles), flat * radii * np.sin(angles)
    turned = (x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn))
    return list(
        zip((centre[0] + turned[0]).tolist(), (centre[1] + turned[1]).tolist(), strict=True)
    )


def _colours(random: np.random.Generator, canvas: Image, count: int) -> list[tuple[int, int, int]]:
    """Colours about a few of the canvas, or about a few of their own."""
    few = random.integers(0, 256, (random.integers(2, 7), 3)).astype(np.float64)
    if random.random() < 0.5:
        places = random.integers(0, canvas.shape[0], (len(few), 2))
        few = canvas[places[:, 0], places[:, 1]].astype(np.float64)
        few += random.normal(0, 60, (len(few), 1))
    chosen = few[random.integers(0, len(few), count)]
    chosen = chosen + random.normal(0, random.uniform(0, 40), (count, 3))
    return [(int(r), int(g), int(b)) for r, g, b in np.clip(chosen, 0, 255)]
