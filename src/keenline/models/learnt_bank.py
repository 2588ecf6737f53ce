"""A chosen bank turned into the deployed graph, its leave-one-out scores and its bundle files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import tee
from typing import NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray

from keenline.bundle import MEMORY, PATCHES, Precision
from keenline.inference.bank import EMBEDDING, Bank, distances, memory_file
from keenline.inference.engines import open_engine
from keenline.inference.enlarging import enlarge
from keenline.inference.patch_sheet import patch_sheet
from keenline.inference.scoring import TOP_FRACTION, top_mean
from keenline.models.base import LearningSet, Progress
from keenline.models.patches import inspected
from keenline.models.search_graph import full_graph
from keenline.types import Image, Mask, ScoreMap

LEFT_OUT_AT_MOST = 100
"""Parts that are scored by leaving them out: enough for an estimate, and bounded in time."""

_PRIOR_PARTS = 5
_PRIOR_SPREAD = 0.1
"""Spread of good parts' scores relative to their mean, believed as much as `_PRIOR_PARTS` parts:
three parts may agree by chance, and a scale must not get all the weight for that."""


class _Seen(NamedTuple):
    """What one scale says of a view, and where it counts."""

    scores: ScoreMap
    inside: NDArray[np.bool_]


class LearntBank:
    """A part learnt by `MemoryBank`."""

    def __init__(
        self,
        *,
        good: LearningSet,
        embeddings: onnx.ModelProto,
        banks: Sequence[Bank],
        origins: NDArray[np.int32],
        precision: Precision,
        progress: Progress,
    ) -> None:
        self._good = good
        self._embeddings = embeddings
        self._banks = tuple(banks)
        self._origins = origins
        self._precision: Precision = precision
        self._groups = groups_of(good)
        self._chosen = range(0, len(good.parts), -(-len(good.parts) // LEFT_OUT_AT_MOST))
        self._left_out = self._leave_out_maps(progress)
        counted = [
            [[seen.scores[seen.inside] for seen in scales] for scales in views]
            for views in self._left_out
        ]
        self._weights = scale_weights(counted)
        self._graph = self._write()

    @property
    def graph(self) -> onnx.ModelProto:
        return self._graph

    @property
    def precision(self) -> Precision:
        return self._precision

    @property
    def facts(self) -> Mapping[str, object]:
        return {
            "members": [len(bank.vectors) for bank in self._banks],
            "dimensions": self._banks[0].vectors.shape[1],
            "weights": [round(w, 6) for w in self._weights],
            "left_out_parts": len(self._left_out),
        }

    @property
    def members(self) -> Mapping[str, bytes]:
        return {
            MEMORY: memory_file(self._banks, self._weights, self._good.names),
            PATCHES: patch_sheet(self._good.parts, self._origins),
        }

    def leave_one_out(self) -> NDArray[np.float64]:
        """Score of each part with its group's patches passed over, (parts,).

        With more than `LEFT_OUT_AT_MOST` parts every second, third, ... is scored, the others are
        NaN. The rest of the bank stays as it is, so scores err, if at all, towards higher: patches
        that another part would have given in their place are missing.
        """
        scores = np.full(len(self._good.parts), np.nan)
        scores[self._chosen] = [self._score(maps) for maps in self._left_out]
        return scores

    def _leave_out_maps(self, progress: Progress) -> list[list[list[_Seen]]]:
        """For each part, view and scale the map without the part's own members."""
        graph = self._embeddings.SerializeToString()
        engine = open_engine(graph, name="openvino", precision=self._precision, side_by_side=True)
        found: list[list[list[_Seen]]] = []
        looks, fed = tee(self._chosen_views())
        answers = engine.run_each(view[None] for _, _, view in fed)
        for (part, number, _), outputs in zip(looks, answers, strict=True):
            if number == 0:
                progress("leave one out", len(found), len(self._chosen))
                found.append([])
            roi = self._good.inside(part, number)
            found[-1].append([self._seen(outputs, k, part, roi) for k in range(len(self._banks))])
        progress("leave one out", len(self._chosen), len(self._chosen))
        return found

    def _chosen_views(self) -> Iterator[tuple[int, int, Image]]:
        """Part, number and pixels of each view that is scored."""
        for part in self._chosen:
            for number, view in enumerate(self._good.parts[part]):
                yield part, number, view

    def _seen(
        self,
        outputs: Mapping[str, NDArray[np.float32]],
        place: int,
        part: int,
        roi: Mask | None,
    ) -> _Seen:
        grid = outputs[EMBEDDING.format(place)][0]
        queries = np.ascontiguousarray(grid.reshape(grid.shape[0], -1).T)
        shape = (grid.shape[1], grid.shape[2])
        bank = self._banks[place]
        own = self._groups[bank.source] == self._groups[part]
        scores = distances(bank, queries, without=own).reshape(shape)
        return _Seen(scores, inspected(roi, 0, shape))

    def _score(self, views: Sequence[Sequence[_Seen]]) -> float:
        return max(
            top_mean(combined([s.scores for s in scales], self._weights)[scales[0].inside])
            for scales in views
        )

    def _write(self) -> onnx.ModelProto:
        grid = mask = None
        if self._good.fixed_size:
            shape = self._left_out[0][0][0].scores.shape
            grid = (shape[0], shape[1])
            if self._good.roi is not None:
                mask = inspected(self._good.roi, 0, grid).astype(np.float32)
        return full_graph(self._embeddings, self._banks, self._weights, mask, grid)


def groups_of(good: LearningSet) -> NDArray[np.int64]:
    """The group of each part, (parts,)."""
    return np.array(good.groups or range(len(good.parts)), np.int64)


def scale_weights(
    left_out: Sequence[Sequence[Sequence[NDArray[np.float32]]]], fraction: float = TOP_FRACTION
) -> tuple[float, ...]:
    """One factor a scale, so that good parts' scores vary equally at each.

    left_out: the inspected distances of each part, view and scale. fraction: as in `top_mean`.

    Scales are then added as tests of equal strength; without it the finest, whose distances are
    largest, would decide alone.
    """
    weights = []
    scales = len(left_out[0][0])
    for place in range(scales):
        scores = np.array(
            [max(top_mean(view[place], fraction) for view in part) for part in left_out]
        )
        mean = float(scores.mean()) or 1.0
        squares = float(((scores - mean) ** 2).sum())
        prior = _PRIOR_PARTS * (_PRIOR_SPREAD * mean) ** 2
        spread = ((squares + prior) / (len(scores) - 1 + _PRIOR_PARTS)) ** 0.5
        weights.append(1.0 / (spread * scales))
    return tuple(weights)


def combined(maps: Sequence[ScoreMap], weights: Sequence[float]) -> ScoreMap:
    """The map of one view from its maps at each scale, on the finest grid."""
    total = maps[0] * np.float32(weights[0])
    for scores, weight in zip(maps[1:], weights[1:], strict=True):
        total = total + enlarge(scores, (total.shape[0], total.shape[1])) * np.float32(weight)
    return total
