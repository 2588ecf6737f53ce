"""The one list of engines: turns a name into a compiled graph."""

from __future__ import annotations

from keenline.errors import Code, EngineError
from keenline.inference.engine import Engine

ENGINES = ("openvino", "onnxruntime")


def open_engine(
    graph: bytes, *, name: str, precision: str, threads: int = 0, side_by_side: bool = False
) -> Engine:
    """Compile a graph; raises EngineError when the engine is unknown or refuses it.

    `threads` is the number of threads for one image; 0 leaves it to the engine. side_by_side:
    `run_each` is what matters, so each image has one thread and as many are run at a time as
    there are threads. That does half as much again: small layers keep one thread busy, not two.
    """
    # An engine takes tenths of a second to import, so only the one that is asked for is.
    if name == "openvino":
        from keenline.inference.openvino import OpenVinoEngine

        return OpenVinoEngine(
            graph, precision=precision, threads=threads, side_by_side=side_by_side
        )
    if name == "onnxruntime":
        from keenline.inference.onnxruntime import OnnxRuntimeEngine

        return OnnxRuntimeEngine(
            graph, precision=precision, threads=threads, side_by_side=side_by_side
        )
    raise EngineError(
        Code.ENGINE_UNKNOWN, "There is no such engine", expected=" or ".join(ENGINES), got=name
    )
