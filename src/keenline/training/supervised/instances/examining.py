"""What an engine answers about views, and what is there, turned into average precision of boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keenline.evaluation.box_precision import OVERLAPS, Boxes, box_precision
from keenline.inference.class_outputs import INSTANCES
from keenline.inference.engine import Engine
from keenline.training.supervised.instances.marked import InstanceView, InstanceViews


@dataclass(frozen=True, slots=True)
class Precision:
    """Average precision as COCO counts it, 0..1; NaN where nothing is there."""

    half: dict[int, float]
    """Of each class, by its number from 1, at an overlap of .50."""
    strict: float
    """Mean over classes and overlaps of .50 to .95."""

    @property
    def mean_half(self) -> float:
        """mAP50."""
        return float(np.mean(list(self.half.values()))) if self.half else float("nan")


def examined(engine: Engine, views: InstanceViews) -> Precision:
    """How well an engine finds the boxes of views, each view for itself."""
    found, true = [], []
    for known in views.known:
        view = views.view(known)
        assert isinstance(view, InstanceView)
        found.append(boxes_of(engine.run(view.pixels[None])[INSTANCES]))
        true.append(true_boxes(numbered(view)))
    by_class = box_precision(found, true)
    half = {number: float(values[OVERLAPS.index(0.5)]) for number, values in by_class.items()}
    strict = float(np.mean(list(by_class.values()))) if by_class else float("nan")
    return Precision(half, strict)


def boxes_of(instances: NDArray[np.float32]) -> Boxes:
    """What a graph answers, (1, number, 6), in the form that is measured."""
    rows = instances[0].astype(np.float64)
    return Boxes(rows[:, :4], np.rint(rows[:, 4]).astype(np.int64), rows[:, 5])


def true_boxes(rows: NDArray[np.int64]) -> Boxes:
    """What `numbered` gives, in the form that is measured."""
    return Boxes(rows[:, :4].astype(np.float64), rows[:, 4].astype(np.int64))


def numbered(view: InstanceView) -> NDArray[np.int64]:
    """(instances, 5): left, top, right, bottom and the number of the class."""
    rows = [(*each.box, each.number) for each in view.instances]
    return np.array(rows, np.int64).reshape(-1, 5)
