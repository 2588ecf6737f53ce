"""Turns good parts into features of their cells, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from keenline.errors import Code, TrainingError
from keenline.inference.engines import open_engine
from keenline.models.base import LearningSet, Progress, Views, silent
from keenline.models.cell_features import CellGrid, add_cell_features, feature_names
from keenline.models.graph_writer import GraphWriter
from keenline.types import Mask

BLOCKS = (16, 8, 4)
"""Sides of a block in pixels, the first that divides the smallest part at least `FEWEST` times."""

FEWEST = 4
"""Blocks across the shorter side."""

SAMPLE_LIMIT = 20_000
"""Cells that scaling and PCA are fitted on: with about 60 features far more than they need."""

KEPT_LIMIT = 64_000_000
"""Feature values kept in memory (256 MB); of more parts, features are computed again on demand."""


class GoodCells:
    """Features of the cells of each part; made by `read_good_cells`."""

    def __init__(self, grid: CellGrid, good: LearningSet, seed: int) -> None:
        self.grid = grid
        self._good = good
        self._seed = seed
        self._extractor = _Extractor(grid, good)
        self._kept: dict[int, NDArray[np.float32]] = {}
        self._room = KEPT_LIMIT
        self._samples: list[NDArray[np.float32]] = []

    def __len__(self) -> int:
        return len(self._good.parts)

    def of_part(self, part: int) -> NDArray[np.float32]:
        """(views, inspected cells, features)."""
        if part in self._kept:
            return self._kept[part]
        return self._extractor(np.asarray(self._good.parts[part]))

    def sample(self, parts: Iterable[int]) -> NDArray[np.float32]:
        """(cells, features) in random order, equally many of each part where it has them."""
        chosen = np.concatenate([self._samples[part] for part in parts])
        order = np.random.default_rng(self._seed).permutation(len(chosen))
        return np.ascontiguousarray(chosen[order])

    def read(self, progress: Progress) -> None:
        """Takes every part once. Raises TrainingError where one is too small for the grid."""
        share = -(-SAMPLE_LIMIT // len(self))
        rng = np.random.default_rng(self._seed)
        for part in range(len(self)):
            views = np.asarray(self._good.parts[part])
            if min(views.shape[1:3]) < FEWEST * self.grid.block:
                raise _too_small(views)
            features = self._extractor(views)
            if features.size <= self._room:
                self._kept[part] = features
                self._room -= features.size
            cells = features.reshape(-1, features.shape[-1])
            self._samples.append(cells[rng.permutation(len(cells))[:share]])
            progress("texture of good parts", part + 1, len(self))


def read_good_cells(good: LearningSet, *, seed: int, progress: Progress = silent) -> GoodCells:
    """Features of all parts on a grid that suits the smallest.

    Raises TrainingError when there are no parts, when a part is smaller than 16 px, and when the
    region of interest leaves no cell.
    """
    if len(good.parts) == 0:
        raise TrainingError(
            Code.TOO_FEW_IMAGES, "There is nothing to learn from.", expected="at least 1 good part"
        )
    for block in BLOCKS:
        size: tuple[int, int] | None = None
        if good.fixed_size:
            height, width = np.shape(good.parts[0])[1:3]
            size = (int(height), int(width))
        cells = GoodCells(CellGrid(block, size), good, seed)
        try:
            cells.read(progress)
        except TrainingError as error:
            if error.code is not Code.IMAGE_TOO_SMALL or block == BLOCKS[-1]:
                raise
        else:
            return cells
    raise AssertionError("the last block either fits or raises")


def inspected_cells(grid: CellGrid, size: tuple[int, int], roi: Mask | None) -> NDArray[np.bool_]:
    """(rows, columns): the cells of which at least half the block is inspected.

    Raises TrainingError if there is none.
    """
    rows, columns = grid.shape(*size)
    if roi is None:
        return np.ones((rows, columns), dtype=np.bool_)
    whole = np.zeros((rows * grid.block, columns * grid.block))
    whole[: roi.shape[0], : roi.shape[1]] = roi
    share = whole.reshape(rows, grid.block, columns, grid.block).mean(axis=(1, 3))
    keep: NDArray[np.bool_] = share >= 0.5
    if not keep.any():
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "The region of interest leaves no cell to inspect.",
            where="region of interest",
            expected=f"at least one block of {grid.block} x {grid.block} px, half covered",
            got=f"{int(roi.sum())} px",
        )
    return keep


class _Extractor:
    """Runs the very operators that the finished graph starts with."""

    def __init__(self, grid: CellGrid, good: LearningSet) -> None:
        writer = GraphWriter()
        writer.op("Identity", add_cell_features(writer, "image", grid), name="features")
        size = grid.size or ("height", "width")
        model = writer.model(
            "cell_features",
            {"image": (TensorProto.UINT8, ("batch", *size, 3))},
            {"features": ("batch", len(feature_names()), "rows", "columns")},
        )
        graph = good.lighting.before(model).SerializeToString()
        self._engine = open_engine(graph, name="onnxruntime", precision="f32")
        self._keep = None if grid.size is None else inspected_cells(grid, grid.size, good.roi)

    def __call__(self, views: Views) -> NDArray[np.float32]:
        per_view = []
        for view in views:
            grid = self._engine.run(np.ascontiguousarray(view[None]))["features"]
            cells = np.moveaxis(grid[0], 0, -1)
            per_view.append(
                cells.reshape(-1, cells.shape[-1]) if self._keep is None else cells[self._keep]
            )
        return np.ascontiguousarray(np.stack(per_view))


def _too_small(views: Views) -> TrainingError:
    height, width = views.shape[1:3]
    return TrainingError(
        Code.IMAGE_TOO_SMALL,
        "A part is too small for texture statistics.",
        expected=f"at least {FEWEST * BLOCKS[-1]} px on each side",
        got=f"{width} x {height} px",
        next="Use larger images, or the memory_bank detector.",
    )
