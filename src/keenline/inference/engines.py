"""The one list of engines: turns a name into a compiled graph."""

from __future__ import annotations

from keenline.errors import Code, EngineError
from keenline.inference.engine import Engine

ENGINES = ("openvino", "onnxruntime")


def open_engine(graph: bytes, *, name: str, precision: str, threads: int = 0) -> Engine:
    """Compile a graph; raises EngineError when the engine is unknown or refuses it.

    `threads` is the number of threads for one image; 0 leaves it to the engine.
    """
    # An engine takes tenths of a second to import, so only the one that is asked for is.
    if name == "openvino":
        from keenline.inference.openvino import OpenVinoEngine

        return OpenVinoEngine(graph, precision=precision, threads=threads)
    if name == "onnxruntime":
        from keenline.inference.onnxruntime import OnnxRuntimeEngine

        return OnnxRuntimeEngine(graph, precision=precision, threads=threads)
    raise EngineError(
        Code.ENGINE_UNKNOWN, "There is no such engine", expected=" or ".join(ENGINES), got=name
    )
