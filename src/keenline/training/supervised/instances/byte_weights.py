"""A float32 graph turned into one whose weights take a quarter of the bytes and compute as before.

For layers that no engine runs faster in int8, or that are not worth the rounding of what they are
given: only the weights are rounded, each output channel by a step of its own.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

_LAYERS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 0}
"""Operators whose second input is weights, and the axis of their output channels."""

_LARGEST = 127


def in_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose layers' weights are int8, brought back by a DequantizeLinear before use."""
    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    graph = smaller.graph
    axes: dict[str, int] = {}
    for node in graph.node:
        if node.op_type in _LAYERS:
            axes[node.input[1]] = _axis(node)
    nodes, tensors = [], []
    for tensor in graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if tensor.name not in axes or weights.dtype != np.float32:
            tensors.append(tensor)
            continue
        axis, name = axes[tensor.name], tensor.name
        steps = _steps(weights, axis)
        shape = [-1 if place == axis else 1 for place in range(weights.ndim)]
        codes = np.rint(weights / steps.reshape(shape)).astype(np.int8)
        tensors += [
            numpy_helper.from_array(codes, f"{name}_i8"),
            numpy_helper.from_array(steps, f"{name}_step"),
        ]
        nodes.append(
            helper.make_node(
                "DequantizeLinear", [f"{name}_i8", f"{name}_step"], [name], name, axis=axis
            )
        )
    nodes += graph.node
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)
    return smaller


def _axis(node: onnx.NodeProto) -> int:
    is_turned = any(a.name == "transB" and a.i for a in node.attribute)
    return 1 if node.op_type == "Gemm" and not is_turned else _LAYERS[node.op_type]


def _steps(weights: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    others = tuple(place for place in range(weights.ndim) if place != axis)
    highest = np.abs(weights).max(axis=others) / _LARGEST
    return np.where(highest > 0, highest, 1.0).astype(np.float32)
