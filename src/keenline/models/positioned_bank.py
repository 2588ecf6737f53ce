"""Good images of a part that always lies in the same position turned into a bank for each place.

For fixtured parts (recipe `[inspect] fixtured`): a feature that is normal elsewhere on the part,
such as a hole, is an anomaly where it does not belong, and a place where it is missing is one too.
`MemoryBank` compares with patches from everywhere and may miss both. It takes no longer: 15.3 ms
against 16.0 ms (MobileNetV2 int8, 384 x 288, one thread). More in
docs/decisions/0007-position-indexed-bank.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnx

from keenline.bundle import Precision
from keenline.errors import Code, TrainingError
from keenline.inference.bank import EMBEDDING
from keenline.inference.engines import open_engine
from keenline.models.backbones import Backbone
from keenline.models.base import LearningSet, Progress
from keenline.models.feature_graph import SCALES, embedding_graph, raw_features
from keenline.models.learnt_bank import groups_of
from keenline.models.patches import View, inspected, ways_to_look
from keenline.models.positioned_cells import CellBank, choose_cell_bank
from keenline.models.positioned_learnt import LearntPositions
from keenline.models.projection import StreamingPca
from keenline.models.rounding import Quantise, rounded

DIMENSIONS = 128
"""Components kept at most."""

BANK_SHARE = 62
"""One member a cell for so many patches of `bank_size`: the default of 1000 gives 16."""

FEWEST_MEMBERS = 4
"""Fewer cannot tell a place that varies from one that does not."""

BANK_BYTES = 256 * 1024 * 1024
"""The members of all cells take at most this; every image reads all of them once."""

PICTURE_BYTES = 512 * 1024 * 1024
"""Embeddings held while learning; of more pictures than fit, evenly spread ones are taken."""


@dataclass(frozen=True, slots=True)
class PositionedBank:
    """A `Detector`; its arguments are those of `MemoryBank`."""

    backbone: Backbone
    bank_size: int = 1000
    """A member a cell for every `BANK_SHARE` of these."""
    brightness: float = 0.2
    """How much darker and brighter good parts may look, as a fraction."""
    rotations: tuple[int, ...] = ()
    """Must be empty: a part that may lie turned is not fixtured."""
    precision: Precision = "f32"
    """What the engine computes with: f32, bf16 or int8 (the search stays in f32)."""
    quantise: Quantise | None = None
    """Needed for int8."""
    fall_back: bool = False
    """Whether float32 may take the place of an int8 that changes what the features say."""
    most_bytes: int = BANK_BYTES
    """For all members together; where more were wanted, each cell gets fewer."""

    def learn(self, good: LearningSet, *, seed: int, progress: Progress) -> LearntPositions:
        """Learn; raises TrainingError with fewer than two parts, views that differ in size, tiles,
        rotations, views too large to index, or nothing inside the ROI."""
        self._check(good)
        rng = np.random.default_rng(seed)
        height, width = good.parts[0].shape[1:3]
        components = self._components(good, progress)
        projections = [pca.projection(DIMENSIONS) for pca in components]
        embeddings = embedding_graph(self.backbone, projections, (height, width))
        embeddings = good.lighting.before(embeddings)
        precision = self.precision
        if self.quantise is not None:
            progress("quantise", 0, 1)
            embeddings, precision = rounded(
                embeddings,
                good.parts,
                self.quantise,
                backbone=self.backbone.name,
                fall_back=self.fall_back,
            )
            progress("quantise", 1, 1)
        banks = self._choose(good, embeddings, precision, rng, progress)
        return LearntPositions(
            good=good,
            embeddings=embeddings,
            banks=banks,
            precision=precision,
            progress=progress,
        )

    def _check(self, good: LearningSet) -> None:
        parts = len(np.unique(groups_of(good)))
        if parts < 2:
            raise TrainingError(
                Code.TOO_FEW_IMAGES,
                "One part shows no variation to learn from",
                expected="at least 2 good parts; 20 are a start, 118 give a guaranteed threshold",
                got=f"{parts} in {len(good.parts)} images",
                next="photograph more good parts",
            )
        if self.rotations:
            raise _not_fixtured(
                "no rotations",
                f"rotations {list(self.rotations)}",
                "delete `rotations` in [augment], or set `fixtured = false`",
            )
        if not good.fixed_size:
            raise _not_fixtured(
                "images of one size, within 5 %",
                "images of different sizes",
                "learn each camera or crop as a part of its own, or set `fixtured = false`",
            )
        if len(good.parts[0]) != 1:
            raise _not_fixtured(
                "each image seen whole",
                f"{len(good.parts[0])} tiles an image",
                "set `size` in [image] to a number of pixels or auto, or set `fixtured = false`",
            )

    def _components(self, good: LearningSet, progress: Progress) -> list[StreamingPca]:
        """Sums for the principal components, from one pass over the learning images."""
        features = good.lighting.before(raw_features(self.backbone, good.size))
        precision = "f32" if self.precision == "int8" else self.precision
        engine = open_engine(features.SerializeToString(), name="openvino", precision=precision)
        channels = sum(level.channels for _, level in self.backbone.levels)
        components = [StreamingPca(channels) for _ in SCALES]
        for part in range(len(good.parts)):
            progress("look at good parts", part, len(good.parts))
            for view in self._ways(good, part):
                found = engine.run(view.pixels[None])
                for place, pca in enumerate(components):
                    grid = found[EMBEDDING.format(place)][0]
                    inside = inspected(good.roi, 0, (grid.shape[1], grid.shape[2]))
                    pca.add(grid.reshape(channels, -1).T[inside.ravel()])
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
        return components

    def _choose(
        self,
        good: LearningSet,
        embeddings: onnx.ModelProto,
        precision: Precision,
        rng: np.random.Generator,
        progress: Progress,
    ) -> list[CellBank]:
        """A bank for each scale, of embeddings as the deployed graph computes them."""
        engine = open_engine(embeddings.SerializeToString(), name="openvino", precision=precision)
        outputs = [EMBEDDING.format(place) for place in range(len(SCALES))]
        first = engine.run(good.parts[0])
        shapes = [first[name].shape[1:] for name in outputs]
        cells = [height * width for _, height, width in shapes]
        dimensions = shapes[0][0]
        number = self._members(sum(cells) * dimensions * 4)
        parts = _spread(
            len(good.parts), PICTURE_BYTES // (sum(cells) * dimensions * 4) // self._looks
        )
        pictures = len(parts) * self._looks
        kept = [np.empty((pictures, count, dimensions), np.float32) for count in cells]
        for done, part in enumerate(parts):
            progress("learn each place", done, len(parts))
            for look, view in enumerate(self._ways(good, part)):
                found = engine.run(view.pixels[None])
                for store, name in zip(kept, outputs, strict=True):
                    store[done * self._looks + look] = found[name][0].reshape(dimensions, -1).T
        progress("learn each place", len(parts), len(parts))
        groups = groups_of(good)
        source = np.repeat(np.array(parts, np.int64), self._looks)
        banks: list[CellBank] = []
        for shape in shapes:
            progress("choose the bank", len(banks), len(shapes))
            store = kept.pop(0)
            banks.append(choose_cell_bank(store, shape[1:], source, groups, number, rng))
        progress("choose the bank", len(shapes), len(shapes))
        return banks

    def _members(self, bytes_of_one: int) -> int:
        """How many members a cell gets; `bytes_of_one`: what one for each cell takes."""
        wanted = max(FEWEST_MEMBERS, self.bank_size // BANK_SHARE)
        possible = min(wanted, self.most_bytes // bytes_of_one)
        if possible < FEWEST_MEMBERS:
            raise _not_fixtured(
                f"room for {FEWEST_MEMBERS} patches a place within {_megabytes(self.most_bytes)}",
                f"{_megabytes(bytes_of_one)} for each patch a place",
                "set a smaller `size` in [image], or set `fixtured = false`",
            )
        return possible

    @property
    def _looks(self) -> int:
        """Pictures of each part."""
        return 1 + bool(self.brightness)

    def _ways(self, good: LearningSet, part: int) -> Iterator[View]:
        return ways_to_look(good.parts[part], part, self.brightness, ())


def _not_fixtured(expected: str, got: str, next_step: str) -> TrainingError:
    return TrainingError(
        Code.OPTION_CONFLICT,
        "Each place is compared with itself only where parts always lie the same",
        where="recipe, [inspect] fixtured",
        expected=expected,
        got=got,
        next=next_step,
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.0f} MB"


def _spread(count: int, most: int) -> list[int]:
    """At most `most` (never fewer than two) of `count` places, evenly spread."""
    most = min(count, max(2, most))
    return [place * count // most for place in range(most)]
