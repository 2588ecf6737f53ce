"""A trained student turned into a feature graph and the TOML that describes it."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import helper

from keenline.models.half_weights import in_halves
from keenline.training.student import LEVELS, STRIDES, folded

SCALE, OFFSET = 1 / 127.5, -1.0
"""Pixels are brought to -1..1."""

MULTIPLE_OF = 16


def write_student(
    student: Any, path: Path, *, network: str, source: str, channels: Sequence[int]
) -> None:
    """Write PATH and the .toml beside it, both complete or not at all.

    Batch norms become part of the convolutions and weights are kept in float16, which moves the
    features by less than 1 %. Raises OSError.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".export-") as folder:
        graph, description = Path(folder) / "graph.onnx", Path(folder) / "graph.toml"
        onnx.save(exported(student), graph)
        description.write_text(_description(network, source, channels), encoding="utf-8")
        # The description first: a graph that can be found is then always described.
        os.replace(description, path.with_suffix(".toml"))
        os.replace(graph, path)


def exported(student: Any) -> onnx.ModelProto:
    """The graph from `image` (batch, 3, height, width), in -1..1, to a student's levels."""
    import torch

    with tempfile.TemporaryDirectory(prefix="keenline-") as folder, warnings.catch_warnings():
        # The exporter that traces is deprecated, and the only one that writes opset 17.
        warnings.simplefilter("ignore")
        path = Path(folder) / "student.onnx"
        torch.onnx.export(
            _padding_inside(student),
            (torch.zeros(2, 3, 64, 96),),
            str(path),
            opset_version=17,
            input_names=["image"],
            output_names=list(LEVELS),
            dynamic_axes={
                n: {0: "batch", 2: f"height_{n}", 3: f"width_{n}"} for n in ("image", *LEVELS)
            },
            dynamo=False,
        )
        model = onnx.load(path)
    model = in_halves(_padded_as_taught(model))
    onnx.checker.check_model(model)
    return model


def _padding_inside(student: Any) -> Any:
    """A folded student whose halving convolutions pad by themselves, for now evenly."""
    from torch import nn

    plain = folded(student)
    for module in plain.modules():
        if isinstance(module, nn.Sequential) and isinstance(module[0], nn.ZeroPad2d):
            module[0] = nn.Identity()
            module[1].padding = (1, 1)
    return plain


def _padded_as_taught(model: onnx.ModelProto) -> onnx.ModelProto:
    """Move the padding of the halving convolutions below and to the right.

    torch cannot say that within a convolution, and a Pad before one keeps engines from fusing.
    """
    for node in model.graph.node:
        values = {a.name: list(a.ints) for a in node.attribute}
        if node.op_type == "Conv" and values["strides"] == [2, 2]:
            rest = [a for a in node.attribute if a.name != "pads"]
            del node.attribute[:]
            node.attribute.extend([*rest, helper.make_attribute("pads", [0, 0, 1, 1])])
    return model


def _description(network: str, source: str, channels: Sequence[int]) -> str:
    lines = [
        "# Describes the feature graph of the same name to whoever feeds it.",
        f"network = {json.dumps(network)}",
        'input = "image"            # float32, NCHW, RGB',
        f"scale = [{', '.join([f'{SCALE:.8f}'] * 3)}]   # input = uint8 * scale + offset",
        f"offset = [{', '.join([f'{OFFSET:.1f}'] * 3)}]",
        f"multiple_of = {MULTIPLE_OF}           # height and width",
        f"levels = {json.dumps(list(LEVELS))}",
        'licence = "Apache-2.0"',
        f"source = {json.dumps(source)}",
    ]
    for level, count in zip(LEVELS, channels, strict=True):
        lines += ["", f"[outputs.{level}]", f"channels = {count}", f"stride = {STRIDES[level]}"]
    return "\n".join(lines) + "\n"
