"""A taught network turned into a graph with thresholds on which torch and both engines agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from keenline.bundle import Precision, ThresholdFacts
from keenline.errors import Code, TrainingError
from keenline.inference.engine import Engine
from keenline.inference.engines import ENGINES, open_engine
from keenline.inference.framing import Framing
from keenline.inference.region_of_interest import roi_mask
from keenline.models.backbones import Description
from keenline.models.base import Progress
from keenline.models.class_head import HEAD, ClassHead
from keenline.models.patches import inspected
from keenline.recipe import Recipe
from keenline.training.class_thresholds import logit
from keenline.training.good_parts import framed_lighting, framed_roi
from keenline.training.quantize import quantise
from keenline.training.supervised.graphs import Size, deployed_graph, feature_graph
from keenline.training.supervised.judging import (
    Evidence,
    Judged,
    TorchEngine,
    judge,
    pixel_f1,
    same_verdicts,
)
from keenline.training.supervised.labelled_views import LabelledViews
from keenline.training.supervised.network import head_of
from keenline.training.supervised.rounding import Reached, worse
from keenline.types import Sample

CALIBRATED = 100
"""Views at most from which int8 takes its ranges."""

_APART = 1e-3
"""Logits by which a limit is moved up: a score that equals it must pass in every engine."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A graph with its thresholds, and what was found out about both."""

    graph: bytes
    members: Mapping[str, bytes]
    """Of the bundle, besides the graph."""
    precision: Precision
    threshold: ThresholdFacts
    limits: NDArray[np.float64]
    """Confidence of each class, before the shift, from which it counts, (classes,)."""
    judged: Judged
    """What the bundle's own engine says of the parts left out."""
    spread: float
    """Largest difference between two scores of one image, relative to the threshold."""
    compared_with: str


