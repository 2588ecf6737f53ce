"""A network that names classes turned into the graph of a bundle: uint8 in, the contract out."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto

from keenline.inference.class_outputs import CLASS_MAP, CLASS_SCORE, LEAST
from keenline.models.backbones import Description
from keenline.models.fed_scales import fed_at_scales
from keenline.models.graph_writer import OPSET, GraphWriter
from keenline.models.padding import without_explicit_padding
from keenline.training.supervised.classifier.network import Deployable
from keenline.training.supervised.graphs import Size

LOGITS, PLACES = "logits", "places"
"""Outputs of the graph that int8 rounds, as `Deployable` gives them."""

NETWORK = "net/"
ANSWERING = f"{NETWORK}/answering"
"""What the names of the nodes begin with that follow the encoder."""


def answer_graph(
    network: Deployable, about: Description, size: Size | None, outputs: int, stride: int
) -> onnx.ModelProto:
    """The graph from `image`, uint8, to `LOGITS` and `PLACES`, in float32.

    size: of the views; None when they differ. outputs: good and the classes.
    """
    writer = GraphWriter()
    (fed,) = fed_at_scales(writer, about, size, (1.0,))
    model = without_explicit_padding(_exported(network, about, size))
    found = writer.include(model, {"image": fed}, [LOGITS, PLACES], NETWORK)
    for made, name in zip(found, (LOGITS, PLACES), strict=True):
        writer.op("Identity", made, name=name)
    height, width = size or ("height", "width")
    return writer.model(
        "answer",
        {"image": (TensorProto.UINT8, ("batch", height, width, 3))},
        {
            LOGITS: ("batch", outputs),
            PLACES: ("batch", outputs, *_grid(size, stride)),
        },
    )


def deployed_graph(answer: onnx.ModelProto, shift: NDArray[np.float32]) -> onnx.ModelProto:
    """The graph to deploy.

    `score` is how sure it is of any defect (1 - the share of good), `class_score` the share of
    each class; `map` and `class_map` say the same of each place. shift: the logit of each class
    that becomes a confidence of 0.5, (classes,).
    """
    writer = GraphWriter()
    logits, places = writer.include(answer, {"image": "image"}, [LOGITS, PLACES], "")
    whole = writer.op("Softmax", logits, axis=1, name="shares")
    ends = writer.integers(0), writer.integers(1), writer.integers(1)
    one = writer.constant(1.0)
    for shares, output in ((whole, "score"), (places, "map")):
        good = writer.op("Slice", shares, *ends, name=f"{output}_good")
        defect = writer.op("Sub", one, good, name=f"{output}_defect")
        writer.op("Squeeze", defect, writer.integers(1), name=output)
    for shares, output, axes in ((whole, CLASS_SCORE, 2), (places, CLASS_MAP, 4)):
        _shifted(writer, shares, shift.reshape(1, -1, *(1,) * (axes - 2)), output)
    image, grid = (
        [d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim]
        for value in (answer.graph.input[0], answer.graph.output[1])
    )
    return writer.model(
        "classifier",
        {"image": (TensorProto.UINT8, image)},
        {
            "map": ("batch", *grid[2:]),
            "score": ("batch",),
            CLASS_MAP: ("batch", len(shift), *grid[2:]),
            CLASS_SCORE: ("batch", len(shift)),
        },
    )


def _shifted(writer: GraphWriter, shares: str, shift: NDArray[np.float32], output: str) -> None:
    """Shares of the classes as confidences of which one half is the limit."""
    ends = writer.integers(1), writer.integers(1 + shift.size), writer.integers(1)
    classes = writer.op("Slice", shares, *ends, name=f"{output}_shares")
    bounds = writer.constant(LEAST), writer.constant(1 - LEAST)
    kept = writer.op("Clip", classes, *bounds, name=f"{output}_kept")
    others = writer.op("Sub", writer.constant(1.0), kept, name=f"{output}_others")
    for_it = writer.op("Log", kept, name=f"{output}_for")
    against = writer.op("Log", others, name=f"{output}_against")
    logit = writer.op("Sub", for_it, against, name=f"{output}_logit")
    moved = writer.op("Sub", logit, writer.constant(shift), name=f"{output}_moved")
    writer.op("Sigmoid", moved, name=output)


def _grid(size: Size | None, stride: int) -> tuple[int | str, int | str]:
    return ("h", "w") if size is None else (size[0] // stride, size[1] // stride)


def _exported(network: Deployable, about: Description, size: Size | None) -> onnx.ModelProto:
    axes: dict[str, dict[int, str]] = {
        "image": {0: "batch"},
        LOGITS: {0: "batch"},
        PLACES: {0: "batch"},
    }
    if size is None:
        for name in ("image", PLACES):
            axes[name] |= {2: f"height_{name}", 3: f"width_{name}"}
    # Not square where it may vary, so that axes cannot be mistaken for one another.
    shape = size or (2 * about.multiple_of, 3 * about.multiple_of)
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder, warnings.catch_warnings():
        # The exporter that traces is deprecated, and the only one that writes opset 17.
        warnings.simplefilter("ignore")
        path = Path(folder) / "network.onnx"
        torch.onnx.export(
            network.eval(),
            (torch.zeros(1, 3, *shape),),
            str(path),
            opset_version=OPSET,
            input_names=["image"],
            output_names=[LOGITS, PLACES],
            dynamic_axes=axes,
            dynamo=False,
        )
        return onnx.load(path)
