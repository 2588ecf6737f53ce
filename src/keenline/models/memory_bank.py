"""Good images turned into a bank of normal patches and the graph that compares with it.

PatchCore (Roth et al. 2022) is the ancestor. What is different here, and what each difference is
worth on validation data (docs/decisions/0006-memory-bank.md): several scales in one pass, partly
whitened components, a power distance instead of the plain nearest neighbour, and the search inside
the graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import tee

import numpy as np
from numpy.typing import NDArray

from keenline.bundle import Precision
from keenline.errors import Code, TrainingError
from keenline.inference.bank import EMBEDDING, Bank
from keenline.inference.engines import open_engine
from keenline.models.backbones import Backbone
from keenline.models.base import LearningSet, Progress
from keenline.models.coreset import greedy_k_center, reach
from keenline.models.feature_graph import SCALES, embedding_graph, raw_features
from keenline.models.learnt_bank import LearntBank, groups_of
from keenline.models.patches import PatchSample, View, inspected, ways_to_look
from keenline.models.projection import Projection, StreamingPca
from keenline.models.rounding import Quantise, rounded

DIMENSIONS = 128
"""Components kept at most: 784 queries against 10 000 vectors take a third of the time of 384."""

CANDIDATES = 20_000
"""Patches of the finest scale from which the bank is chosen, at a coarser scale fewer in proportion
to its side; random, the same number from each part."""

HEADROOM = 1.5
"""By how much an int8 embedding may exceed every good patch before it is clipped: a gross defect
lies outside what good parts show, and clipped it would look nearer than it is."""


@dataclass(frozen=True, slots=True)
class MemoryBank:
    """A `Detector`."""

    backbone: Backbone
    bank_size: int = 1000
    """Members at the finest scale; a coarser scale has fewer, in proportion to its side."""
    brightness: float = 0.2
    """How much darker and brighter good parts may look, as a fraction."""
    rotations: tuple[int, ...] = ()
    """Degrees by which good parts may lie turned: 90, 180, 270."""
    precision: Precision = "f32"
    """What the engine computes with: f32, bf16 or int8."""
    quantise: Quantise | None = None
    """Needed for int8."""
    fall_back: bool = False
    """Whether float32 may take the place of int8: where int8 changes what the features say, and for
    images of different sizes."""

    def learn(self, good: LearningSet, *, seed: int, progress: Progress) -> LearntBank:
        """Learn; raises TrainingError with fewer than two parts or nothing inside the ROI."""
        if len(np.unique(groups_of(good))) < 2:
            raise TrainingError(
                Code.TOO_FEW_IMAGES,
                "One part shows no variation to learn from",
                expected="at least 2 good parts; 20 are a start, 118 give a guaranteed threshold",
                got=f"{len(good.parts)} images of {len(np.unique(groups_of(good)))} part",
                next="photograph more good parts",
            )
        rng = np.random.default_rng(seed)
        samples, components = self._look(good, rng, progress)
        projections = [pca.projection(DIMENSIONS) for pca in components]
        embeddings = embedding_graph(self.backbone, projections, good.size)
        embeddings = good.lighting.before(embeddings)
        precision: Precision = self.precision
        # An int8 graph is compiled anew for each size that comes: half a second, against a few
        # milliseconds that it saves. In float32 one compilation serves all sizes.
        if self.fall_back and not good.fixed_size:
            precision = "f32"
        elif self.quantise is not None:
            progress("quantise", 0, 1)
            embeddings, precision = rounded(
                embeddings,
                good.parts,
                self.quantise,
                backbone=self.backbone.name,
                fall_back=self.fall_back,
            )
            progress("quantise", 1, 1)
        groups = groups_of(good)
        banks: list[Bank] = []
        origins: list[NDArray[np.int32]] = []
        for scale, sample, projection in zip(SCALES, samples, projections, strict=True):
            progress("choose the bank", len(banks), len(SCALES))
            bank, origin = self._choose(sample, projection, scale, precision, groups, rng)
            banks.append(bank)
            origins.append(origin)
        progress("choose the bank", len(SCALES), len(SCALES))
        return LearntBank(
            good=good,
            embeddings=embeddings,
            banks=banks,
            origins=origins[0],
            precision=precision,
            progress=progress,
        )

    def _look(
        self, good: LearningSet, rng: np.random.Generator, progress: Progress
    ) -> tuple[list[PatchSample], list[StreamingPca]]:
        """One pass over the learning images: sums for the components, and random patches."""
        turned = any(degrees % 180 for degrees in self.rotations)
        size = None if turned else good.size
        graph = raw_features(self.backbone, size).SerializeToString()
        learning_precision = "f32" if self.precision == "int8" else self.precision
        engine = open_engine(
            graph, name="openvino", precision=learning_precision, side_by_side=True
        )
        channels = sum(level.channels for _, level in self.backbone.levels)
        components = [StreamingPca(channels) for _ in SCALES]
        samples = [PatchSample() for _ in SCALES]
        looks, fed = tee(self._looks(good))
        answers = engine.run_each(view.pixels[None] for _, view, _ in fed)
        for (part, view, shares), found in zip(looks, answers, strict=True):
            progress("look at good parts", part, len(good.parts))
            for place in range(len(SCALES)):
                grid = found[EMBEDDING.format(place)][0]
                roi = good.inside(part, view.view)
                inside = inspected(roi, view.turn, (grid.shape[1], grid.shape[2]))
                cells = np.flatnonzero(inside)
                if not len(cells):
                    continue
                components[place].add(grid.reshape(channels, -1).T[cells])
                chosen = rng.choice(cells, min(shares[place], len(cells)), replace=False)
                samples[place].add(grid, chosen, part, view)
        progress("look at good parts", len(good.parts), len(good.parts))
        if any(pca.empty for pca in components):
            raise TrainingError(
                Code.OPTION_CONFLICT,
                "Nothing is left to inspect",
                where="recipe, [inspect] roi and ignore",
                expected="a region that covers at least one cell of each scale",
                got="regions outside the image, or ignored altogether",
                next="check the boxes: x, y, width, height in pixels of the image",
            )
        return samples, components

    def _looks(self, good: LearningSet) -> Iterator[tuple[int, View, list[int]]]:
        """Each part in each way it is looked at, and how many patches it gives at each scale."""
        ways = 1 + bool(self.brightness) + len(self.rotations)
        for part in range(len(good.parts)):
            views = good.parts[part]
            total = len(good.parts) * len(views) * ways
            shares = [-(-round(CANDIDATES * scale) // total) for scale in SCALES]
            for view in ways_to_look(views, part, self.brightness, self.rotations, good.lighting):
                yield part, view, shares

    def _choose(
        self,
        sample: PatchSample,
        projection: Projection,
        scale: float,
        precision: Precision,
        groups: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> tuple[Bank, NDArray[np.int32]]:
        vectors, origins = projection(sample.vectors), sample.origins
        source = origins[:, 0].astype(np.int64)
        chosen = greedy_k_center(vectors, max(16, round(self.bank_size * scale)), rng)
        members, member_source = vectors[chosen], source[chosen]
        radius = reach(members, groups[member_source], vectors, groups[source])
        step = HEADROOM * float(np.abs(vectors).max()) / 127.0 if precision == "int8" else 0.0
        return Bank(members, radius, member_source, step), origins[chosen]
