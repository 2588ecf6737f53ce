"""A float32 embedding graph turned into int8 with the ranges that the learning images show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from keenline.inference.bank import EMBEDDING
from keenline.models.base import Views
from keenline.models.feature_graph import PROJECTED
from keenline.models.fed_scales import FED, HALVED
from keenline.models.lighting import LIGHT
from keenline.training.ranges import Range, tensor_ranges
from keenline.types import Image

_QUANTISED = ("Conv", "Add", "AveragePool", "MaxPool", "Clip", "Relu", "Concat", "Pad")
"""Operators between convolutions too, so that a chain stays in int8 from end to end."""


_STRANGE_VIEWS = 6
"""Views that are shown with foreign squares as well. Ranges need only the largest values."""

_WIDER = 1.01
"""What the range of the pixels is widened by. At 1, a network that takes -1 to 1 has its zero half
way between two int8 steps, so that every pixel lies on a tie, and engines break ties differently:
scores of good parts differed by up to 5.5 % between two of them."""


def quantise(
    model: onnx.ModelProto, views: Sequence[Views], *, exact: tuple[str, ...] = ()
) -> onnx.ModelProto:
    """Quantise weights (a step for each output channel) and activations (a step a tensor).

    views: images as the graph will see them, from which the ranges of activations are taken; a
    few of them once more with black, white, striped and negative squares. Good parts alone give
    ranges that end where good parts end: a dent on an even surface was cut off there, and scored
    a fifth of what it does in float32.
    Static quantisation in the QDQ form, which both engines fuse into int8 kernels. The bringing
    of pixels to one light and the backbone's range and the last addition stay in float32: they
    cost nothing, and rounding there would be seen by every patch. exact: what the names of other
    nodes begin with that are to stay in float32.
    """
    ranges = tensor_ranges(model, _QUANTISED, _calibrating(views)) | _pixel_ranges(model)
    data = {
        name: (np.array(low, np.float32), np.array(high, np.float32))
        for name, (low, high) in ranges.items()
    }
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)  # the quantiser writes into what it is given
    quantiser = QDQQuantizer(
        rounded,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=[],
        nodes_to_exclude=[
            node.name
            for node in model.graph.node
            if node.name.startswith((FED, LIGHT, EMBEDDING.format(""), *exact))
        ],
        op_types_to_quantize=list(_QUANTISED),
        extra_options={},
    )
    quantiser.quantize_model()
    quantiser.model.topological_sort()
    return _with_exact_projections(quantiser.model.model)


def _pixel_ranges(model: onnx.ModelProto) -> dict[str, Range]:
    """Lowest and highest value that pixels can be brought to, by the tensor they are brought to."""
    constants = {c.name: onnx.numpy_helper.to_array(c) for c in model.graph.initializer}
    made = {name: node for node in model.graph.node for name in node.output}
    ranges: dict[str, Range] = {}
    for node in model.graph.node:
        if node.name.startswith(HALVED):
            ranges[node.output[0]] = ranges[node.input[0]]
        if not node.name.startswith(FED) or node.op_type != "Add":
            continue
        offset = constants[node.input[1]].ravel()
        scale = constants[made[node.input[0]].input[1]].ravel()
        ends = np.concatenate([offset, 255 * scale + offset])
        middle, half = (ends.max() + ends.min()) / 2, _WIDER * (ends.max() - ends.min()) / 2
        ranges[node.output[0]] = (float(middle - half), float(middle + half))
    return ranges


def _with_exact_projections(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same without the rounding of what projections give.

    They are added across levels and rounded then, by the search; rounded before as well, the
    error would be counted twice, and the kernels have to give float32 anyway.
    """
    graph = model.graph
    projected = {node.output[0] for node in graph.node if node.name.startswith(PROJECTED)}
    rounded = {
        n.output[0]: n
        for n in graph.node
        if n.op_type == "QuantizeLinear" and n.input[0] in projected
    }
    restored = {n.output[0]: n for n in graph.node if n.input and n.input[0] in rounded}
    exact = {name: rounded[node.input[0]].input[0] for name, node in restored.items()}
    for node in (*rounded.values(), *restored.values()):
        graph.node.remove(node)
    for node in graph.node:
        node.input[:] = [exact.get(name, name) for name in node.input]
    return model


def _calibrating(views: Sequence[Views]) -> Iterator[NDArray[np.uint8]]:
    for part in views:
        for view in part:
            yield view[None]
    for part in views[:_STRANGE_VIEWS]:
        yield _with_foreign_squares(part[0])[None]


def _with_foreign_squares(view: Image) -> Image:
    """A view whose corners, a quarter of its height and width each, are like nothing good."""
    strange = view.copy()
    height, width = (max(1, side // 4) for side in view.shape[:2])
    strange[:height, :width] = 0
    strange[-height:, -width:] = 255
    strange[:height, -width:] = np.arange(height)[:, None, None] // 2 % 2 * 255
    strange[-height:, :width] = 255 - view[-height:, :width]
    return strange
