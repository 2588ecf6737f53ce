"""COCO's run lengths, which count down the columns, turned into masks and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keenline.annotation import MaskShape
from keenline.data.formats.values import BadValue, shown, whole
from keenline.data.image_limits import LARGEST_AREA
from keenline.data.rasterise import mask_of, shape_of


def mask_from_runs(segmentation: dict[str, object]) -> tuple[MaskShape, tuple[int, int]]:
    """A mask, and the size (width, height) of the image it was made for.

    `segmentation` holds `size` (height, width) and `counts`: numbers of unmarked and marked pixels
    in turn, as a list or packed into text. Raises BadValue.
    """
    size = segmentation.get("size")
    if not isinstance(size, list) or len(size) != 2:
        raise BadValue(f"the size of its mask is {shown(size)}, not a height and a width")
    height, width = (whole({"size": side}, "size") for side in size)
    if min(height, width) < 1 or height * width > LARGEST_AREA:
        raise BadValue(f"its mask is {width} x {height} pixels")
    counts = segmentation.get("counts")
    if isinstance(counts, str):
        runs = unpacked(counts)
    elif isinstance(counts, list):
        runs = [whole({"a count": count}, "a count") for count in counts]
    else:
        raise BadValue(f"the counts of its mask are {shown(counts)}")
    if sum(runs) != height * width or min(runs) < 0:
        raise BadValue(
            f"the counts of its mask add up to {sum(runs)}, not to {width} x {height} pixels"
        )
    marked = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return shape_of(marked.reshape(width, height).T), (width, height)


def runs_of(mask: MaskShape, size: tuple[int, int]) -> dict[str, object]:
    """The `segmentation` of a mask on an image of `size` (width, height), counts as a list."""
    flat = mask_of(mask, size).T.ravel()
    ends = np.append(np.flatnonzero(flat[1:] != flat[:-1]) + 1, flat.size)
    counts: list[int] = np.diff(ends, prepend=0).tolist()
    if flat[0]:
        counts.insert(0, 0)
    return {"size": [size[1], size[0]], "counts": counts}


def unpacked(text: str) -> list[int]:
    """Counts from text: numbers in groups of 5 bits, lowest first, as letters from `0` on; bit 6
    says that a group follows, bit 5 of the last is the sign. From the fourth on each is the
    difference to the one two before (rleFrString in maskApi.c of the COCO API). Raises BadValue.
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        group = ord(letter) - _FIRST
        if not 0 <= group < 64:
            raise BadValue(f"the counts of its mask hold {shown(letter)}")
        value |= (group & 31) << shift
        shift += 5
        if group & _GOES_ON:
            continue
        if group & _IS_NEGATIVE:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift or not counts:
        raise BadValue("the counts of its mask end too early")
    return counts


def packed(counts: Sequence[int]) -> str:
    """The text that `unpacked` reads (rleToString in maskApi.c of the COCO API)."""
    letters = []
    for place, count in enumerate(counts):
        value = count - (counts[place - 2] if place > 2 else 0)
        while True:
            group = value & 31
            value >>= 5
            is_last = value == (-1 if group & _IS_NEGATIVE else 0)
            letters.append(chr(_FIRST + group + (0 if is_last else _GOES_ON)))
            if is_last:
                break
    return "".join(letters)


_FIRST = ord("0")
_GOES_ON = 32
_IS_NEGATIVE = 16
