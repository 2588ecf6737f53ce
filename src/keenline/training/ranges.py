"""A float32 graph and the views it will see turned into the range of each of its tensors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from keenline.errors import Code, EngineError
from keenline.inference.engines import open_engine

Range = tuple[float, float]
"""Lowest and highest value."""


def tensor_ranges(
    model: onnx.ModelProto, kinds: Iterable[str], views: Iterable[NDArray[np.uint8]]
) -> dict[str, Range]:
    """Lowest and highest value of every float tensor that operators of some kinds read or write.

    views: (1, height, width, 3) each. They are taken inside the graph and come out as two vectors:
    ONNX Runtime's own calibration fetches every tensor's by itself and takes three times as long.
    A view on which the graph gives no finite numbers says nothing about ranges and is passed over.
    Raises EngineError when there is no other view.
    """
    names = _float_tensors(model, frozenset(kinds))
    graph = _with_ends(model, names).SerializeToString()
    engine = open_engine(graph, name="openvino", precision="f32")
    lowest = np.full(len(names), np.inf)
    highest = np.full(len(names), -np.inf)
    trouble: EngineError | None = None
    for view in views:
        try:
            found = engine.run(view)
        except EngineError as error:
            if error.code is not Code.ENGINE_NOT_FINITE:
                raise
            trouble = error
            continue
        np.minimum(lowest, found[_LOWEST], out=lowest)
        np.maximum(highest, found[_HIGHEST], out=highest)
    if trouble is not None and not np.isfinite(lowest).all():
        raise trouble
    return {
        name: (float(low), float(high))
        for name, low, high in zip(names, lowest, highest, strict=True)
    }


_LOWEST, _HIGHEST = "lowest_values", "highest_values"


def _float_tensors(model: onnx.ModelProto, kinds: frozenset[str]) -> list[str]:
    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = (*inferred.value_info, *inferred.output)
    floats = {v.name for v in values if v.type.tensor_type.elem_type == TensorProto.FLOAT}
    used = (
        name
        for node in model.graph.node
        if node.op_type in kinds
        for name in (*node.input, *node.output)
    )
    return [name for name in dict.fromkeys(used) if name in floats]


def _with_ends(model: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    """The graph with two outputs more: the lowest and the highest value of each tensor."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    axis = helper.make_tensor("ends/axis", TensorProto.INT64, [1], [0])
    graph.initializer.append(axis)
    for output, kind in ((_LOWEST, "ReduceMin"), (_HIGHEST, "ReduceMax")):
        ends = []
        for place, name in enumerate(names):
            end = f"{output}/{place}"
            graph.node.append(helper.make_node(kind, [name], [end], keepdims=0))
            graph.node.append(helper.make_node("Unsqueeze", [end, axis.name], [f"{end}/listed"]))
            ends.append(f"{end}/listed")
        graph.node.append(helper.make_node("Concat", ends, [output], axis=0))
        graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, [len(names)]))
    return result
