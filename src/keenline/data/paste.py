"""A defect from a library set onto a good image, where the surface is like its own.

A place is plausible when the whole patch lies where the part is inspected, the mean grey there is
within `GREY_NEAR` of that of the defect's own surroundings, and the spread of grey (the texture)
is between half and twice theirs. Where no place is, nothing is pasted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from keenline.augment_settings import ClassAugment
from keenline.data.augment import draw_turn
from keenline.data.augment_geometry import Turn
from keenline.data.blending import LARGEST_SOLVED, Patch, by_gradients, by_opacity
from keenline.data.defect_library import FAINTEST, GROWN, Cut, stands_out
from keenline.types import Image, Mask

GREY_NEAR = 20.0
"""Grey levels of 255 by which the surface may differ; the rest is taken up by the blending."""
TEXTURE_RATIO = 2.0
"""By which the spread of grey may differ, either way."""
LEAST_SPREAD = 2.0
"""Grey levels: spreads below it are the noise of the camera, and alike."""
SCALES = (0.8, 1.25)
"""A defect may be this much smaller or larger: modest, since a size is part of what it is."""
ROOM = 4
"""Pixels of the target around that, which show what the surface is."""
LEAST_KEPT = 0.5
"""Share that must be left, after blending, of how far the defect stood out where it was; and
`FAINTEST` in any case."""

Blend: TypeAlias = Literal["opacity", "gradients"]


@dataclass(frozen=True, slots=True)
class Pasted:
    """A good image with a defect that was not there."""

    image: Image
    mask: Mask
    """(height, width) of the image."""
    box: tuple[int, int, int, int]
    """x, y, width, height of what was changed at most, pixels."""
    turn: Turn
    scale: float
    blend: Blend


def paste(
    cut: Cut,
    target: Image,
    allowed: Mask | None,
    policy: ClassAugment,
    rng: np.random.Generator,
    blend: Blend | None = None,
) -> Pasted | None:
    """Set a defect onto a good image at a random plausible place; None where there is none.

    allowed: (height, width), where defects may lie; None: everywhere. The class's policy says how
    it may be turned and mirrored. blend: drawn when None. None is also the answer when hardly
    anything of the defect is left after blending.
    """
    drawn = draw_turn(policy, rng)
    turn = Turn(drawn.angle, drawn.is_mirrored)
    scale = float(np.exp(rng.uniform(*np.log(SCALES))))
    if blend is None:
        blend = "gradients" if rng.random() < 0.5 else "opacity"
    patch, mask = reshaped(cut, turn, scale)
    region = ndimage.binary_dilation(mask, iterations=GROWN)
    around = ~region
    if not mask.any() or not around.any():
        return None
    grey = patch.mean(axis=2)
    places = plausible(target, allowed, mask.shape, grey[around].mean(), grey[around].std())
    rows, columns = np.nonzero(places)
    if not rows.size:
        return None
    choice = rng.integers(rows.size)
    top, left = int(rows[choice]), int(columns[choice])
    part = (slice(top, top + mask.shape[0]), slice(left, left + mask.shape[1]))
    before = target[part].astype(np.float32)
    # What is left of the difference between the surfaces after the choice of a place.
    fitted = patch + (before[around].mean(axis=0) - patch[around].mean(axis=0))
    if blend == "gradients" and region.sum() <= LARGEST_SOLVED:
        after = by_gradients(before, patch, region)
    else:
        blend, after = "opacity", by_opacity(before, fitted, region)
    after = np.clip(np.rint(after), 0, 255)
    needed = max(FAINTEST, LEAST_KEPT * stands_out(patch, mask, around))
    if stands_out(after, mask, around) < needed:
        return None
    image, where = target.copy(), np.zeros(target.shape[:2], bool)
    image[part] = after.astype(np.uint8)
    where[part] = mask
    box = (left, top, mask.shape[1], mask.shape[0])
    return Pasted(image, where, box, turn, scale, blend)


def plausible(
    target: Image, allowed: Mask | None, size: tuple[int, ...], mean: float, spread: float
) -> Mask:
    """Where the upper left corner of a patch of `size` (height, width) may lie.

    mean, spread: grey levels of the surface that the patch comes from, 0..255. Empty where the
    patch is larger than the image.
    """
    height, width = size
    if height > target.shape[0] or width > target.shape[1]:
        return np.zeros((0, 0), bool)
    grey = target.mean(axis=2, dtype=np.float64)
    area = height * width
    means = _sums(grey, height, width) / area
    squares = _sums(grey**2, height, width) / area
    spreads = np.maximum(np.sqrt(np.maximum(squares - means**2, 0)), LEAST_SPREAD)
    ratio = spreads / max(spread, LEAST_SPREAD)
    good = np.abs(means - mean) <= GREY_NEAR
    good &= (ratio >= 1 / TEXTURE_RATIO) & (ratio <= TEXTURE_RATIO)
    if allowed is not None:
        good &= np.rint(_sums(allowed.astype(np.float64), height, width)) == area
    return np.asarray(good)


def reshaped(cut: Cut, turn: Turn, scale: float) -> tuple[Patch, Mask]:
    """The defect turned and scaled, cropped to `GROWN` + `ROOM` pixels around it, and its mask."""
    height, width = cut.mask.shape
    angle = np.deg2rad(turn.angle)
    cosine, sine = np.cos(angle) / scale, np.sin(angle) / scale
    diagonal = int(np.ceil(np.hypot(height, width) * scale)) + 2 * (GROWN + ROOM) + 2
    # Even or odd like the crop, so that a defect that is not turned keeps its very pixels.
    tall, wide = (diagonal + (diagonal - side) % 2 for side in (height, width))
    down, across = np.mgrid[:tall, :wide].astype(np.float64)
    down -= (tall - 1) / 2
    across -= (wide - 1) / 2
    columns = across * cosine + down * sine
    rows = down * cosine - across * sine
    if turn.is_mirrored:
        columns = -columns
    places = np.stack([rows + (height - 1) / 2, columns + (width - 1) / 2])
    covered = ndimage.map_coordinates(cut.mask.astype(np.float32), places, order=1)
    mask = covered >= 0.5
    if not mask.any():
        return np.zeros((1, 1, 3), np.float32), np.zeros((1, 1), bool)
    room = GROWN + ROOM
    low = [int(np.flatnonzero(mask.any(axis=axis))[0]) - room for axis in (1, 0)]
    high = [int(np.flatnonzero(mask.any(axis=axis))[-1]) + 1 + room for axis in (1, 0)]
    part = (slice(max(low[0], 0), high[0]), slice(max(low[1], 0), high[1]))
    source = cut.image.astype(np.float32)
    near = places[(slice(None), *part)]
    channels = [
        ndimage.map_coordinates(source[..., c], near, order=3, mode="reflect") for c in range(3)
    ]
    return np.clip(np.stack(channels, axis=2), 0, 255), mask[part]


def _sums(values: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """Sum over each window, (rows - height + 1, columns - width + 1)."""
    total = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    np.cumsum(np.cumsum(values, axis=0), axis=1, out=total[1:, 1:])
    return np.asarray(
        total[height:, width:]
        - total[:-height, width:]
        - total[height:, :-width]
        + total[:-height, :-width]
    )
