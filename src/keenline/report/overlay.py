"""Turns a score map and a mask into see-through layers over an image.

Colour and opacity follow the score relative to the bundle's threshold, on one scale for all images
of a report: a good part stays unpainted, whatever its own highest score is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw
from scipy import ndimage

from keenline.inference.enlarging import enlarge
from keenline.report.colour import ember
from keenline.types import Image, Mask, Region, ScoreMap

FAINTEST = 0.8
"""Share of the threshold at which painting starts."""
FULL = 2.0
"""Multiple of the threshold that gets the last colour, unless a report's defects go far beyond."""
_OPACITY = 0.6
OUTLINE = (0, 229, 255)
"""Colour of a labelled defect's outline: cyan, which `ember` does not contain."""
_HALO = (0, 20, 30)

Layer = NDArray[np.uint8]
"""(height, width, 4), uint8, RGBA, straight alpha."""


def heat_layer(
    score_map: ScoreMap, threshold: float, shape: tuple[int, int], full: float = FULL
) -> Layer:
    """The map in `ember` colours at `shape` (height, width), transparent below the threshold.

    Colours follow the logarithm of the score, so that what is just above the threshold shows beside
    what is far above. `full`, above `FAINTEST`, is the multiple that gets the last colour.
    `threshold` is on the scale of the map; at or below 0 everything above 0 gets the last colour.
    """
    scores = enlarge(score_map, shape)
    if threshold > 0:
        floor = np.float32(FAINTEST * threshold)
        place = np.log(np.maximum(scores, floor) / floor) / np.float32(np.log(full / FAINTEST))
        place = np.minimum(place, 1)
    else:
        place = (scores > 0).astype(np.float32)
    layer = np.empty((*shape, 4), np.uint8)
    layer[..., :3] = ember()[np.rint(place * 255).astype(np.uint8)]
    # Opacity rises faster than colour: what is just above the threshold is seen.
    layer[..., 3] = np.rint(255 * _OPACITY * np.sqrt(place)).astype(np.uint8)
    return layer


def outline_layer(mask: Mask, shape: tuple[int, int]) -> Layer:
    """The border of a labelled defect at `shape` (height, width).

    Drawn outside the defect, and inside it only where it leaves the image.
    """
    small = _resized(mask, shape)
    width = max(1, round(max(shape) / 320))
    line = ndimage.binary_dilation(small, np.ones((3, 3)), iterations=1 + width) & ~small
    halo = ndimage.binary_dilation(small, np.ones((3, 3)), iterations=2 + width) & ~small & ~line
    rim = np.ones(shape, bool)
    rim[width:-width, width:-width] = False
    line |= rim & small
    layer = np.zeros((*shape, 4), np.uint8)
    layer[halo] = (*_HALO, 140)
    layer[line] = (*OUTLINE, 255)
    return layer


def paint(
    image: Image,
    score_map: ScoreMap,
    threshold: float,
    regions: Sequence[Region] = (),
    mask: Mask | None = None,
) -> Image:
    """One picture of everything: heat map, labelled outline and region boxes over `image`."""
    shape = (image.shape[0], image.shape[1])
    picture = Pillow.fromarray(image).convert("RGBA")
    picture.alpha_composite(Pillow.fromarray(heat_layer(score_map, threshold, shape)))
    if mask is not None and mask.any():
        picture.alpha_composite(Pillow.fromarray(outline_layer(mask, shape)))
    pen = ImageDraw.Draw(picture)
    width = max(1, round(max(shape) / 300))
    for region in regions:
        box = region.box
        corners = (box.x, box.y, box.x + box.width - 1, box.y + box.height - 1)
        pen.rectangle(_grown(corners, width), outline=(0, 0, 0, 160), width=3 * width)
        pen.rectangle(corners, outline=(255, 255, 255, 255), width=width)
    return np.asarray(picture.convert("RGB"))


def shrink(image: Image, longest: int) -> Image:
    """`image` with its longer side at most `longest` pixels, aspect ratio kept."""
    height, width = image.shape[:2]
    if max(height, width) <= longest:
        return image
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = Pillow.fromarray(image).resize(size, Pillow.Resampling.LANCZOS, reducing_gap=3.0)
    return np.asarray(picture)


def cut(image: Image, region: Region) -> Image:
    """The square around a region: half as much again as its box, wide enough to see where it is."""
    height, width = image.shape[:2]
    least = max(48, max(height, width) // 12)
    box = region.box
    side = min(max(least, round(1.5 * max(box.width, box.height))), max(height, width))
    left = _start(box.x + box.width / 2, side, width)
    top = _start(box.y + box.height / 2, side, height)
    return image[top : top + side, left : left + side]


def _start(centre: float, side: int, length: int) -> int:
    return max(0, min(round(centre - side / 2), length - side))


def _grown(corners: tuple[int, int, int, int], by: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = corners
    return left - by, top - by, right + by, bottom + by


def _resized(mask: Mask, shape: tuple[int, int]) -> Mask:
    """A pixel is meant if any pixel it stands for is: a hairline scratch keeps its outline."""
    rows = np.arange(shape[0] + 1) * mask.shape[0] // shape[0]
    columns = np.arange(shape[1] + 1) * mask.shape[1] // shape[1]
    if shape[0] >= mask.shape[0] or shape[1] >= mask.shape[1]:
        nearest: Mask = mask[np.ix_(rows[:-1], columns[:-1])]
        return nearest
    tall = np.logical_or.reduceat(mask, rows[:-1], axis=0)
    return np.logical_or.reduceat(tall, columns[:-1], axis=1)
