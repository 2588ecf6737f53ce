"""The recipe's boxes turned into a mask of the image as it was read."""

from __future__ import annotations

import numpy as np

from keenline.recipe import InspectSettings
from keenline.types import Mask


def roi_mask(inspect: InspectSettings, width: int, height: int) -> Mask | None:
    """Which pixels are inspected, (height, width); None when all are."""
    if not inspect.roi and not inspect.ignore:
        return None
    mask = np.full((height, width), not inspect.roi, bool)
    for x, y, box_width, box_height in inspect.roi:
        mask[y : y + box_height, x : x + box_width] = True
    for x, y, box_width, box_height in inspect.ignore:
        mask[y : y + box_height, x : x + box_width] = False
    return mask
