"""Engines, torch among them, turned into scores of the parts left out and thresholds they share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from keenline.bundle import ThresholdFacts
from keenline.data.class_masks import class_masks
from keenline.data.reading import read_image
from keenline.evaluation.operating_point import estimated_threshold
from keenline.inference.class_outputs import CLASS_MAP, CLASS_SCORE, LEAST, confidence
from keenline.inference.engine import Engine
from keenline.inference.enlarging import enlarge
from keenline.inference.framing import Framing
from keenline.inference.scoring import Scorer, top_mean
from keenline.models.backbones import Description
from keenline.models.base import Progress
from keenline.recipe import Gates, InspectSettings
from keenline.training.calibrate import agreeing
from keenline.training.class_thresholds import class_threshold
from keenline.training.lesson_samples import classes_of, highest
from keenline.types import Sample


@dataclass(frozen=True, slots=True)
class Judged:
    """What one engine says of some samples."""

    scores: NDArray[np.float64]
    """(samples,): the anomaly."""
    classes: NDArray[np.float64]
    """(samples, classes): confidence."""
    pixels: NDArray[np.int64]
    """(samples, 3): defective where the map is above one half, and of these truly so, and truly
    defective in all. Zeros where pixels were not compared."""

    @property
    def pixel_f1(self) -> float:
        """Of defective pixels; NaN without any defect."""
        return pixel_f1(self.pixels)


class TorchEngine:
    """A U-Net, or a network that answers like one, as it was taught; answers as its graph does."""

    name, precision = "torch", "f32"

    def __init__(self, network: Any, about: Description, mask: NDArray[np.float32] | None) -> None:
        self.version = f"torch {torch.__version__}"
        self._network, self._mask = network.eval(), mask
        self._scale, self._offset = (
            torch.tensor(values)[None, :, None, None] for values in (about.scale, about.offset)
        )

    def run(self, images: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        """As `keenline.inference.engine.Engine` says."""
        with torch.inference_mode():
            pixels = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()
            raw: Any = self._network(pixels * self._scale + self._offset)
            shares: NDArray[np.float32] = torch.softmax(raw, dim=1).numpy()
        inside = np.ones(shares.shape[2:], np.float32) if self._mask is None else self._mask
        maps = (1 - shares[:, 0]) * inside
        by_class = np.clip(shares[:, 1:] * inside, LEAST, 1 - LEAST)
        looked = inside > 0
        return {
            "map": maps,
            "score": np.array([top_mean(each[looked]) for each in maps], np.float32),
            CLASS_MAP: by_class,
            CLASS_SCORE: np.stack([confidence(each[:, looked]) for each in by_class]),
        }

    def run_each(
        self, images: Iterable[NDArray[np.uint8]]
    ) -> Iterator[Mapping[str, NDArray[np.float32]]]:
        """As `keenline.inference.engine.Engine` says."""
        return (self.run(each) for each in images)


def judge(
    engine: Engine,
    samples: Sequence[Sample],
    framing: Framing,
    inspect: InspectSettings,
    progress: Progress,
    *,
    pixels: bool = True,
) -> Judged:
    """What an engine says of samples. pixels: whether its map is compared with marks.

    Raises ImageError when a file has gone since it was learnt from.
    """
    scorer = Scorer(engine, framing, inspect)
    scores, classes = [], []
    counts = np.zeros((len(samples), 3), np.int64)
    for done, sample in enumerate(samples):
        progress(f"judge parts left out, {engine.name}", done, len(samples))
        image = read_image(sample.image, bit_depth=framing.facts.bit_depth)
        found = scorer.score(image)
        scores.append(found.score)
        classes.append(found.class_scores)
        if not pixels:
            continue
        size = (image.shape[1], image.shape[0])
        masks = {} if sample.is_good else class_masks(sample, size)
        marked = enlarge(found.map, image.shape[:2]) > 0.5
        there = np.logical_or.reduce([np.zeros_like(marked), *masks.values()])
        counts[done] = marked.sum(), (marked & there).sum(), there.sum()
    progress(f"judge parts left out, {engine.name}", len(samples), len(samples))
    return Judged(np.array(scores, np.float64), np.array(classes, np.float64), counts)


def pixel_f1(counts: NDArray[np.int64]) -> float:
    """Of `Judged.pixels` of some samples, all pixels together; NaN without any defect."""
    said, hit, true = counts.sum(axis=0)
    return float(2 * hit / (said + true)) if true else float("nan")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Parts left out: which they are, and what they show."""

    samples: Sequence[Sample]
    parts: NDArray[np.int64]
    classes: Sequence[str]
    gates: Gates

    def good(self) -> NDArray[np.bool_]:
        return np.array([sample.is_good for sample in self.samples])

    def bears(self, name: str) -> NDArray[np.bool_]:
        return np.array([name in classes_of(sample) for sample in self.samples])

    def anomaly_limit(self, judged: Sequence[Judged]) -> ThresholdFacts:
        """Above which score an image asks for a review: the same verdicts by all who judged."""
        scores = np.stack([each.scores for each in judged])
        higher, lower = scores.max(axis=0), scores.min(axis=0)
        good = self.good()
        clean = highest(higher[good], self.parts[good])
        defects = highest(lower[~good], self.parts[~good]) if (~good).any() else np.empty(0)
        gates = self.gates
        value = class_threshold(defects, clean, gates.false_alarm_rate)
        if not (defects > value).any():
            # Nothing to put it below: as though only good parts were known.
            value = estimated_threshold(clean, gates.false_alarm_rate, gates.confidence).value
        value = agreeing(value, higher, lower)
        above = int((clean > value).sum())
        return ThresholdFacts(
            value=value,
            kind="estimated",
            held_out=len(clean),
            above=above,
            false_alarm_rate=gates.false_alarm_rate,
            confidence=gates.confidence,
            statement=f"estimate from {len(clean)} good parts left out of learning, {above} above; "
            "no guarantee, because they also decided when learning ended",
        )

    def class_limits(self, judged: Sequence[Judged]) -> NDArray[np.float64]:
        """Confidence of each class from which it counts, (classes,): as for the anomaly."""
        rate = self.gates.false_alarm_rate / len(self.classes)
        all_scores = np.stack([each.classes for each in judged])
        good = self.good()
        limits = []
        for place, name in enumerate(self.classes):
            higher, lower = all_scores[..., place].max(axis=0), all_scores[..., place].min(axis=0)
            bears = self.bears(name)
            clean = highest(higher[good], self.parts[good])
            defects = highest(lower[bears], self.parts[bears]) if bears.any() else np.empty(0)
            limits.append(agreeing(class_threshold(defects, clean, rate), higher, lower))
        return np.array(limits)

    def found(self, judged: Judged, limits: NDArray[np.float64]) -> dict[str, tuple[int, int, int]]:
        """For each class: parts found, parts tried, good parts taken for it."""
        good = self.good()
        counts = {}
        for place, name in enumerate(self.classes):
            scores, bears = judged.classes[:, place], self.bears(name)
            tried = highest(scores[bears], self.parts[bears]) if bears.any() else np.empty(0)
            clean = highest(scores[good], self.parts[good])
            limit = limits[place]
            counts[name] = (int((tried > limit).sum()), len(tried), int((clean > limit).sum()))
        return counts


def same_verdicts(
    judged: Sequence[Judged], threshold: float, limits: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """For which samples all who judged say the same of the anomaly and of every class."""
    said = [np.column_stack([j.scores > threshold, j.classes > limits]) for j in judged]
    same: NDArray[np.bool_] = np.logical_and.reduce(
        [(each == said[0]).all(axis=1) for each in said]
    )
    return same
