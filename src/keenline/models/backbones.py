"""A backbone's name turned into its feature graph and the description that says how to feed it.

Names: `keenline` and `filterbank` (in the package), `onnx:PATH` (any feature graph with a TOML of
the same stem beside it), `timm:NAME` (exported once with the extra `train`, then kept in a cache).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import onnx
from google.protobuf.message import DecodeError
from pydantic import BaseModel, ConfigDict, Field

from keenline.errors import BackboneError, Code
from keenline.models.half_weights import in_full
from keenline.strict_toml import TomlFaults, parse_strictly

BUILT_IN = Path(__file__).with_name("weights") / "keenline.onnx"
"""The backbone in the package; its description lies beside it."""

_Three = Annotated[tuple[float, float, float], Field(strict=False)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


class Output(_Table):
    """One output of a feature graph."""

    channels: int = Field(ge=1)
    stride: int = Field(ge=1)
    """Pixels of the input for one cell of the output."""


class Description(_Table):
    """What `features.toml` says about `features.onnx`."""

    network: str
    input: str = "image"
    """Name of the input: float32, (batch, 3, height, width), RGB."""
    scale: _Three
    offset: _Three
    """input = uint8 * scale + offset, per channel."""
    multiple_of: int = Field(ge=1)
    """Height and width must be multiples of this."""
    levels: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    """The outputs to use, finest first."""
    licence: str
    source: str
    outputs: dict[str, Output]


@dataclass(frozen=True, slots=True)
class Backbone:
    """A feature graph that may be built into a bundle."""

    name: str
    model: onnx.ModelProto
    description: Description
    sha256: str

    @property
    def levels(self) -> tuple[tuple[str, Output], ...]:
        """Names and shapes of the outputs to use, finest first."""
        return tuple((name, self.description.outputs[name]) for name in self.description.levels)


def open_backbone(name: str) -> Backbone:
    """Find a backbone by name; raises BackboneError: unknown, missing, wrong or no description."""
    if name == "keenline":
        return _built_in()
    if name == "filterbank":
        return _filterbank()
    kind, _, rest = name.partition(":")
    if kind in _KINDS and rest:
        return _KINDS[kind](name, rest)
    raise BackboneError(
        Code.BACKBONE_UNKNOWN,
        "There is no such backbone",
        expected="keenline, filterbank, onnx:PATH or timm:NAME",
        got=name,
    )


def cache_folder() -> Path:
    """Where exported networks are kept: $KEENLINE_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("KEENLINE_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "keenline"


def _built_in() -> Backbone:
    """The student that this project taught: docs/model-card-keenline.md."""
    if not BUILT_IN.is_file():
        raise BackboneError(
            Code.BACKBONE_MISSING,
            "The backbone that belongs to the package is not there",
            where=BUILT_IN,
            expected="the file, which every release has",
            next="install keenline again, or use filterbank",
        )
    return _from_file("keenline", str(BUILT_IN))


def _filterbank() -> Backbone:
    from keenline.models.filterbank import DESCRIPTION, build_filterbank

    model = build_filterbank()
    description = Description.model_validate(DESCRIPTION)
    return _checked("filterbank", model, description, "keenline/models/filterbank.py")


def _from_file(name: str, rest: str) -> Backbone:
    path = Path(rest).expanduser()
    if not path.is_file():
        raise BackboneError(
            Code.BACKBONE_MISSING,
            "The feature graph is not there",
            where=path,
            expected="an ONNX file",
            next="check the path after onnx:",
        )
    return _checked(name, _graph(path), _description(path.with_suffix(".toml")), str(path))


def _from_timm(name: str, rest: str) -> Backbone:
    path = cache_folder() / "timm" / f"{rest}.onnx"
    if path.is_file():
        return _from_file(name, str(path))
    raise BackboneError(
        Code.BACKBONE_OFFLINE,
        f"The network {rest} was not exported on this machine yet",
        where=path,
        expected="the exported feature graph and its description beside it",
        next=(
            f"run `python -m keenline.training.export_timm {rest}` once on a machine with the "
            "extra `train` and internet access, then bring both files of that name (.onnx and "
            ".toml) to this folder"
        ),
    )


_KINDS: dict[str, Callable[[str, str], Backbone]] = {"onnx": _from_file, "timm": _from_timm}


def _graph(path: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
        model = in_full(model)
    except (DecodeError, onnx.checker.ValidationError, OSError) as error:
        raise BackboneError(
            Code.BACKBONE_GRAPH,
            "The feature graph cannot be read",
            where=path,
            expected="a valid ONNX model",
            got=str(error).strip().splitlines()[0],
            next="export or copy it again",
        ) from error
    return model


def _description(path: Path) -> Description:
    try:
        return parse_strictly(path.read_text(encoding="utf-8"), Description)
    except FileNotFoundError as error:
        raise BackboneError(
            Code.BACKBONE_DESCRIPTION,
            "The feature graph has no description",
            where=path,
            expected="a TOML file of this name: network, scale, offset, multiple_of, levels, "
            "licence, source and one [outputs.NAME] table (channels, stride) an output",
            next="write it; docs/backbones.md shows one",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BackboneError(
            Code.BACKBONE_DESCRIPTION, "The description cannot be read", where=path, got=error
        ) from error
    except TomlFaults as faults:
        raise BackboneError(
            Code.BACKBONE_DESCRIPTION,
            "The description of the feature graph is wrong",
            where=path,
            got="; ".join(f"line {f.line}: {f.key} {f.message}" for f in faults.faults),
            next="correct these lines; docs/backbones.md shows a right one",
        ) from faults


def _checked(name: str, model: onnx.ModelProto, about: Description, where: str) -> Backbone:
    inputs = [i.name for i in model.graph.input]
    outputs = {o.name: o for o in model.graph.output}
    faults = []
    if about.input not in inputs:
        faults.append(f"input {about.input} is not in the graph (it has {', '.join(inputs)})")
    for level in about.levels:
        if level not in about.outputs:
            faults.append(f"level {level} has no table [outputs.{level}]")
        if level not in outputs:
            faults.append(f"level {level} is not in the graph (it has {', '.join(outputs)})")
            continue
        channels = _channels(outputs[level])
        stated = about.outputs[level].channels if level in about.outputs else channels
        if channels not in (0, stated):
            faults.append(f"output {level} has {channels} channels, the description {stated}")
    if not faults:
        faults = _wrong_strides(model, about)
    if faults:
        raise BackboneError(
            Code.BACKBONE_DESCRIPTION,
            "The description does not fit the feature graph",
            where=where,
            got="; ".join(faults),
            next="correct the description beside the graph",
        )
    return Backbone(name, model, about, hashlib.sha256(model.SerializeToString()).hexdigest())


def _wrong_strides(model: onnx.ModelProto, about: Description) -> list[str]:
    """What shape inference finds for an image of a few cells; nothing where it cannot tell."""
    side = 4 * about.multiple_of
    trial = onnx.ModelProto()
    trial.CopyFrom(model)
    shapes = {value.name: value.type.tensor_type.shape for value in trial.graph.input}
    for dimension, length in zip(shapes[about.input].dim, (1, 3, side, side), strict=False):
        dimension.dim_value = length
    for output in trial.graph.output:
        output.type.tensor_type.ClearField("shape")
    found = onnx.shape_inference.infer_shapes(trial)
    faults = []
    for output in found.graph.output:
        dims = [dimension.dim_value for dimension in output.type.tensor_type.shape.dim[2:]]
        if output.name not in about.levels or len(dims) != 2 or not all(dims):
            continue
        stated = about.outputs[output.name].stride
        if dims != [side // stated] * 2:
            faults.append(
                f"output {output.name} has {dims[1]} x {dims[0]} cells for {side} x {side} px, "
                f"which is not a stride of {stated}"
            )
    return faults


def _channels(output: onnx.ValueInfoProto) -> int:
    dims = output.type.tensor_type.shape.dim
    return int(dims[1].dim_value) if len(dims) == 4 else 0
