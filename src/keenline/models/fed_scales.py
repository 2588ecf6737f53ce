"""An image turned, inside a graph, into what a backbone is fed at each scale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from keenline.models.backbones import Description
from keenline.models.graph_writer import GraphWriter

FED = "fed_"
"""What the names of the nodes begin with that bring pixels to what the backbone wants."""

HALVED = "halved_"
"""What the names of the nodes begin with that bring pixels to half the scale."""


def fed_at_scales(
    writer: GraphWriter,
    about: Description,
    size: tuple[int, int] | None,
    scales: Sequence[float],
) -> list[str]:
    """Names of what the backbone is fed at each scale, (batch, 3, height, width).

    The graph's input is `image`, (batch, height, width, 3), uint8. size: its height and width, or
    None when they are known only when it comes. scales: from 1.0 downwards, none below half of
    the one before: the linear filter looks at two pixels a side, so it blurs no more than that.
    """
    # Turned first: bytes are a quarter of what floats would be.
    turned = writer.op("Transpose", "image", perm=[0, 3, 1, 2])
    picture = larger = writer.op("Cast", turned, to=TensorProto.FLOAT)
    found: list[str] = []
    for number, scale in enumerate(scales):
        if number and _halves(size, scales[number - 1], scale, about.multiple_of):
            # What the linear filter gives too, in half its time, and int8 stays int8.
            mean_of_four = np.eye(3)[:, :, None, None] * np.full((2, 2), 0.25)
            name = f"{HALVED}{number}"
            found.append(writer.convolution(found[-1], mean_of_four, strides=[2, 2], name=name))
            continue
        larger = _at_scale(writer, larger, picture, scale, size, about.multiple_of)
        factor, offset = (
            writer.constant(np.array(values, np.float32)[None, :, None, None])
            for values in (about.scale, about.offset)
        )
        scaled = writer.op("Mul", larger, factor, name=f"{FED}{number}_scaled")
        found.append(writer.op("Add", scaled, offset, name=f"{FED}{number}"))
    return found


def scaled_size(length: int, scale: float, multiple: int) -> int:
    """Side of the image at a scale, in pixels: a multiple of what the backbone wants."""
    return max(1, int(length * scale / multiple + 0.5)) * multiple


def _halves(size: tuple[int, int] | None, before: float, scale: float, multiple: int) -> bool:
    return size is not None and all(
        scaled_size(length, before, multiple) == 2 * scaled_size(length, scale, multiple)
        for length in size
    )


def _at_scale(
    writer: GraphWriter,
    larger: str,
    whole: str,
    scale: float,
    size: tuple[int, int] | None,
    multiple: int,
) -> str:
    if scale == 1.0:
        return whole
    if size is not None:
        sizes = writer.integers(*(scaled_size(n, scale, multiple) for n in size))
    else:
        shape = writer.op("Shape", whole, start=2)
        cells = writer.op(
            "Mul", writer.op("Cast", shape, to=TensorProto.FLOAT), writer.constant(scale / multiple)
        )
        # Not Add: int8 rounds what is added, and then the size would be another than in float32.
        number = writer.op("Floor", writer.op("Sub", cells, writer.constant(-0.5)))
        pixels = writer.op(
            "Mul", writer.op("Max", number, writer.constant(1.0)), writer.constant(float(multiple))
        )
        sizes = writer.op("Cast", pixels, to=TensorProto.INT64)
    start = writer.op("Shape", whole, end=2)
    target = writer.op("Concat", start, sizes, axis=0)
    return writer.op(
        "Resize",
        larger,
        "",
        "",
        target,
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )
