"""An image as it was read turned into what the graph sees, and its maps put together again.

The one piece of code for this: learning, inspecting, evaluating and benchmarking all use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from keenline.bundle import FramingFacts
from keenline.errors import Code, ImageError
from keenline.types import Image, Mask, ScoreMap

SIZE_TOLERANCE = 0.05
"""By how much an image may differ from a fixed size, as a fraction of it: parts that are cut out
of a larger picture vary by a few pixels, while another camera or lens differs by more."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a view lies in the padded working image, and which part of it counts."""

    x: int
    y: int
    """Upper left corner, in working pixels."""
    keep: tuple[int, int, int, int]
    """left, top, right, bottom of what the whole map takes from this view, in working pixels of
    the whole image: each point is taken from the tile in which it lies farthest from a border."""


@dataclass(frozen=True, slots=True)
class Framed:
    """What the graph sees of one image."""

    views: NDArray[np.uint8]
    """(views, height, width, 3), RGB."""
    places: tuple[Place, ...]
    size: tuple[int, int]
    """Width and height of the working image without padding."""


class Framing:
    """How images of one part are framed."""

    def __init__(self, facts: FramingFacts) -> None:
        self.facts = facts

    def working_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that an image is resized to, before padding."""
        facts = self.facts
        if facts.scale == 1.0:
            return width, height
        if facts.fixed_size:
            width, height = facts.width, facts.height
        return _rounded(width * facts.scale, facts.multiple), _rounded(
            height * facts.scale, facts.multiple
        )

    def fits(self, width: int, height: int) -> bool:
        """Whether an image has the size that was learnt."""
        facts = self.facts
        if not facts.fixed_size:
            return True
        return (
            abs(width - facts.width) <= SIZE_TOLERANCE * facts.width
            and abs(height - facts.height) <= SIZE_TOLERANCE * facts.height
        )

    def wrong_size(self, width: int, height: int, where: object = None) -> ImageError:
        """The error for an image that does not fit."""
        return ImageError(
            Code.IMAGE_SIZE,
            "The image has another size than the part was learnt at",
            where=where,
            expected=f"{self.facts.width} x {self.facts.height} px, each within 5 %",
            got=f"{width} x {height} px",
            next="check camera and lens; after a change of resolution train again",
        )

    def frame(self, image: Image) -> Framed:
        """Resize (or not), pad and cut into tiles."""
        height, width = image.shape[:2]
        if self.facts.scale == 1.0 and self.facts.fixed_size:
            # Native resolution: a few pixels more or less are cut or repeated, never resampled.
            width, height = self.facts.width, self.facts.height
            image = _padded(image[:height, :width], width, height)
        else:
            width, height = self.working_size(width, height)
            image = resized(image, width, height)
        multiple, tile = self.facts.multiple, self.facts.tile
        if tile is None:
            image = _padded(image, _up(width, multiple), _up(height, multiple))
            whole = Place(0, 0, (0, 0, image.shape[1], image.shape[0]))
            return Framed(np.ascontiguousarray(image[None]), (whole,), (width, height))
        image = _padded(image, max(tile, _up(width, multiple)), max(tile, _up(height, multiple)))
        places = _places(image.shape[1], image.shape[0], tile, self.facts.overlap, multiple)
        views = np.stack([image[p.y : p.y + tile, p.x : p.x + tile] for p in places])
        return Framed(views, places, (width, height))

    def stitch(self, framed: Framed, maps: NDArray[np.float32]) -> ScoreMap:
        """One map of the working image, padding cut off, from one map a view.

        maps: (views, map height, map width) on a grid of a whole number of working pixels.
        """
        stride = framed.views.shape[1] // maps.shape[1]
        right = max(place.keep[2] for place in framed.places)
        bottom = max(place.keep[3] for place in framed.places)
        whole = np.zeros((bottom // stride, right // stride), np.float32)
        for place, part in zip(framed.places, maps, strict=True):
            left, top, right, bottom = (edge // stride for edge in place.keep)
            x, y = place.x // stride, place.y // stride
            whole[top:bottom, left:right] = part[top - y : bottom - y, left - x : right - x]
        width, height = framed.size
        return whole[: -(-height // stride), : -(-width // stride)]

    def mask_views(self, framed: Framed, roi: Mask, stride: int) -> NDArray[np.float32]:
        """For every map cell of every view 1 where it is inspected, else 0.

        roi: (height, width) of the image as it was read. A cell counts when its centre does.
        """
        width, height = framed.size
        across = np.minimum(_centres(width, roi.shape[1], stride), roi.shape[1] - 1)
        down = np.minimum(_centres(height, roi.shape[0], stride), roi.shape[0] - 1)
        cells = roi[np.ix_(down, across)].astype(np.float32)
        side_y, side_x = (n // stride for n in framed.views.shape[1:3])
        out = np.zeros((len(framed.places), side_y, side_x), np.float32)
        for place, view in zip(framed.places, out, strict=True):
            x, y = place.x // stride, place.y // stride
            part = cells[y : y + side_y, x : x + side_x]
            view[: part.shape[0], : part.shape[1]] = part
        return out


def framing_for(
    sizes: list[tuple[int, int]],
    *,
    size: int | str,
    auto_side: float,
    multiple: int,
    tile: int,
    overlap: int,
    bit_depth: int | None,
) -> Framing:
    """The framing for images of these (width, height) by the recipe's `[image]` table.

    size: side of the square of equal area, "auto" (`auto_side`, never enlarged) or "native".
    """
    array = np.array(sizes)
    width, height = (int(v) for v in np.median(array, axis=0))
    spread = np.abs(array - (width, height)).max(axis=0)
    fixed = bool((spread <= SIZE_TOLERANCE * np.array([width, height])).all())
    side = (width * height) ** 0.5
    wanted = side if size == "native" else min(auto_side, side) if size == "auto" else float(size)
    scale = 1.0 if size == "native" else wanted / side
    if scale == 1.0 and size != "native":
        scale = 1.0 + 1e-9  # working size is rounded to the multiple, not padded
    largest = array.max(axis=0) * scale
    tiled = size == "native" and bool(largest[0] * largest[1] > tile * tile)
    return Framing(
        FramingFacts(
            width=width,
            height=height,
            fixed_size=fixed,
            scale=scale,
            multiple=multiple,
            tile=tile if tiled else None,
            overlap=overlap if tiled else 0,
            bit_depth=bit_depth,
        )
    )


def resized(image: Image, width: int, height: int) -> Image:
    """Resampled with a triangle filter whose support grows when shrinking, so nothing aliases."""
    if image.shape[:2] == (height, width):
        return image
    picture = PillowImage.fromarray(image)
    return np.asarray(picture.resize((width, height), PillowImage.Resampling.BILINEAR))


def _rounded(length: float, multiple: int) -> int:
    return max(multiple, round(length / multiple) * multiple)


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _padded(image: Image, width: int, height: int) -> Image:
    right, below = width - image.shape[1], height - image.shape[0]
    if right <= 0 and below <= 0:
        return image
    return np.pad(image, ((0, max(0, below)), (0, max(0, right)), (0, 0)), mode="edge")


def _starts(length: int, tile: int, overlap: int, multiple: int) -> list[int]:
    step = max(multiple, (tile - overlap) // multiple * multiple)
    starts = list(range(0, max(1, length - tile + 1), step))
    if starts[-1] + tile < length:
        starts.append(length - tile)
    return starts


def _places(width: int, height: int, tile: int, overlap: int, multiple: int) -> tuple[Place, ...]:
    across = _kept(_starts(width, tile, overlap, multiple), tile, width, multiple)
    down = _kept(_starts(height, tile, overlap, multiple), tile, height, multiple)
    return tuple(
        Place(x, y, (left, top, right, bottom))
        for y, top, bottom in down
        for x, left, right in across
    )


def _kept(starts: list[int], tile: int, length: int, multiple: int) -> list[tuple[int, int, int]]:
    # Neighbours meet in the middle of what they share, on the grid of the coarsest features.
    edges = [0]
    for before, after in pairwise(starts):
        middle = (after + before + tile) // 2
        edges.append(middle // multiple * multiple)
    edges.append(length)
    return list(zip(starts, edges, edges[1:], strict=False))


def _centres(working: int, read: int, stride: int) -> NDArray[np.int64]:
    cells = -(-working // stride)
    centres: NDArray[np.int64] = ((np.arange(cells) + 0.5) * stride * read / working).astype(int)
    return centres
