"""A float32 graph turned into one whose weights are kept in half the bytes, and back."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_HALF = "_f16"
_FEWEST = 64
"""Numbers in a tensor below which half the bytes are not worth a node."""


def in_halves(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose weights are float16, each brought back by a Cast before it is used."""
    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    casts = []
    for tensor in smaller.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _FEWEST:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + _HALF))
        casts.append(helper.make_node("Cast", [name + _HALF], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *smaller.graph.node]
    del smaller.graph.node[:]
    smaller.graph.node.extend(nodes)
    return smaller


def in_full(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which such Casts are done, so that whoever rewrites the graph sees its weights.

    A graph without them is returned as it is.
    """
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    halves = {
        node.input[0]: node.output[0]
        for node in model.graph.node
        if node.op_type == "Cast"
        and node.input[0] in tensors
        and tensors[node.input[0]].data_type == TensorProto.FLOAT16
        and node.attribute[0].i == TensorProto.FLOAT
    }
    if not halves:
        return model
    full = onnx.ModelProto()
    full.CopyFrom(model)
    nodes = [n for n in full.graph.node if not (n.op_type == "Cast" and n.input[0] in halves)]
    used = {name for node in nodes for name in node.input}
    del full.graph.node[:]
    full.graph.node.extend(nodes)
    kept = [t for t in full.graph.initializer if t.name not in halves or t.name in used]
    widened = [
        numpy_helper.from_array(numpy_helper.to_array(tensors[half]).astype(np.float32), name)
        for half, name in halves.items()
    ]
    del full.graph.initializer[:]
    full.graph.initializer.extend([*kept, *widened])
    return full
