"""Runs a graph with ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from inspect import getmembers, isclass

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as native

from keenline.errors import Code, EngineError
from keenline.inference.outputs import finite
from keenline.inference.side_by_side import in_order, lanes

FAULTS = tuple(fault for _, fault in getmembers(native, isclass) if issubclass(fault, Exception))
"""Everything that ONNX Runtime raises of its own; which kinds there are differs by version."""
_ERRORS_ONLY = 3  # ONNX Runtime's severity number; its warnings are about graph optimisation


class OnnxRuntimeEngine:
    """An `Engine`; `threads` 0 leaves the number to ONNX Runtime."""

    def __init__(
        self, graph: bytes, *, precision: str, threads: int = 0, side_by_side: bool = False
    ) -> None:
        if precision == "bf16":
            raise EngineError(
                Code.ENGINE_COMPILE,
                "ONNX Runtime does not compute in bf16 on a CPU",
                expected="f32 or int8",
                got=precision,
                next="use --engine openvino, or --precision f32",
            )
        self.name = "onnxruntime"
        self.precision = precision
        self.version = f"onnxruntime {version('onnxruntime')}"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        self._lanes = lanes(side_by_side, threads)
        if threads or self._lanes > 1:
            options.intra_op_num_threads = 1 if self._lanes > 1 else threads
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except FAULTS as error:
            raise EngineError(
                Code.ENGINE_COMPILE, "ONNX Runtime cannot load the graph", got=error
            ) from error
        self._input = self._session.get_inputs()[0].name
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, images: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        try:
            results = self._session.run(None, {self._input: images})
        except FAULTS as error:
            raise EngineError(
                Code.ENGINE_RUN, "ONNX Runtime could not run the graph", got=error
            ) from error
        return finite(dict(zip(self._names, results, strict=True)), self.version)

    def run_each(
        self, images: Iterable[NDArray[np.uint8]]
    ) -> Iterator[Mapping[str, NDArray[np.float32]]]:
        return in_order(self.run, images, self._lanes)
