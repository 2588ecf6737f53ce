"""Features of learnt and ranked pictures turned into the AUROC of a memory bank with any choices.

Every step is the project's own function, in numpy and in float32: what a bundle computes, but for
the rounding to int8 and for which random patches are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np
from ablation_features import Look, Looked
from numpy.typing import NDArray
from validation import Picture, Split

from keenline.evaluation.metrics import auroc
from keenline.inference.bank import Bank, distances
from keenline.inference.scoring import TOP_FRACTION, top_mean
from keenline.models.coreset import NEIGHBOURS, greedy_k_center, reach
from keenline.models.feature_graph import SCALES
from keenline.models.learnt_bank import LEFT_OUT_AT_MOST, combined, scale_weights
from keenline.models.memory_bank import CANDIDATES, DIMENSIONS
from keenline.models.projection import RIDGE, WHITENING, Projection, StreamingPca
from keenline.types import ScoreMap

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Choices:
    """How a bank is learnt and compared with; each default is the project's."""

    scales: tuple[float, ...] = SCALES
    local_mean: bool = True
    brightness: bool = True
    whitening: float = WHITENING
    ridge: float = RIDGE
    dimensions: int = DIMENSIONS
    candidates: int = CANDIDATES
    greedy: bool = True
    members: int = 1000
    neighbours: int = NEIGHBOURS
    """0: the plain distance to the nearest member."""
    fraction: float = TOP_FRACTION
    """0: the maximum."""
    sum_of_maps: bool = True
    """False: the sum of the scores of each scale's own map."""


class _Maps(NamedTuple):
    """Distances at one scale."""

    ranked: list[ScoreMap]
    left_out: list[ScoreMap]
    """Of learnt pictures, with the members of their own part passed over."""


class _Sample(NamedTuple):
    projection: Projection
    vectors: NDArray[np.float32]
    """Projected candidates, (candidates, dimensions)."""
    source: NDArray[np.int64]
    """The part each came from."""
    order: NDArray[np.int64]
    """Places of candidates in the order in which they join the bank."""


