"""Runs a graph with OpenVINO on the CPU."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from queue import SimpleQueue
from threading import Lock
from typing import TypeAlias

import numpy as np
import openvino
from numpy.typing import NDArray

from keenline.errors import Code, EngineError
from keenline.inference.outputs import finite
from keenline.inference.side_by_side import in_order, lanes

# OpenVINO picks bf16 by itself on CPUs that have it, which moves scores; so it is always told.
_HINTS = {"f32": "f32", "int8": "f32", "bf16": "bf16"}

_Idle: TypeAlias = "SimpleQueue[openvino.InferRequest]"
"""Requests of one compiled shape that nobody is waiting for."""

SHAPES_KEPT = 64
"""Compiled input shapes kept at once; parts that differ in size come in a few dozen."""


class OpenVinoEngine:
    """An `Engine`; `threads` 0 leaves the number to OpenVINO.

    An int8 graph is compiled anew for each input shape, never with its size left open: OpenVINO
    2026.4 gives wrong numbers for an int8 graph whose inner sizes follow from an open input size
    (scores doubled, where ONNX Runtime and the same graph with a fixed shape agreed to 1 %). The
    first image of a new size then takes some tenths of a second longer. In float the open size is
    right, and one compilation serves all.
    """

    def __init__(
        self, graph: bytes, *, precision: str, threads: int = 0, side_by_side: bool = False
    ) -> None:
        self.name = "openvino"
        self.precision = precision
        self.version = f"openvino {version('openvino')}"
        self._runtime = openvino.Core()
        self._options = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "PERFORMANCE_HINT": "LATENCY",
        }
        if threads:
            self._options["INFERENCE_NUM_THREADS"] = str(threads)
        self._lanes = lanes(side_by_side, threads)
        if self._lanes > 1:
            self._options["NUM_STREAMS"] = self._options["INFERENCE_NUM_THREADS"] = str(self._lanes)
        # OpenVINO's bindings look NumPy up at their first array, under a lock of their own while
        # they let other threads run: two first arrays at a time and the process hangs for ever
        # (2026.4; 3 of 8 processes). So the first one is alone.
        _ = openvino.Tensor(np.zeros(1, np.uint8), shared_memory=True).data
        self._graph = graph
        self._compiling = Lock()
        self._requests: OrderedDict[tuple[int, ...], _Idle] = OrderedDict()
        model = self._read()
        # From the model: compiled, an output may go by other tensors' names as well.
        self._names = [next(iter(output.names)) for output in model.outputs]
        _, height, width, channels = model.inputs[0].get_partial_shape()
        self._open: _Idle | None = None
        if height.is_static and width.is_static:
            shape = (1, height.get_length(), width.get_length(), channels.get_length())
            self._requests[shape] = self._compile(model, shape)
        elif precision != "int8":
            self._open = self._compiled(model)

    def run(self, images: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        idle = self._idle(images.shape)
        request = idle.get()
        try:
            # A bare array is handed over without a copy; it must be contiguous for that.
            results = request.infer([np.ascontiguousarray(images)], share_inputs=True)
        except RuntimeError as error:
            raise EngineError(
                Code.ENGINE_RUN, "OpenVINO could not run the graph", got=_last_line(error)
            ) from error
        finally:
            idle.put(request)
        outputs = {name: results[place] for place, name in enumerate(self._names)}
        return finite(outputs, self.version)

    def run_each(
        self, images: Iterable[NDArray[np.uint8]]
    ) -> Iterator[Mapping[str, NDArray[np.float32]]]:
        return in_order(self.run, images, self._lanes)

    def _idle(self, shape: tuple[int, ...]) -> _Idle:
        if self._open is not None:
            return self._open
        with self._compiling:
            if shape in self._requests:
                self._requests.move_to_end(shape)
                return self._requests[shape]
            idle = self._compile(self._read(), shape)
            self._requests[shape] = idle
            if len(self._requests) > SHAPES_KEPT:
                self._requests.popitem(last=False)
            return idle

    def _read(self) -> openvino.Model:
        try:
            return self._runtime.read_model(self._graph)
        except RuntimeError as error:
            raise _refused(error) from error

    def _compile(self, model: openvino.Model, shape: tuple[int, ...]) -> _Idle:
        if not model.inputs[0].get_partial_shape().compatible(openvino.PartialShape(list(shape))):
            raise EngineError(
                Code.ENGINE_INPUT_SHAPE,
                "The image has another shape than the graph takes",
                expected=f"(batch, height, width, 3) as {model.inputs[0].get_partial_shape()}",
                got=shape,
                next="frame the image as the bundle says",
            )
        model.reshape(list(shape))
        return self._compiled(model)

    def _compiled(self, model: openvino.Model) -> _Idle:
        try:
            compiled = self._runtime.compile_model(model, "CPU", self._options)
        except RuntimeError as error:
            raise _refused(error) from error
        idle: _Idle = SimpleQueue()
        for _ in range(self._lanes):
            idle.put(compiled.create_infer_request())
        return idle


def _refused(error: RuntimeError) -> EngineError:
    return EngineError(
        Code.ENGINE_COMPILE,
        "OpenVINO cannot compile the graph",
        expected="operators that OpenVINO has",
        got=_last_line(error),
        next="try --engine onnxruntime",
    )


def _last_line(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[-1]
