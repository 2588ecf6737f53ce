"""A network that draws good parts turned into the graph of a bundle: image to map and score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto

from keenline.models.graph_writer import GraphWriter
from keenline.models.search_graph import mean_of_highest
from keenline.training.exporting import FOUND, PICTURE, exported
from keenline.training.reconstruction.errors_seen import CELL, Differences
from keenline.training.reconstruction.network import OFFSET, SCALE, STRIDE

Factors = NDArray[np.float32]
"""By which each map counts, (maps, 1, 1), or at each place, (maps, map height, map width)."""


def deployed_graph(
    differences: Differences,
    factors: Factors,
    size: tuple[int, int] | None,
    mask: NDArray[np.float32] | None,
) -> onnx.ModelProto:
    """`map` is the sum of the maps by their factors; `score` the mean of the highest of it.

    size: height and width of every view; None when they differ. mask: 1 where it is inspected,
    (map height, map width); None when all is.
    """
    writer = GraphWriter()
    turned = writer.op("Transpose", "image", perm=[0, 3, 1, 2])
    pixels = writer.op("Cast", turned, to=TensorProto.FLOAT)
    scale, offset = (
        writer.constant(np.array(values, np.float32)[None, :, None, None])
        for values in (SCALE, OFFSET)
    )
    picture = writer.op("Add", writer.op("Mul", pixels, scale), offset)
    example = torch.zeros(1, 3, *(size or (2 * STRIDE, 3 * STRIDE)))
    open_axes = {} if size else {2: "height", 3: "width"}
    model = exported(differences, example, open_axes=open_axes)
    (found,) = writer.include(model, {PICTURE: picture}, [FOUND], "net/")
    weighed = writer.op("Mul", found, writer.constant(factors[None]))
    total = writer.op("ReduceSum", weighed, writer.integers(1), keepdims=0)
    if mask is not None:
        total = writer.op("Mul", total, writer.constant(mask[None]))
    maps = writer.op("Identity", total, name="map")
    grid: Sequence[int | str] = ("map_height", "map_width")
    cells = None
    if size is not None:
        grid = (size[0] // CELL, size[1] // CELL)
        cells = int(mask.sum()) if mask is not None else grid[0] * grid[1]
    writer.op("Squeeze", mean_of_highest(writer, maps, cells), writer.integers(1), name="score")
    height, width = size or ("height", "width")
    return writer.model(
        "reconstruction",
        {"image": (TensorProto.UINT8, ("batch", height, width, 3))},
        {"map": ("batch", *grid), "score": ("batch",)},
    )
