"""A score map turned into regions with a place and a size in the image as it was read."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from keenline.inference.enlarging import enlarge
from keenline.types import ANOMALY, Box, Mask, Region, ScoreMap

LARGEST_NUMBER = 50
"""Regions that are reported at most, highest score first; more helps nobody who looks."""

_EIGHT_CONNECTED = np.ones((3, 3), bool)


def find_regions(
    scores: ScoreMap,
    threshold: float,
    size: tuple[int, int],
    *,
    class_name: str = ANOMALY,
    pixel_size_mm: float | None = None,
    roi: Mask | None = None,
) -> tuple[Region, ...]:
    """Connected places above `threshold`, highest first.

    size: (width, height) of the image as it was read; boxes and areas are in its pixels. The map
    is enlarged bilinearly to three points a cell first, so outlines are finer than cells. Three,
    being odd, keeps the value at a cell's centre: a single cell above the threshold is shown.
    """
    width, height = size
    fine = enlarge(scores, (scores.shape[0] * 3, scores.shape[1] * 3))
    above = fine > threshold
    if not above.any():
        return ()
    step_x, step_y = width / fine.shape[1], height / fine.shape[0]
    labels, _ = ndimage.label(above, _EIGHT_CONNECTED)
    found = []
    for number, slices in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[slices] == number
        top, left = slices[0].start * step_y, slices[1].start * step_x
        bottom, right = slices[0].stop * step_y, slices[1].stop * step_x
        area = float(inside.sum()) * step_x * step_y
        box = _box(left, top, right, bottom, width, height)
        if roi is not None and not roi[box.y : box.y + box.height, box.x : box.x + box.width].any():
            continue
        found.append(
            Region(
                class_name=class_name,
                box=box,
                area_px=round(area, 1),
                score=float(fine[slices][inside].max()),
                area_mm2=None if pixel_size_mm is None else round(area * pixel_size_mm**2, 4),
            )
        )
    found.sort(key=lambda region: -region.score)
    return tuple(found[:LARGEST_NUMBER])


def _box(left: float, top: float, right: float, bottom: float, width: int, height: int) -> Box:
    x, y = max(0, int(left)), max(0, int(top))
    return Box(x, y, max(1, min(width, round(right)) - x), max(1, min(height, round(bottom)) - y))
