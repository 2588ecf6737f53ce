"""An inspection and the pixels of a defect turned into found or missed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from keenline.inference.enlarging import enlarge
from keenline.types import Inspection, Mask, ScoreMap, Verdict

FINE = 3
"""Points of an enlarged map in one cell, as where regions are drawn."""


def marked_places(inspection: Inspection, limits: Mapping[str, float], certain: float) -> Mask:
    """Where the inspection points at something, on the map's grid enlarged `FINE` times.

    limits: of each class, `certain` for one without; the anomaly map is held to the inspection's
    threshold. Nowhere for a part that passed. Raises ValueError for an inspection without a
    prediction.
    """
    prediction = inspection.prediction
    if prediction is None:
        raise ValueError(f"not inspected: {inspection.image}")
    marked = np.zeros([cells * FINE for cells in prediction.map.shape], bool)
    if inspection.decision.verdict is Verdict.PASS:
        return marked
    marked |= _above(prediction.map, inspection.threshold)
    for name, part in prediction.class_maps.items():
        limit = limits.get(name, certain)
        if prediction.class_scores.get(name, 0.0) > limit:
            marked |= enlarge(_above(part, limit).astype(np.float32), marked.shape) > 0.5
    return marked


def is_found(marked: Mask, defect: Mask) -> bool:
    """Whether a marked place is on the defect or at most one cell of the map beside it.

    marked: of `marked_places`; defect: (height, width) of the image.
    """
    near = ndimage.binary_dilation(marked, np.ones((2 * FINE + 1, 2 * FINE + 1), bool))
    rows, columns = np.nonzero(defect)
    height, width = defect.shape
    return bool(near[rows * near.shape[0] // height, columns * near.shape[1] // width].any())


def _above(part: ScoreMap, limit: float) -> Mask:
    return np.asarray(enlarge(part, (part.shape[0] * FINE, part.shape[1] * FINE)) > limit)