class Study:
    """One split of one set, seen through one backbone; steps that choices share are done once.

    choices: all that will be asked for, so that the largest bank is chosen once.
    """

    def __init__(
        self,
        looked: Mapping[Look, Looked],
        pictures: Sequence[Picture],
        split: Split,
        seed: int,
        choices: Sequence[Choices],
    ) -> None:
        self._looked = looked
        self._split = split
        self._seed = seed
        parts = [picture.part for picture in pictures]
        self._part = np.unique(parts, return_inverse=True)[1].astype(np.int64)
        self._good = np.array([pictures[i].is_good for i in split.ranked])
        step = -(-len(split.learnt) // LEFT_OUT_AT_MOST)
        self._left_out = split.learnt[::step]
        self._announced = frozenset(choices)
        self._most: dict[Choices, int] = {}
        for choice in choices:
            for scale in choice.scales:
                chosen = self._chosen_by(self._searched_by(choice, scale))
                self._most[chosen] = max(self._most.get(chosen, 0), choice.members)
        self._known: dict[tuple[str, Choices], object] = {}

    def auroc(self, choices: Choices) -> float:
        """Image AUROC over the ranked pictures."""
        scores = self.scores(choices)
        return auroc(scores[self._good], scores[~self._good])

    def scores(self, choices: Choices) -> NDArray[np.float64]:
        """Score of each ranked picture; ValueError for choices that were not announced."""
        if choices not in self._announced:
            raise ValueError(f"not announced: {choices}")
        maps = [
            self._once("maps", self._searched_by(choices, scale), self._maps)
            for scale in choices.scales
        ]
        left_out = [[list(scales)] for scales in zip(*(m.left_out for m in maps), strict=True)]
        weights = scale_weights(left_out, choices.fraction)
        ranked = zip(*(m.ranked for m in maps), strict=True)
        return np.array([self._score(scales, weights, choices) for scales in ranked])

    @staticmethod
    def _score(scales: Sequence[ScoreMap], weights: Sequence[float], choices: Choices) -> float:
        if choices.sum_of_maps:
            return top_mean(combined(scales, weights), choices.fraction)
        own = [top_mean(scores, choices.fraction) for scores in scales]
        return float(np.dot(own, weights))

    def _maps(self, choices: Choices) -> _Maps:
        (scale,) = choices.scales
        sample = self._once("sample", self._chosen_by(choices), self._sample)
        chosen = sample.order[: max(16, round(choices.members * scale))]
        members, source = sample.vectors[chosen], sample.source[chosen]
        radius = np.zeros(len(members), np.float32)
        if choices.neighbours:
            radius = reach(members, source, sample.vectors, sample.source, choices.neighbours)
        bank = Bank(members, radius, source)
        looked = self._looked[scale, choices.local_mean]

        def scores(picture: int, without: NDArray[np.bool_] | None) -> ScoreMap:
            queries = sample.projection(looked.vectors(picture))
            return distances(bank, queries, without).reshape(looked.grid(picture))

        return _Maps(
            [scores(i, None) for i in self._split.ranked],
            [scores(i, source == self._part[i]) for i in self._left_out],
        )

    def _sample(self, choices: Choices) -> _Sample:
        (scale,) = choices.scales
        raw, source = self._once("patches", _drawn_by(choices), self._patches)
        pca = self._once("components", replace(_drawn_by(choices), candidates=0), self._components)
        projection = pca.projection(choices.dimensions, choices.whitening, choices.ridge)
        vectors = projection(raw)
        rng = np.random.default_rng(self._seed)
        number = max(16, round(self._most[choices] * scale))
        if choices.greedy:
            order = greedy_k_center(vectors, number, rng)
        else:
            order = rng.permutation(len(vectors))[:number]
        return _Sample(projection, vectors, source, order)

    def _patches(self, choices: Choices) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Random patches, the same number of each learnt picture and way."""
        rng = np.random.default_rng(self._seed)
        (scale,) = choices.scales
        looked = self._looked[scale, choices.local_mean]
        ways = 1 + choices.brightness
        share = -(-round(choices.candidates * scale) // (len(self._split.learnt) * ways))
        vectors, source = [], []
        for picture in self._split.learnt:
            for way in range(ways):
                seen = looked.vectors(picture, way)
                vectors.append(seen[rng.choice(len(seen), min(share, len(seen)), replace=False)])
                source.append(np.full(len(vectors[-1]), self._part[picture]))
        return np.concatenate(vectors), np.concatenate(source)

    def _components(self, choices: Choices) -> StreamingPca:
        (scale,) = choices.scales
        looked = self._looked[scale, choices.local_mean]
        pca = StreamingPca(looked.cells.shape[1])
        for picture in self._split.learnt:
            for way in range(1 + choices.brightness):
                pca.add(looked.vectors(picture, way))
        return pca

    def _searched_by(self, choices: Choices, scale: float) -> Choices:
        """Choices that the maps of one scale depend on, all others as by default."""
        channels = self._looked[scale, choices.local_mean].cells.shape[1]
        dimensions = min(choices.dimensions, channels)
        plain = Choices()
        return replace(
            choices,
            scales=(scale,),
            dimensions=dimensions,
            fraction=plain.fraction,
            sum_of_maps=plain.sum_of_maps,
        )

    @staticmethod
    def _chosen_by(choices: Choices) -> Choices:
        """Choices that the order of the candidates depends on."""
        plain = Choices()
        return replace(choices, members=plain.members, neighbours=plain.neighbours)

    def _once(self, step: str, choices: Choices, make: Callable[[Choices], T]) -> T:
        key = (step, choices)
        if key not in self._known:
            self._known[key] = make(choices)
        return self._known[key]  # type: ignore[return-value]


def _drawn_by(choices: Choices) -> Choices:
    """Choices that the raw candidates depend on, all others as by default."""
    return Choices(
        scales=choices.scales,
        local_mean=choices.local_mean,
        brightness=choices.brightness,
        candidates=choices.candidates,
    )
