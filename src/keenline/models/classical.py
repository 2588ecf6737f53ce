"""Turns good parts into a classical texture detector: statistics per cell and an outlier measure.

Local binary patterns, gradients and grey statistics per cell -> scaling -> PCA -> isolation
forest or one-class SVM, all inside one graph of standard ONNX operators, without a backbone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from keenline.bundle import Precision
from keenline.errors import Code, TrainingError
from keenline.inference.scoring import TOP_FRACTION, top_mean, top_number
from keenline.models.base import LearningSet, Progress
from keenline.models.cell_features import add_cell_features, feature_names
from keenline.models.cell_sampling import GoodCells, inspected_cells, read_good_cells
from keenline.models.graph_writer import GraphWriter
from keenline.models.outliers import ForestOutliers, Outliers, SupportOutliers
from keenline.models.standardising import Standardising, fit_standardising

Outlier: TypeAlias = Literal["one_class_svm", "isolation_forest"]

OUTLIERS: Mapping[str, type[SupportOutliers] | type[ForestOutliers]] = {
    "one_class_svm": SupportOutliers,
    "isolation_forest": ForestOutliers,
}

FOLDS = 10


@dataclass(frozen=True, slots=True)
class Classical:
    """A detector that needs neither a backbone nor weights.

    `outlier`: the SVM is the default. On the development sets it was ahead or level, its map is
    smooth (two engines cannot fall on two sides of a branch), and it is faster.
    """

    outlier: Outlier = "one_class_svm"

    def __post_init__(self) -> None:
        if self.outlier not in OUTLIERS:
            raise TrainingError(
                Code.OPTION_CONFLICT,
                "The classical detector does not know this outlier measure.",
                where="outlier",
                expected=" or ".join(OUTLIERS),
                got=self.outlier,
            )

    def learn(self, good: LearningSet, *, seed: int, progress: Progress) -> LearntClassical:
        """Learn; raises TrainingError when there are no parts, or parts smaller than 16 px."""
        cells = read_good_cells(good, seed=seed, progress=progress)
        progress("outlier measure", 0, 1)
        learnt = LearntClassical(good, cells, self.outlier, seed)
        progress("outlier measure", 1, 1)
        return learnt


@dataclass(frozen=True, slots=True)
class _Fitted:
    standardising: Standardising
    outliers: Outliers

    def score(self, views: NDArray[np.float32]) -> float:
        """The highest score among views, (views, cells, features)."""
        count, cells, features = views.shape
        components = self.standardising.apply(views.reshape(-1, features))
        measure = self.outliers.measure(components).reshape(count, cells)
        return max(top_mean(view) for view in measure)


class LearntClassical:
    """A part learnt by `Classical`."""

    def __init__(self, good: LearningSet, cells: GoodCells, outlier: Outlier, seed: int) -> None:
        self._roi = good.roi
        self._lighting = good.lighting
        self._groups = good.groups
        self._cells = cells
        self._outlier: Outlier = outlier
        self._seed = seed
        self._fitted = self._fit(range(len(cells)))
        self._graph = self._write()

    @property
    def graph(self) -> onnx.ModelProto:
        """The graph in float32. In bf16 the patterns' comparisons would be lost."""
        return self._graph

    @property
    def facts(self) -> Mapping[str, object]:
        """Sizes and settings, JSON values only."""
        return {
            "detector": "classical",
            "outlier": self._outlier,
            "seed": self._seed,
            "parts": len(self._cells),
            "block_px": self._cells.grid.block,
            "features": len(feature_names()),
            "components": self._fitted.standardising.components,
            "input_size": None if self._cells.grid.size is None else list(self._cells.grid.size),
        }

    @property
    def precision(self) -> Precision:
        """float32 always: coarser numbers would make neighbouring grey levels equal."""
        return "f32"

    @property
    def members(self) -> Mapping[str, bytes]:
        """None: everything is in the graph."""
        return {}

    def leave_one_out(self) -> NDArray[np.float64]:
        """Score of each part by a model that has not seen it, (parts,).

        The groups of parts are dealt into up to 10 folds, and scaling, PCA and the outlier
        measure are fitted anew without each fold: with more than 10 groups it is 10-fold
        cross-validation by group, which leaves out a tenth at a time and so errs, if at all,
        towards higher scores. Raises TrainingError with fewer than 2 groups.
        """
        groups = self._groups or range(len(self._cells))
        names, group = np.unique(np.array(groups), return_inverse=True)
        count = len(names)
        if count < 2:
            raise TrainingError(
                Code.TOO_FEW_IMAGES,
                "One part cannot be scored by a model of the others.",
                expected="at least 2 good parts",
                got=count,
            )
        dealt = np.arange(count) % min(FOLDS, count)
        fold = np.random.default_rng(self._seed).permutation(dealt)[group]
        scores = np.empty(len(self._cells))
        for left_out in range(fold.max() + 1):
            fitted = self._fit(np.flatnonzero(fold != left_out).tolist())
            for part in np.flatnonzero(fold == left_out).tolist():
                scores[part] = fitted.score(self._cells.of_part(part))
        return scores

    def _fit(self, parts: range | list[int]) -> _Fitted:
        sample = self._cells.sample(parts)
        standardising = fit_standardising(sample)
        outliers = OUTLIERS[self._outlier](standardising.apply(sample), self._seed)
        return _Fitted(standardising, outliers)

    def _write(self) -> onnx.ModelProto:
        grid = self._cells.grid
        writer = GraphWriter()
        features = add_cell_features(writer, "image", grid)
        components = self._fitted.standardising.add(writer, features)
        measure = self._fitted.outliers.add(writer, components)
        if grid.size is None:
            _add_score(writer, writer.op("Identity", measure, name="map"))
        else:
            keep = inspected_cells(grid, grid.size, self._roi)
            mask = writer.constant(keep[None].astype(np.float32))
            _add_score_inside(writer, writer.op("Mul", measure, mask, name="map"), keep)
        size = grid.size or ("height", "width")
        shape = grid.shape(*grid.size) if grid.size else ("rows", "columns")
        model = writer.model(
            "classical",
            {"image": (TensorProto.UINT8, ("batch", *size, 3))},
            {"map": ("batch", *shape), "score": ("batch",)},
        )
        return self._lighting.before(model)


def _add_score_inside(writer: GraphWriter, cell_map: str, keep: NDArray[np.bool_]) -> None:
    cells = writer.op("Reshape", cell_map, writer.integers(0, -1))
    inside = np.flatnonzero(keep)
    if len(inside) < keep.size:
        cells = writer.op("Gather", cells, writer.constant(inside, np.int64), axis=1)
    highest = writer.op("TopK", cells, writer.integers(top_number(len(inside))), axis=1)
    writer.op("ReduceMean", highest, name="score", axes=[1], keepdims=0)


def _add_score(writer: GraphWriter, cell_map: str) -> None:
    cells = writer.op("Reshape", cell_map, writer.integers(0, -1))
    size = writer.op("Slice", writer.op("Shape", cells), writer.integers(1), writer.integers(2))
    cells_as_float = writer.op("Cast", size, to=TensorProto.FLOAT)
    share = writer.op("Mul", cells_as_float, writer.constant(TOP_FRACTION))
    count = writer.op("Cast", writer.op("Ceil", share), to=TensorProto.INT64)
    highest = writer.op("TopK", cells, count, axis=1)
    writer.op("ReduceMean", highest, name="score", axes=[1], keepdims=0)
