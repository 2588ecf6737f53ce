"""Runs a graph with OpenVINO on the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version

import numpy as np
import openvino
from numpy.typing import NDArray

from keenline.errors import Code, EngineError
from keenline.inference.outputs import finite

# OpenVINO picks bf16 by itself on CPUs that have it, which moves scores; so it is always told.
_HINTS = {"f32": "f32", "int8": "f32", "bf16": "bf16"}


class OpenVinoEngine:
    """An `Engine`; `threads` 0 leaves the number to OpenVINO."""

    def __init__(self, graph: bytes, *, precision: str, threads: int = 0) -> None:
        self.name = "openvino"
        self.precision = precision
        self.version = f"openvino {version('openvino')}"
        runtime = openvino.Core()
        options = {"INFERENCE_PRECISION_HINT": _HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
        if threads:
            options["INFERENCE_NUM_THREADS"] = str(threads)
        try:
            model = runtime.read_model(graph)
            compiled = runtime.compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise EngineError(
                Code.ENGINE_COMPILE,
                "OpenVINO cannot compile the graph",
                expected="operators that OpenVINO has",
                got=str(error).strip().splitlines()[-1],
                next="try --engine onnxruntime",
            ) from error
        # From the model: compiled, an output may go by other tensors' names as well.
        self._names = [next(iter(output.names)) for output in model.outputs]
        self._request = compiled.create_infer_request()

    def run(self, images: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        try:
            # A bare array is handed over without a copy; it must be contiguous for that.
            results = self._request.infer([np.ascontiguousarray(images)], share_inputs=True)
        except RuntimeError as error:
            raise EngineError(
                Code.ENGINE_RUN,
                "OpenVINO could not run the graph",
                got=str(error).strip().splitlines()[-1],
            ) from error
        outputs = {name: results[place] for place, name in enumerate(self._names)}
        return finite(outputs, self.version)
