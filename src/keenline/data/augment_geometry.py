"""An image with its masks turned, mirrored and bent: one map of places for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from keenline.types import Image, Mask

_Kind = TypeVar("_Kind", bound=np.generic)

BEND_LENGTH = 8.0
"""Of the deformation, in multiples of its strength: so smooth that it never folds over itself."""
SHORTEST_BEND = 24.0
"""Pixels; slight curvature of a surface, which a deformation stands for, is no ripple."""
_COARSE = 4
"""The deformation is drawn on a grid of every fourth pixel; it is smooth over six times that."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What happens to places."""

    angle: float = 0.0
    """Degrees, clockwise as seen on the screen, about the middle of the image."""
    is_mirrored: bool = False
    """Left and right exchanged, before turning."""
    elastic: float = 0.0
    """Root mean square of the deformation in pixels, each way."""
    seed: int = 0
    """Of the deformation."""


def turned(image: Image, masks: Mapping[str, Mask], turn: Turn) -> tuple[Image, dict[str, Mask]]:
    """Image and masks by the same map; what comes from beyond the border is its mirror image.

    Multiples of 90 degrees without deformation only move pixels where the image is square, and
    multiples of 180 always; anything else interpolates (cubic for the image; a mask holds the
    places that come from inside it). With nothing to do the arrays come back as they are.
    """
    quarters = _quarters(turn, image.shape[:2])
    if quarters is not None:
        if not quarters and not turn.is_mirrored:
            return image, dict(masks)
        return _moved(image, turn, quarters), {
            name: _moved(mask, turn, quarters) for name, mask in masks.items()
        }
    places = _places(turn, image.shape[:2])
    bent = {name: _sampled_mask(mask, places) for name, mask in masks.items()}
    return _sampled(image, places), bent


def share_in_sight(mask: Mask, turn: Turn) -> float:
    """Share of the marked pixels that are still on the image after turning, 0..1.

    Found without the deformation, which moves little.
    """
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    if not rows.size:
        return 1.0
    x, y = columns + 0.5 - width / 2, rows + 0.5 - height / 2
    if turn.is_mirrored:
        x = -x
    cosine, sine = _direction(turn.angle)
    across, down = x * cosine - y * sine, x * sine + y * cosine
    inside = (np.abs(across) <= width / 2) & (np.abs(down) <= height / 2)
    return float(inside.mean())


def shows_mirror_image(masks: Mapping[str, Mask], turn: Turn) -> bool:
    """Whether a mark would also be seen mirrored at the border: a defect that does not exist."""
    shapes = {mask.shape for mask in masks.values()}
    for height, width in shapes:
        if _quarters(turn, (height, width)) is not None:
            continue
        places = _places(turn, (height, width))
        beyond = (np.abs(places[0] - (height - 1) / 2) > height / 2) | (
            np.abs(places[1] - (width - 1) / 2) > width / 2
        )
        far = places[:, beyond]
        if any(_sampled_mask(mask, far).any() for mask in masks.values()):
            return True
    return False


def _quarters(turn: Turn, shape: tuple[int, ...]) -> int | None:
    """Quarter turns, where pixels need only be moved; else None."""
    if turn.elastic or turn.angle % 90:
        return None
    quarters = round(turn.angle / 90) % 4
    return None if quarters % 2 and shape[0] != shape[1] else quarters


def _moved(pixels: NDArray[_Kind], turn: Turn, quarters: int) -> NDArray[_Kind]:
    mirrored = pixels[:, ::-1] if turn.is_mirrored else pixels
    # numpy turns from the first axis to the second: counter-clockwise on the screen.
    return np.ascontiguousarray(np.rot90(mirrored, -quarters))


def _places(turn: Turn, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """For each place of the result the row and column it comes from, (2, height, width)."""
    height, width = shape[0], shape[1]
    middle = (height - 1) / 2, (width - 1) / 2
    down, across = np.mgrid[:height, :width].astype(np.float64)
    down -= middle[0]
    across -= middle[1]
    if turn.elastic:
        bend = _bend(turn, height, width)
        down += bend[0]
        across += bend[1]
    cosine, sine = _direction(turn.angle)
    rows, columns = down * cosine - across * sine, across * cosine + down * sine
    if turn.is_mirrored:
        columns = -columns
    return np.stack([rows + middle[0], columns + middle[1]])


def _bend(turn: Turn, height: int, width: int) -> NDArray[np.float64]:
    """A smooth random field, (2, height, width) pixels (Simard, Steinkraus and Platt, 2003)."""
    rng = np.random.default_rng(turn.seed)
    sigma = max(SHORTEST_BEND, BEND_LENGTH * turn.elastic) / _COARSE
    margin = int(np.ceil(3 * sigma))
    coarse = (-(-height // _COARSE) + 1, -(-width // _COARSE) + 1)
    noise = rng.standard_normal((2, coarse[0] + 2 * margin, coarse[1] + 2 * margin))
    smooth = ndimage.gaussian_filter(noise, (0, sigma, sigma))
    # White noise of variance 1 has this deviation after the filter, whatever the draw.
    smooth *= turn.elastic * 2 * np.sqrt(np.pi) * sigma
    field = smooth[:, margin : margin + coarse[0], margin : margin + coarse[1]]
    rows, columns = np.arange(height) / _COARSE, np.arange(width) / _COARSE
    grid = np.meshgrid(rows, columns, indexing="ij")
    return np.stack([ndimage.map_coordinates(part, grid, order=1) for part in field])


def _sampled(image: Image, places: NDArray[np.float64]) -> Image:
    if np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(
        image[..., 0], image[..., 2]
    ):
        return np.repeat(_sampled_channel(image[..., 0], places)[..., None], 3, axis=2)
    return np.stack([_sampled_channel(image[..., c], places) for c in range(3)], axis=2)


def _sampled_channel(channel: NDArray[np.uint8], places: NDArray[np.float64]) -> Image:
    values = ndimage.map_coordinates(channel.astype(np.float32), places, order=3, mode="reflect")
    return np.asarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _sampled_mask(mask: Mask, places: NDArray[np.float64]) -> Mask:
    covered = ndimage.map_coordinates(mask.astype(np.float32), places, order=1, mode="reflect")
    return np.asarray(covered >= 0.5)


def _direction(angle: float) -> tuple[float, float]:
    turn = np.deg2rad(angle)
    return float(np.cos(turn)), float(np.sin(turn))
