"""A picture turned, inside a graph, into the rank of each of its grey levels.

A level becomes the share of the picture that is darker, plus half of the share that has this very
level. A change of the light keeps the order of levels, so it keeps the ranks; and a picture of one
level becomes mid grey, where the usual formula divides by zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from keenline.models.graph_writer import GraphWriter
from keenline.types import Mask

COUNTED = 50_000
"""Pixels that are counted at most, evenly spread: a rank is then known to half a grey level."""

_STEP_OF_ANY_SIZE = 2
"""Of pictures of any size every second pixel of every second row is counted."""

_DIGITS = 16

_TIE = 0.5 + 2.0**-10
"""Rounds halves up, and what two engines compute a little differently in the same direction."""


def equalised(
    writer: GraphWriter, picture: str, size: tuple[int, int] | None, roi: Mask | None
) -> str:
    """(batch, height, width, channels), whole levels 0..255 in float32, and the same of the result.

    One table for all channels, so that grey stays grey. roi: which pixels are counted, (height,
    width); all are changed. None, or where it is empty: all.
    """
    step = _step(size)
    flat = writer.op("Reshape", picture, writer.integers(0, -1))
    sample = flat
    if step > 1:
        ends = writer.integers(2**31 - 1, 2**31 - 1)
        steps = writer.integers(step, step)
        start, axes = writer.integers(step // 2, step // 2), writer.integers(1, 2)
        seen = writer.op("Slice", picture, start, ends, axes, steps)
        sample = writer.op("Reshape", seen, writer.integers(0, -1))
    counts = _counted(writer, sample, picture, _kept(roi, step))
    table = _ranks(writer, counts)
    levels = writer.op("Cast", flat, to=TensorProto.INT32)
    found = writer.op("GatherElements", table, levels, axis=1)
    return writer.op("Reshape", found, writer.op("Shape", picture))


def _step(size: tuple[int, int] | None) -> int:
    if size is None:
        return _STEP_OF_ANY_SIZE
    return max(1, int(np.ceil((size[0] * size[1] / COUNTED) ** 0.5)))


def _kept(roi: Mask | None, step: int) -> Mask | None:
    if roi is None:
        return None
    kept: Mask = roi[step // 2 :: step, step // 2 :: step]
    return kept if kept.any() else None


def _counted(writer: GraphWriter, sample: str, picture: str, kept: Mask | None) -> str:
    """How often each level occurs, (batch, 256): whole numbers, exact in float32.

    A level is two digits to the base 16. The product of the pixels' one-hot digits counts pairs of
    digits, with 32 comparisons a pixel instead of 256.
    """
    base = writer.constant(float(_DIGITS))
    high = writer.op("Floor", writer.op("Div", sample, base))
    low = writer.op("Sub", sample, writer.op("Mul", high, base))
    digits = np.arange(_DIGITS, dtype=np.float32)
    rows = _one_hot(writer, high, 1, digits[None, :, None])
    columns = _one_hot(writer, low, 2, digits[None, None, :])
    if kept is not None:
        # Pixel by pixel, the channels of each side by side, as they are in the sample.
        pixels = writer.constant(kept.astype(np.float32).reshape(1, -1, 1))
        channels = writer.op("Shape", picture, start=3)
        one = writer.integers(1, 1)
        times = writer.op("Concat", one, channels, axis=0)
        weights = writer.op("Tile", pixels, times)
        rows = writer.op("Mul", rows, writer.op("Reshape", weights, writer.integers(1, 1, -1)))
    pairs = writer.op("MatMul", rows, columns)
    return writer.op("Reshape", pairs, writer.integers(0, _DIGITS**2))


def _one_hot(writer: GraphWriter, digit: str, axis: int, digits: NDArray[np.float32]) -> str:
    """1 where the digit is the one, else 0: in floats, as casts of truth values are slow."""
    apart = writer.op("Unsqueeze", digit, writer.integers(axis))
    far = writer.op("Abs", writer.op("Sub", apart, writer.constant(digits)))
    return writer.op("Relu", writer.op("Sub", writer.constant(1.0), far))


def _ranks(writer: GraphWriter, counts: str) -> str:
    """The level that each level becomes, (batch, 256)."""
    upto = writer.op("CumSum", counts, writer.constant(1, np.int64))
    half = writer.op("Mul", counts, writer.constant(0.5))
    below = writer.op("Mul", writer.op("Sub", upto, half), writer.constant(255.0))
    total = writer.op("ReduceSum", counts, writer.integers(1), keepdims=1)
    rank = writer.op("Div", below, total)
    return writer.op("Floor", writer.op("Add", rank, writer.constant(_TIE)))
