"""Embeddings of each scale turned into what a class head looks at besides the place: their view."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from keenline.models.graph_writer import GraphWriter

PREFIX = "classes/"
"""Of every name that a class head adds to a graph."""

_NOWHERE = 1e-6
"""Weight of a place that is not inspected, so that a mean over nothing is still a number."""


def means_of_view(
    writer: GraphWriter, scales: Sequence[str], mask: NDArray[np.float32] | None
) -> list[str]:
    """The mean embedding of the inspected places, (batch, dimensions, 1, 1), of each scale.

    mask: 1 where it is inspected, on the grid of the finest scale; None when all is.
    """
    if mask is None:
        return [
            writer.op("ReduceMean", scale, axes=[2, 3], keepdims=1, name=f"{PREFIX}mean{place}")
            for place, scale in enumerate(scales)
        ]
    axes, found = writer.integers(2, 3), []
    inside = writer.constant(mask[None, None] + np.float32(_NOWHERE))
    for place, scale in enumerate(scales):
        name = f"{PREFIX}mean{place}"
        front = writer.op("Shape", inside, end=2, name=f"{name}_front")
        grid = writer.op("Shape", scale, start=2, name=f"{name}_grid")
        target = writer.op("Concat", front, grid, axis=0, name=f"{name}_target")
        weights = writer.op(
            "Resize",
            inside,
            "",
            "",
            target,
            mode="linear",
            coordinate_transformation_mode="half_pixel",
            name=f"{name}_weights",
        )
        seen = writer.op("Mul", scale, weights, name=f"{name}_seen")
        total = writer.op("ReduceSum", seen, axes, keepdims=1, name=f"{name}_total")
        number = writer.op("ReduceSum", weights, axes, keepdims=1, name=f"{name}_number")
        found.append(writer.op("Div", total, number, name=name))
    return found


def on_grid_of(writer: GraphWriter, coarse: str, fine: str) -> str:
    """A tensor resized, linearly, to the height and width of another."""
    name = coarse.removeprefix(PREFIX).replace("/", "_")
    start = writer.op("Shape", coarse, end=2, name=f"{PREFIX}{name}_front")
    end = writer.op("Shape", fine, start=2, name=f"{PREFIX}{name}_grid")
    target = writer.op("Concat", start, end, axis=0, name=f"{PREFIX}{name}_target")
    return writer.op(
        "Resize",
        coarse,
        "",
        "",
        target,
        mode="linear",
        coordinate_transformation_mode="half_pixel",
        name=f"{PREFIX}{name}_fine",
    )
