"""A labelled sample turned into the length of the largest defect of each class that it shows."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from keenline.data.class_masks import class_masks
from keenline.types import Mask, Sample


def defect_lengths(
    sample: Sample, size: tuple[int, int], pixel_size_mm: float | None = None
) -> dict[str, float]:
    """For each class the longer side of the box around its largest connected region.

    `size`: (width, height) of the image as it was read. In mm where `pixel_size_mm` says how large
    a pixel is on the part, else in pixels. A class that is drawn nowhere has none. Raises
    ImageError when a mask file cannot be read.
    """
    scale = 1.0 if pixel_size_mm is None else pixel_size_mm
    return {name: scale * length(mask) for name, mask in class_masks(sample, size).items()}


def length(mask: Mask) -> int:
    """The longer side, in pixels, of the box around the region that has the longest one.

    Regions are 8-connected. 0 where nothing is marked.
    """
    labels, _ = ndimage.label(mask, structure=np.ones((3, 3), np.int8))
    boxes = ndimage.find_objects(labels)
    return max((max(edge.stop - edge.start for edge in box) for box in boxes), default=0)
