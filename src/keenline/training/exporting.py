"""A torch module turned into an ONNX model of one input and one output, as graphs include it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
import torch

from keenline.models.graph_writer import OPSET

PICTURE, FOUND = "picture", "found"
"""Names of the input and of the output."""


def exported(module: Any, example: Any, *, open_axes: Mapping[int, str]) -> onnx.ModelProto:
    """The module in evaluation mode, batch norms folded into convolutions.

    example: a tensor of the input's shape. open_axes: axes of the input, besides the first, whose
    length is known only when it comes; the output's follow from it.
    """
    axes = {PICTURE: {0: "batch", **open_axes}, FOUND: {0: "batch"}}
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder, warnings.catch_warnings():
        # The exporter that traces is deprecated, and the only one that writes opset 17.
        warnings.simplefilter("ignore")
        path = Path(folder) / "module.onnx"
        torch.onnx.export(
            module.eval(),
            (example,),
            str(path),
            opset_version=OPSET,
            input_names=[PICTURE],
            output_names=[FOUND],
            dynamic_axes=axes,
            dynamo=False,
        )
        return onnx.load(path)
