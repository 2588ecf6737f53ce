"""Runs a graph in both engines, for tests of what graphs compute."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
import openvino
from numpy.typing import NDArray


def in_onnxruntime(
    model: onnx.ModelProto, inputs: Mapping[str, NDArray[np.generic]]
) -> dict[str, NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def in_openvino(
    model: onnx.ModelProto, inputs: Mapping[str, NDArray[np.generic]]
) -> dict[str, NDArray[np.float32]]:
    read = openvino.Core().read_model(model.SerializeToString())
    compiled = openvino.Core().compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(dict(inputs))
    return {output.get_any_name(): found[output] for output in compiled.outputs}


ENGINES = {"onnxruntime": in_onnxruntime, "openvino": in_openvino}
