"""A labelled sample turned into one mask for each class that it shows."""

from __future__ import annotations

from pathlib import Path

from keenline.data.rasterise import mask_of
from keenline.data.reading import read_mask
from keenline.types import Mask, Sample


def class_masks(sample: Sample, size: tuple[int, int]) -> dict[str, Mask]:
    """For each class of `sample` which pixels it covers; `size`: (width, height) of the image.

    From what people drew, else from the mask file. A class that is said of the whole image and
    drawn nowhere is not among them. Raises ImageError when the mask file cannot be read.
    """
    found: dict[str, Mask] = {}
    for mark in sample.marks:
        if mark.shape is not None:
            mask = mask_of(mark.shape, size)
            known = found.get(mark.class_name)
            found[mark.class_name] = mask if known is None else known | mask
    if not sample.marks and sample.mask is not None and not sample.is_good:
        found[sample.label] = read_mask(Path(sample.mask), size)
    return {name: mask for name, mask in found.items() if mask.any()}
