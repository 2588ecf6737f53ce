"""Explicit zero padding turned into the padding that convolutions do by themselves.

Networks that come from TensorFlow pad more on one side than on the other and write it as an
operator of its own. Between two int8 layers it costs as much as a small convolution.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper
from onnx.reference import ReferenceEvaluator


def without_explicit_padding(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same function; each constant zero `Pad` that only convolutions read is gone."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    outputs = {output.name for output in graph.output}
    for pad in [node for node in graph.node if node.op_type == "Pad"]:
        readers = [node for node in graph.node if pad.output[0] in node.input]
        around = _spatial_zeros(result, pad)
        if around is None or pad.output[0] in outputs or not all(map(_is_plain, readers)):
            continue
        if any(reader.input[0] != pad.output[0] for reader in readers):
            continue
        for reader in readers:
            _pad_more(reader, around)
            reader.input[0] = pad.input[0]
        graph.node.remove(pad)
    return result


def _spatial_zeros(model: onnx.ModelProto, pad: onnx.NodeProto) -> list[int] | None:
    """Pixels before and after each spatial axis; None unless it is zeros around the image."""
    mode = next((a.s for a in pad.attribute if a.name == "mode"), b"constant")
    if mode != b"constant" or len(pad.input) > 3:
        return None
    amounts = _constant(model, pad.input[1])
    value = _constant(model, pad.input[2]) if len(pad.input) == 3 and pad.input[2] else np.zeros(1)
    if amounts is None or value is None or value.any() or amounts.size < 6:
        return None
    before, after = np.split(amounts.astype(np.int64), 2)
    if min(before.min(), after.min()) < 0 or before[:2].any() or after[:2].any():
        return None
    return [*before[2:].tolist(), *after[2:].tolist()]


def _constant(model: onnx.ModelProto, name: str) -> NDArray[np.generic] | None:
    """A tensor that no input has a part in, as exporters compute paddings; None for others."""
    graph = model.graph
    made = {output: node for node in graph.node for output in node.output}
    stored = {constant.name for constant in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    known, waiting = set(stored), [name]
    while waiting:
        tensor = waiting.pop()
        if tensor in known or not tensor:
            continue
        if tensor not in made:
            return None
        known.add(tensor)
        nodes.insert(0, made[tensor])
        waiting += made[tensor].input
    part = onnx.GraphProto(name="constant", output=[onnx.ValueInfoProto(name=name)])
    part.node.extend(node for node in graph.node if node in nodes)
    used = {i for node in nodes for i in node.input} | {name}
    part.initializer.extend(c for c in graph.initializer if c.name in used)
    found = ReferenceEvaluator(part, opsets={o.domain: o.version for o in model.opset_import})
    (value,) = found.run(None, {})
    return np.asarray(value)


def _is_plain(node: onnx.NodeProto) -> bool:
    automatic = [a.s for a in node.attribute if a.name == "auto_pad"]
    return node.op_type == "Conv" and automatic in ([], [b"NOTSET"])


def _pad_more(convolution: onnx.NodeProto, around: list[int]) -> None:
    own = next((a for a in convolution.attribute if a.name == "pads"), None)
    if own is None:
        convolution.attribute.append(helper.make_attribute("pads", around))
        return
    own.ints[:] = [one + other for one, other in zip(own.ints, around, strict=True)]
