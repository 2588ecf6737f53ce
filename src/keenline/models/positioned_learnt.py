"""Position-indexed banks turned into the deployed graph and its leave-one-out scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from keenline.bundle import Precision
from keenline.inference.bank import EMBEDDING
from keenline.inference.engines import open_engine
from keenline.inference.references import reference_members
from keenline.inference.scoring import top_mean
from keenline.models.base import LearningSet, Progress
from keenline.models.learnt_bank import LEFT_OUT_AT_MOST, combined, groups_of, scale_weights
from keenline.models.patches import inspected
from keenline.models.positioned_cells import CellBank, cell_distances
from keenline.models.positioned_graph import positioned_graph
from keenline.types import ScoreMap


class LearntPositions:
    """A part learnt by `PositionedBank`."""

    def __init__(
        self,
        *,
        good: LearningSet,
        embeddings: onnx.ModelProto,
        banks: Sequence[CellBank],
        precision: Precision,
        progress: Progress,
    ) -> None:
        self._good = good
        self._parts = len(good.parts)
        self._banks = tuple(banks)
        self._precision: Precision = precision
        self._inside = [inspected(good.roi, 0, bank.grid) for bank in banks]
        self._chosen = range(0, self._parts, -(-self._parts // LEFT_OUT_AT_MOST))
        self._left_out = self._leave_out_maps(good, embeddings, progress)
        within = [[_within(maps, self._inside)] for maps in self._left_out]
        self._weights = scale_weights(within)
        self._graph = positioned_graph(embeddings, banks, self._weights, self._inside[0])

    @property
    def graph(self) -> onnx.ModelProto:
        return self._graph

    @property
    def precision(self) -> Precision:
        return self._precision

    @property
    def facts(self) -> Mapping[str, object]:
        return {
            "cells": [len(bank.vectors) for bank in self._banks],
            "members_a_cell": self._banks[0].vectors.shape[1],
            "dimensions": self._banks[0].vectors.shape[2],
            "weights": [round(w, 6) for w in self._weights],
            "left_out_parts": len(self._left_out),
        }

    @property
    def members(self) -> Mapping[str, bytes]:
        return reference_members(self._good.parts, self._good.names)

    def leave_one_out(self) -> NDArray[np.float64]:
        """Score of each part with its group's patches passed over, (parts,).

        With more than `LEFT_OUT_AT_MOST` parts every second, third, ... is scored, the others are
        NaN. Scores err, if at all, towards higher: a cell keeps few members, and those that other
        parts would have given in place of the ones passed over are missing.
        """
        scores = np.full(self._parts, np.nan)
        scores[self._chosen] = [
            top_mean(combined(maps, self._weights)[self._inside[0]]) for maps in self._left_out
        ]
        return scores

    def _leave_out_maps(
        self, good: LearningSet, embeddings: onnx.ModelProto, progress: Progress
    ) -> list[list[ScoreMap]]:
        """For each part and scale the map without the group's own members."""
        graph = embeddings.SerializeToString()
        engine = open_engine(graph, name="openvino", precision=self._precision)
        groups = groups_of(good)
        found = []
        for done, part in enumerate(self._chosen):
            progress("leave one out", done, len(self._chosen))
            outputs = engine.run(good.parts[part])
            maps = []
            for place, bank in enumerate(self._banks):
                own = groups[bank.source] == groups[part]
                maps.append(cell_distances(bank, outputs[EMBEDDING.format(place)][0], own))
            found.append(maps)
        progress("leave one out", len(self._chosen), len(self._chosen))
        return found


def _within(maps: Sequence[ScoreMap], inside: Sequence[NDArray[np.bool_]]) -> list[ScoreMap]:
    return [scores[cells] for scores, cells in zip(maps, inside, strict=True)]
