"""An int8 graph held against the float32 graph it was made from: how much of the signal is left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from keenline.inference.engines import open_engine
from keenline.models.base import Views

FAITHFUL = 0.9
"""Share of the embeddings' variance that int8 must keep, at the worst scale. Deep networks lie on
either side of it; of the filter bank, whose squares and ratios span many orders of magnitude,
nothing is kept. `benchmarks/rounding.py` measures it."""


def faithfulness(exact: onnx.ModelProto, rounded: onnx.ModelProto, parts: Sequence[Views]) -> float:
    """1 - (mean squared rounding error) / (variance), at the worst output; at most 1.

    parts: views that the graphs will see; one view of each is looked at.
    """
    engines = [
        open_engine(model.SerializeToString(), name="openvino", precision=precision)
        for model, precision in ((exact, "f32"), (rounded, "int8"))
    ]
    pairs: dict[str, list[tuple[float, float]]] = {}
    for views in parts:
        first, second = (engine.run(views[:1]) for engine in engines)
        for name, values in first.items():
            spread = values - values.mean(axis=(0, 2, 3), keepdims=True)
            error = float(np.square(values - second[name]).sum())
            pairs.setdefault(name, []).append((error, float(np.square(spread).sum())))
    shares = []
    for found in pairs.values():
        error, variance = np.array(found).sum(axis=0)
        shares.append(1.0 - float(error) / max(float(variance), 1e-12))
    return min(shares)