class Finisher:
    """What one network is finished with; other networks replace `built`, or what follows it too."""

    exact: tuple[str, ...] = ()
    """What the names of nodes begin with that int8 leaves as they are."""
    marks_pixels = True
    """Whether the map says which pixels are a defect, so that it is measured by them."""

    def __init__(
        self,
        network: Any,
        about: Description,
        recipe: Recipe,
        framing: Framing,
        size: Size | None,
        evidence: Evidence,
        progress: Progress,
    ) -> None:
        """size: of the views, None when they differ."""
        self._recipe, self._framing, self.evidence = recipe, framing, evidence
        self._progress = progress
        self._one_size = size
        self.tried: dict[Precision, Settled] = {}
        """Every graph that `settled` compared."""
        self._mask = inspected_grid(recipe, framing, size, network.stride)
        lighting = framed_lighting(recipe.lighting, recipe.inspect, framing)
        features, by_torch = self.forms(network, about, size)
        self._features, self._torch = lighting.before(features), lighting.looking(by_torch)
        self._by_torch = self._judge(self._torch)

    def forms(
        self, network: Any, about: Description, size: Size | None
    ) -> tuple[onnx.ModelProto, Engine]:
        """The graph that int8 rounds, and the network as torch runs it, answering as a graph does.

        Neither knows any threshold.
        """
        self._head, features = self.built(network, about, size)
        return features, TorchEngine(network, about, self._mask)

    def built(
        self, network: Any, about: Description, size: Size | None
    ) -> tuple[ClassHead, onnx.ModelProto]:
        """The head, and the graph of what it looks at."""
        return head_of(network, self.evidence.classes), feature_graph(network, about, size)

    def deployed(
        self, features: onnx.ModelProto, shift: NDArray[np.float32]
    ) -> tuple[onnx.ModelProto, Mapping[str, bytes]]:
        """The graph to deploy, and other members of the bundle.

        shift: the logit of each class that becomes a confidence of 0.5, (classes,).
        """
        head = replace(self._head, shift=shift)
        return deployed_graph(features, head, self._mask), {HEAD: head.to_bytes()}

    def settled(self, views: LabelledViews) -> tuple[Settled, tuple[str, ...]]:
        """The graph in int8 where that is as good, else in float32, and notes; all agree on it.

        views: what int8 takes its ranges from. Raises TrainingError (VERDICT_PARITY) where they do
        not agree in float32, or in the int8 that was asked for.
        """
        wanted = self._recipe.detector.precision
        plain = self.tried["f32"] = self._settled(self._features, "f32")
        if wanted == "f32":
            return plain, ()
        if wanted == "auto" and self._one_size is None:  # as `MemoryBank.learn` does, and why
            return plain, ("float32, because images differ in size",)
        try:
            rounded = self.rounded(views)
        except TrainingError as error:
            if wanted == "int8" or error.code != Code.VERDICT_PARITY:
                raise
            return plain, ("float32, because in int8 the engines and torch do not agree",)
        loss = worse(self.reached(plain), self.reached(rounded))
        share = len(rounded.graph) / len(plain.graph)
        if wanted == "int8" or not loss:
            notes = (f"worse in int8 than in float32: {loss}",) if loss else ()
            return rounded, (*notes, f"int8 takes {100 * share:.0f} % of the bytes of float32")
        return plain, (f"float32, because in int8 {loss}",)

    def rounded(self, views: LabelledViews) -> Settled:
        """The graph in int8, as good as float32 or not; views: what it takes its ranges from.

        Raises TrainingError (VERDICT_PARITY).
        """
        features = quantise(self._features, _spread_out(views), exact=self.exact)
        self.tried["int8"] = self._settled(features, "int8")
        return self.tried["int8"]

    def reached(self, settled: Settled) -> dict[str, Reached]:
        """By class, on the parts left out."""
        evidence = self.evidence
        good = len(np.unique(evidence.parts[evidence.good()]))
        found = evidence.found(settled.judged, settled.limits)
        return {
            name: Reached(*found[name], good, pixel_f1(settled.judged.pixels[evidence.bears(name)]))
            for name in evidence.classes
        }

    def judge_by_torch(self, samples: Sequence[Sample]) -> Judged:
        """What the network says of any samples, as torch runs it."""
        return self._judge(self._torch, samples)

    def judge_all(
        self, settled: Settled, samples: Sequence[Sample], *, engine: str | None = None
    ) -> Judged:
        """What the finished graph says of any samples; engine: None for the recipe's."""
        name = engine or self._recipe.detector.engine
        return self._judge(self._engine(settled.graph, name, settled.precision), samples)

    def _settled(self, features: onnx.ModelProto, precision: Precision) -> Settled:
        evidence = self.evidence
        unshifted = np.zeros(len(evidence.classes), np.float32)
        raw = self.deployed(features, unshifted)[0].SerializeToString()
        own = self._recipe.detector.engine
        names = [own, *(name for name in ENGINES if name != own)]
        engines = [self._engine(raw, name, precision) for name in names]
        everyone = [*(self._judge(engine) for engine in engines), self._by_torch]
        threshold = evidence.anomaly_limit(everyone)
        limits = evidence.class_limits(everyone)
        moved = np.array([logit(limit) + _APART for limit in limits])
        limits = 1 / (1 + np.exp(-moved))
        finished, members = self.deployed(features, moved.astype(np.float32))
        graph = finished.SerializeToString()
        self._check(everyone, graph, precision, threshold.value, limits)
        scores = np.stack([each.scores for each in everyone])
        spread = float((scores.max(axis=0) - scores.min(axis=0)).max(initial=0.0))
        return Settled(
            graph,
            members,
            precision,
            threshold,
            limits,
            everyone[0],
            spread / max(threshold.value, 1e-9),
            f"{engines[1].version}, {self._torch.version}",
        )

    def _check(
        self,
        everyone: Sequence[Judged],
        graph: bytes,
        precision: Precision,
        threshold: float,
        limits: NDArray[np.float64],
    ) -> None:
        """Raise TrainingError unless torch and both engines give every image the same verdicts."""
        # The finished graph has its limits inside: each class counts from one half.
        finished = [self._judge(self._engine(graph, name, precision)) for name in ENGINES]
        asked = [
            *everyone,
            *(replace(each, classes=np.where(each.classes > 0.5, 1.0, 0.0)) for each in finished),
        ]
        same = same_verdicts(asked, threshold, limits)
        if not same.all():
            raise TrainingError(
                Code.VERDICT_PARITY,
                "torch and the engines do not agree on what the network says",
                expected=f"one verdict for each of {len(same)} images",
                got=f"more than one for {int((~same).sum())}",
                next="train with --precision f32, and report the processor this happened on",
            )

    def _engine(self, graph: bytes, name: str, precision: Precision) -> Engine:
        tiled = self._framing.facts.tile is not None
        return open_engine(graph, name=name, precision=precision, side_by_side=tiled)

    def _judge(self, engine: Engine, samples: Sequence[Sample] | None = None) -> Judged:
        wanted = self.evidence.samples if samples is None else samples
        return judge(
            engine,
            wanted,
            self._framing,
            self._recipe.inspect,
            self._progress,
            pixels=self.marks_pixels,
        )


def inspected_grid(
    recipe: Recipe, framing: Framing, size: Size | None, stride: int
) -> NDArray[np.float32] | None:
    """Which cells are inspected, 1 or 0; None when all are, or when the scorer sees to it."""
    facts = framing.facts
    roi = roi_mask(recipe.inspect, facts.width, facts.height)
    if roi is None or size is None or not facts.fixed_size or facts.tile is not None:
        return None
    grid = (size[0] // stride, size[1] // stride)
    return inspected(framed_roi(roi, framing)[0], 0, grid).astype(np.float32)


def _spread_out(views: LabelledViews) -> list[NDArray[np.uint8]]:
    """Views for int8's ranges, evenly of those with a defect and those without."""
    ordered = sorted(views.known, key=lambda known: not known.shown)
    step = max(1, len(ordered) // CALIBRATED)
    return [views.as_read(known).pixels[None] for known in ordered[::step][:CALIBRATED]]
