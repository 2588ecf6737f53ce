"""An engine and a framing turned into the one way to score an image.

Learning, thresholds, inspection and evaluation all score through this, so a number means the
same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keenline.inference.class_outputs import CLASS_MAP, CLASS_SCORE, confidence
from keenline.inference.engine import Engine
from keenline.inference.enlarging import enlarge
from keenline.inference.framing import Framed, Framing
from keenline.inference.region_of_interest import roi_mask
from keenline.recipe import InspectSettings
from keenline.types import Image, Mask, ScoreMap

TOP_FRACTION = 0.01
"""The score of a view is the mean of this fraction of its map's highest values, in the graphs and
here: steadier than the maximum (docs/decisions/0006-memory-bank.md)."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What the graph says about one image."""

    score: float
    map: ScoreMap
    roi: Mask | None
    class_scores: NDArray[np.float32]
    """Confidence of each class, (classes,), 0..1; empty for a graph that tells none apart."""
    class_maps: tuple[ScoreMap, ...] = ()
    """Of each class, as `map` is."""


class Scorer:
    """Scores images of one part; not thread-safe, like the engine inside."""

    def __init__(self, engine: Engine, framing: Framing, inspect: InspectSettings) -> None:
        self.engine = engine
        self.framing = framing
        self._inspect = inspect
        facts = framing.facts
        # With one size and no tiles the region of interest is part of the graph.
        self._mask_in_graph = facts.fixed_size and facts.tile is None
        self._native = facts.scale == 1.0

    def score(self, image: Image) -> Scored:
        """Score of the image: the highest among its views. Raises EngineError."""
        framed = self.framing.frame(image)
        roi = roi_mask(self._inspect, image.shape[1], image.shape[0])
        maps, scores, class_maps, class_scores = self._run(framed)
        if roi is not None and not self._mask_in_graph:
            maps, class_maps = _divisible(maps, framed), [_divisible(m, framed) for m in class_maps]
            stride = framed.views.shape[1] // maps.shape[1]
            # Not resized, an image of another size was cut or padded: boxes stay in place.
            seen = roi_mask(self._inspect, *framed.size) if self._native else roi
            assert seen is not None
            keep = self.framing.mask_views(framed, seen, stride)
            maps = maps * keep
            scores = [top_mean(part[mask > 0]) for part, mask in zip(maps, keep, strict=True)]
            class_maps = [part * keep for part in class_maps]
            class_scores = [
                confidence(np.stack([part[view][keep[view] > 0] for part in class_maps]))
                for view in range(len(maps) if class_maps else 0)
            ]
        wholes = [self._whole(part, framed, image) for part in (maps, *class_maps)]
        highest = np.max(class_scores, axis=0) if len(class_scores) else np.empty(0, np.float32)
        return Scored(max(scores), wholes[0], roi, highest, tuple(wholes[1:]))

    def _whole(self, maps: NDArray[np.float32], framed: Framed, image: Image) -> ScoreMap:
        """One map of the image from those of its views."""
        whole: ScoreMap = maps[0]
        if len(maps) > 1 or framed.size != (framed.views.shape[2], framed.views.shape[1]):
            whole = self.framing.stitch(framed, _divisible(maps, framed))
        if self._native and framed.size != (image.shape[1], image.shape[0]):
            whole = _cut_or_repeated(whole, image.shape[:2], framed.views.shape[1] / maps.shape[1])
        return whole

    def _run(
        self, framed: Framed
    ) -> tuple[
        NDArray[np.float32], list[float], list[NDArray[np.float32]], list[NDArray[np.float32]]
    ]:
        """Maps, scores, maps of each class and class scores of all views.

        A view or two at a time, so memory does not grow with the number of tiles.
        """
        maps, scores, class_maps, class_scores = [], [], [], []
        for outputs in self.engine.run_each(view[None] for view in framed.views):
            maps.append(outputs["map"][0])
            scores.append(float(outputs["score"][0]))
            if CLASS_SCORE in outputs:
                class_maps.append(outputs[CLASS_MAP][0])
                class_scores.append(outputs[CLASS_SCORE][0])
        by_class = list(np.stack(class_maps, axis=1)) if class_maps else []
        return np.stack(maps), scores, by_class, class_scores


def _divisible(maps: NDArray[np.float32], framed: Framed) -> NDArray[np.float32]:
    """Maps whose cells are a whole number of pixels, as stitching needs."""
    height, width = framed.views.shape[1:3]
    if height % maps.shape[1] == 0 and height // maps.shape[1] * maps.shape[2] == width:
        return maps
    return np.stack([enlarge(part, (height // 8, width // 8)) for part in maps])


def _cut_or_repeated(whole: ScoreMap, size: tuple[int, int], stride: float) -> ScoreMap:
    """A map with as many cells as an image of `size`, (height, width), has, as the image was cut
    or its edge repeated before: each cell stays where it is."""
    places = [
        np.minimum(np.arange(int(np.ceil(length / stride))), cells - 1)
        for length, cells in zip(size, whole.shape, strict=True)
    ]
    return whole[np.ix_(*places)]


def top_number(cells: int, fraction: float = TOP_FRACTION) -> int:
    """How many of a map's cells the score is the mean of; the graph rounds the same way."""
    return max(1, int(np.ceil(np.float32(cells) * np.float32(fraction))))


def top_mean(
    scores: NDArray[np.float32] | NDArray[np.float64], fraction: float = TOP_FRACTION
) -> float:
    """Mean of the highest values of an array of any shape; 0 when it is empty."""
    if not scores.size:
        return 0.0
    number = top_number(scores.size, fraction)
    return float(np.partition(scores, scores.size - number, axis=None)[-number:].mean())
