"""Turns a sequence of operator calls into a checked ONNX model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import ArrayLike, DTypeLike, NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
"""Opset of every graph written here; both engines run it."""

IR_VERSION = 8
"""The file format that came with opset 17, so that older runtimes open the graph too."""

Shape: TypeAlias = Sequence[int | str]


class GraphWriter:
    """Writes one graph, operator by operator; every method answers with a tensor name."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._known: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def constant(self, value: ArrayLike, dtype: DTypeLike = np.float32) -> str:
        """A constant tensor; equal constants are stored once."""
        array = np.ascontiguousarray(np.asarray(value, dtype=dtype)).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            name = f"c{len(self._constants)}"
            self._constants.append(numpy_helper.from_array(array, name))
            self._known[key] = name
        return self._known[key]

    def _own_constant(self, array: NDArray[np.generic], prefix: str) -> str:
        name = f"{prefix}own_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def integers(self, *values: int) -> str:
        """A 1-D int64 constant, as axes, shapes and pads want it."""
        return self.constant(values, np.int64)

    def op(self, kind: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """One operator; answers with its first output, called `name` if given."""
        output = name or f"t{len(self._nodes)}"
        # TopK must name its second output even where nobody reads it.
        outputs = [output, f"{output}_places"] if kind == "TopK" else [output]
        node = helper.make_node(kind, list(inputs), outputs, name=output, **attributes)
        self._nodes.append(node)
        return output

    def convolution(
        self,
        data: str,
        weights: ArrayLike,
        bias: ArrayLike | None = None,
        **attributes: Any,
    ) -> str:
        """A convolution with fixed weights, (out, in / group, height, width)."""
        parts = [data, self.constant(weights)]
        if bias is not None:
            parts.append(self.constant(bias))
        return self.op("Conv", *parts, kernel_shape=np.shape(weights)[2:], **attributes)

    def include(
        self, model: onnx.ModelProto, feeds: Mapping[str, str], outputs: Sequence[str], prefix: str
    ) -> list[str]:
        """Another model's nodes as part of this graph; answers with the names of `outputs`.

        feeds: its inputs by name and the tensors here that take their place. Included twice with
        different prefixes, its weights are stored once. Nodes that no output needs are left out.

        Vectors (biases) are stored once for each inclusion: OpenVINO fuses a bias into its
        convolution only where nothing else reads it, and unfused ones cost a third of the time.
        """
        new_names = dict(feeds)
        needed = _needed(model.graph, outputs, set(feeds))
        for constant in model.graph.initializer:
            if constant.name in needed:
                array = numpy_helper.to_array(constant)
                if array.ndim == 1:
                    new_names[constant.name] = self._own_constant(array, prefix)
                else:
                    new_names[constant.name] = self.constant(array, array.dtype)
        for node in model.graph.node:
            if not needed.intersection(node.output):
                continue
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = prefix + node.name if node.name else ""
            # An empty name stands for an optional input or output that is left out.
            copy.input[:] = [new_names.get(i, prefix + i) if i else "" for i in node.input]
            copy.output[:] = [prefix + o if o else "" for o in node.output]
            self._nodes.append(copy)
        return [new_names.get(output, prefix + output) for output in outputs]

    def model(
        self,
        name: str,
        inputs: Mapping[str, tuple[int, Shape]],
        outputs: Mapping[str, Shape],
    ) -> onnx.ModelProto:
        """The finished model; outputs are float32, inputs (element type, shape).

        Raises onnx.checker.ValidationError if the operators do not make a valid graph.
        """
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(n, kind, shape) for n, (kind, shape) in inputs.items()],
            [
                helper.make_tensor_value_info(n, TensorProto.FLOAT, shape)
                for n, shape in outputs.items()
            ],
            self._constants,
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(
            graph, producer_name="keenline", ir_version=IR_VERSION, opset_imports=[opset]
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def _needed(graph: onnx.GraphProto, outputs: Sequence[str], known: set[str]) -> set[str]:
    """Names of all tensors on a way from `known` or a constant to `outputs`."""
    made_by = {output: node for node in graph.node for output in node.output}
    needed: set[str] = set()
    waiting = list(outputs)
    while waiting:
        name = waiting.pop()
        if name in needed or name in known:
            continue
        needed.add(name)
        if name in made_by:
            waiting += [i for i in made_by[name].input if i]
    return needed
