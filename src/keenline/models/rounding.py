"""A float32 embedding graph turned into int8 where int8 says the same, else left as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import onnx

from keenline.bundle import Precision
from keenline.errors import Code, TrainingError
from keenline.models.base import Views
from keenline.models.faithfulness import FAITHFUL, faithfulness

CALIBRATION_PARTS = 10
"""Parts from which the ranges of an int8 graph are taken."""

COMPARED_PARTS = 8
"""Parts on which the int8 graph is held against the float32 one."""

Quantise: TypeAlias = Callable[[onnx.ModelProto, Sequence[Views]], onnx.ModelProto]
"""A float32 graph and views it will see -> the same graph in int8."""


def rounded(
    exact: onnx.ModelProto,
    parts: Sequence[Views],
    quantise: Quantise,
    *,
    backbone: str,
    fall_back: bool,
) -> tuple[onnx.ModelProto, Precision]:
    """The graph in int8, or (`fall_back`) in float32 where int8 would not say the same.

    Raises TrainingError (OPTION_CONFLICT) when it would not and float32 was not allowed.
    """
    step = max(1, len(parts) // CALIBRATION_PARTS)
    seen = [parts[i] for i in range(0, len(parts), step)]
    result = quantise(exact, seen)
    kept = faithfulness(exact, result, seen[:COMPARED_PARTS])
    if kept >= FAITHFUL:
        return result, "int8"
    if fall_back:
        return exact, "f32"
    raise TrainingError(
        Code.OPTION_CONFLICT,
        "This backbone does not survive rounding to int8",
        where=f"backbone {backbone}, precision int8",
        expected=f"at least {100 * FAITHFUL:.0f} % of the variance of its features kept",
        got=f"{100 * max(kept, 0.0):.0f} %",
        next="use --precision auto or f32",
    )
