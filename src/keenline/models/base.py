"""The contract of every detector: good parts in, one ONNX graph out.

The graph's input is `image`: uint8, (batch, height, width, 3), RGB, at the bundle's input size.
Its outputs are `map`: float32, (batch, map height, map width), and `score`: float32, (batch,).
Everything between, normalisation included, is inside the graph, so whoever runs it needs no more
than an ONNX runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from keenline.bundle import Precision
from keenline.models.lighting import AS_IT_IS, Lighting
from keenline.types import Mask

Views: TypeAlias = NDArray[np.uint8]
"""What one part looks like to the graph: (views, height, width, 3), uint8, RGB.

One view when the image is inspected whole, one per tile when it is tiled. The score of a part is
the highest score among its views.
"""

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told (step, done, total) as work goes on; steps are named for people."""


@dataclass(frozen=True, slots=True)
class LearningSet:
    """Good parts as the graph will see them."""

    parts: Sequence[Views]
    """Indexable; may read from disk, so take each element once where that is possible."""
    roi: Mask | None = None
    """Which pixels of a view are inspected, (height, width); None when all are, or when tiled."""
    fixed_size: bool = True
    """False when parts differ in height and width; then each has exactly one view."""
    groups: Sequence[int] = ()
    """Number of the physical part (or lot) that each element shows; empty when each is its own.
    What is left out, is left out by group."""
    names: Sequence[str] = ()
    """What each part is called, for explanations; empty when nobody will ask."""
    rois: Sequence[NDArray[np.bool_]] = ()
    """Where views differ in what is inspected (tiles, varied sizes): of each part which pixels,
    (views, height, width). Empty when `roi` says it for all, or when all pixels are inspected."""
    lighting: Lighting = AS_IT_IS
    """What the graph must do to a view before anything else; `parts` are as they were before it."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width of every view, or None when they differ."""
        if not self.fixed_size:
            return None
        height, width = self.parts[0].shape[1:3]
        return height, width

    def inside(self, part: int, view: int) -> Mask | None:
        """Which pixels of a view are inspected, (height, width); None when all are."""
        return self.rois[part][view] if self.rois else self.roi


class Learnt(Protocol):
    """A part that has been learnt."""

    @property
    def graph(self) -> onnx.ModelProto:
        """The graph to deploy."""

    @property
    def precision(self) -> Precision:
        """What an engine must compute it with."""

    @property
    def facts(self) -> Mapping[str, object]:
        """What an auditor would want to know (sizes, versions), JSON values only."""

    @property
    def members(self) -> Mapping[str, bytes]:
        """Files that go into the bundle beside the graph, by name."""

    def leave_one_out(self) -> NDArray[np.float64]:
        """Score of each learning part as though it had not been learnt from, (parts,).

        NaN where a part was not scored, which a detector may do when there are very many. An
        estimate of what a good part scores: it carries no guarantee.
        """


class Detector(Protocol):
    """A way to learn a part from good images alone."""

    def learn(self, good: LearningSet, *, seed: int, progress: Progress) -> Learnt:
        """Learn; raises TrainingError when the images cannot carry it."""


def silent(step: str, done: int, total: int) -> None:
    """A `Progress` that tells nobody."""
