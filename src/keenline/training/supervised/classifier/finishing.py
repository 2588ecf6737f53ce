"""A network that names classes turned into a graph on which torch and both engines agree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from keenline.bundle import ThresholdFacts
from keenline.errors import Code, TrainingError
from keenline.inference.class_outputs import CLASS_MAP, CLASS_SCORE, LEAST
from keenline.inference.engine import Engine
from keenline.models.backbones import Description
from keenline.training.calibrate import agreeing
from keenline.training.class_thresholds import class_threshold
from keenline.training.lesson_samples import classes_of, highest
from keenline.training.supervised.classifier.graph import ANSWERING, answer_graph, deployed_graph
from keenline.training.supervised.classifier.network import Deployable, Named
from keenline.training.supervised.finishing import Finisher, Settled
from keenline.training.supervised.graphs import Size
from keenline.training.supervised.judging import Evidence, Judged
from keenline.training.supervised.labelled_views import LabelledViews
from keenline.types import Sample

CERTAIN = 0.5
"""Threshold where every image scores 1, because no good part is known."""


class ClassFinisher(Finisher):
    """What one network is finished with."""

    exact = (ANSWERING,)
    marks_pixels = False

    def forms(
        self, network: Named, about: Description, size: Size | None
    ) -> tuple[onnx.ModelProto, Engine]:
        self._rounds = network.rounds
        whole = network.deployable().eval()
        outputs = 1 + len(self.evidence.classes)
        graph = answer_graph(whole, about, size, outputs, network.stride)
        return graph, NamingEngine(whole, about)

    def deployed(
        self, features: onnx.ModelProto, shift: NDArray[np.float32]
    ) -> tuple[onnx.ModelProto, Mapping[str, bytes]]:
        return deployed_graph(features, shift), {}

    def settled(self, views: LabelledViews) -> tuple[Settled, tuple[str, ...]]:
        """As `Finisher` says, but a transformer stays in float32."""
        if self._rounds:
            return super().settled(views)
        if self._recipe.detector.precision == "int8":
            raise TrainingError(
                Code.OPTION_CONFLICT,
                "A transformer is not computed in int8",
                where="precision",
                expected="auto or f32",
                got="int8",
                next="a convolutional backbone is; the model hybrid has one below",
            )
        return self._settled(self._features, "f32"), ("float32: a transformer is not rounded",)

    def judge_all(
        self, settled: Settled, samples: Sequence[Sample], *, engine: str | None = None
    ) -> Judged:
        """What the finished graph says of any samples, class scores before the shift."""
        judged = super().judge_all(settled, samples, engine=engine)
        limits = np.clip(settled.limits, LEAST, 1 - LEAST)
        kept = np.clip(judged.classes, LEAST, 1 - LEAST)
        odds = kept / (1 - kept) * limits / (1 - limits)
        return replace(judged, classes=odds / (1 + odds))


class NamingEngine:
    """The network as it was taught, answering as the exported graph does, not shifted."""

    name, precision = "torch", "f32"

    def __init__(self, network: Deployable, about: Description) -> None:
        self.version = f"torch {torch.__version__}"
        self._network = network
        self._scale, self._offset = (
            torch.tensor(values)[None, :, None, None] for values in (about.scale, about.offset)
        )

    def run(self, images: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        """As `keenline.inference.engine.Engine` says."""
        with torch.inference_mode():
            pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()
            found: Any = self._network(pixels * self._scale + self._offset)
            shares = torch.softmax(found[0], dim=1).numpy()
            places = found[1].numpy()
        return {
            "map": 1 - places[:, 0],
            "score": 1 - shares[:, 0],
            CLASS_MAP: np.clip(places[:, 1:], LEAST, 1 - LEAST),
            CLASS_SCORE: np.clip(shares[:, 1:], LEAST, 1 - LEAST),
        }

    def run_each(
        self, images: Iterable[NDArray[np.uint8]]
    ) -> Iterator[Mapping[str, NDArray[np.float32]]]:
        """As `keenline.inference.engine.Engine` says."""
        return (self.run(each) for each in images)


class OnlyDefects(Evidence):
    """Parts left out none of which is good: classes are told from one another alone."""

    def anomaly_limit(self, judged: Sequence[Judged]) -> ThresholdFacts:
        """One that every image is above: a part is never good because it is like no defect."""
        lowest = min(float(each.scores.min(initial=1.0)) for each in judged)
        assert lowest > CERTAIN, "without good parts every image scores 1"
        return ThresholdFacts(
            value=CERTAIN,
            kind="estimated",
            held_out=0,
            above=0,
            false_alarm_rate=self.gates.false_alarm_rate,
            confidence=self.gates.confidence,
            statement="no good part was known: every image is above it, so that none can pass",
        )

    def class_limits(self, judged: Sequence[Judged]) -> NDArray[np.float64]:
        """Confidence of each class from which it counts, (classes,): against the other classes."""
        rate = self.gates.false_alarm_rate
        every = np.stack([each.classes for each in judged])
        limits = []
        for place, name in enumerate(self.classes):
            higher, lower = every[..., place].max(axis=0), every[..., place].min(axis=0)
            bears = self.bears(name)
            groups = []
            for scores, mine in ((lower, bears), (higher, ~bears)):
                found = highest(scores[mine], self.parts[mine]) if mine.any() else np.empty(0)
                groups.append(found)
            limits.append(agreeing(class_threshold(groups[0], groups[1], rate), higher, lower))
        return np.array(limits)


def accuracy(samples: Sequence[Sample], judged: Judged, classes: Sequence[str]) -> float:
    """Share of samples whose likeliest answer, good among them, is right; scores not shifted."""
    said = np.column_stack([1 - judged.scores, judged.classes]).argmax(axis=1)
    names = ["", *classes]
    right = [
        names[place] in classes_of(sample) if place else sample.is_good
        for place, sample in zip(said, samples, strict=True)
    ]
    return float(np.mean(right))
