"""A backbone's name turned into a torch module whose features, finest first, can still be taught.

Weights are those of the built-in backbone, of timm, or of a file; random ones only when asked for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from keenline.bundle import BackboneFacts
from keenline.errors import BackboneError, Code, TrainingError
from keenline.models.backbones import Description, Output, open_backbone
from keenline.training.student import DEFAULT_SHAPE, LEVELS, build_student, folded
from keenline.training.timm_network import Network, open_network

STUDENT_MULTIPLE = 16
RANDOM = "random weights"


@dataclass(frozen=True, slots=True)
class Encoder:
    """A module with what must be known to feed it and to name it."""

    module: Any
    """(batch, 3, height, width) to a list of features, finest first, each half as fine."""
    channels: tuple[int, ...]
    stride: int
    """Pixels for one cell of the finest features."""
    about: Description
    """How pixels are brought to it; its `outputs` are the features."""
    facts: BackboneFacts


def open_encoder(name: str, *, weights: Path | None, from_scratch: bool, seed: int) -> Encoder:
    """`keenline` or `timm:NAME`.

    Raises BackboneError: unknown, no weights and none to be had, or weights that do not belong to
    it; TrainingError (OPTION_CONFLICT) for weights that would be thrown away.
    """
    kind, _, rest = name.partition(":")
    if from_scratch and weights is not None:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "Weights were named, and random ones asked for",
            expected="--weights or --from-scratch",
            got="both",
        )
    torch.manual_seed(seed)
    if name == "keenline":
        if weights is not None:
            raise TrainingError(
                Code.OPTION_CONFLICT,
                "The built-in backbone brings its own weights",
                expected="--weights with a backbone timm:NAME",
                got=f"backbone keenline, weights {weights}",
            )
        return _student(from_scratch=from_scratch)
    if kind == "timm" and rest:
        return _timm(rest, weights=weights, from_scratch=from_scratch)
    raise BackboneError(
        Code.BACKBONE_UNKNOWN,
        "There is no such backbone to teach",
        expected="keenline or timm:NAME",
        got=name,
        next="a feature graph (onnx:PATH) is finished: use it with `keenline train` and "
        "`keenline teach`",
    )


def _student(*, from_scratch: bool) -> Encoder:
    built_in = open_backbone("keenline")
    channels = tuple(built_in.description.outputs[level].channels for level in LEVELS)
    student = build_student(DEFAULT_SHAPE, (channels[0], channels[1]))
    if not from_scratch:
        student = with_weights(student, built_in.model)
    about = built_in.description.model_copy(update={"multiple_of": STUDENT_MULTIPLE})
    facts = BackboneFacts(
        name="keenline",
        network="Keenline student, its shape alone" if from_scratch else about.network,
        source=RANDOM if from_scratch else about.source,
        licence=about.licence,
        sha256="" if from_scratch else built_in.sha256,
    )
    return Encoder(_Stages(student), DEFAULT_SHAPE.widths, 2, about, facts)


def with_weights(student: Any, graph: onnx.ModelProto) -> Any:
    """A student without batch norms, which were folded, with the weights of its exported graph.

    Raises BackboneError where the graph is not that of such a student.
    """
    plain = folded(student)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    wanted = plain.state_dict()
    wrong = [
        name
        for name, value in wanted.items()
        if name not in stored or stored[name].shape != tuple(value.shape)
    ]
    if wrong:
        raise BackboneError(
            Code.BACKBONE_GRAPH,
            "The built-in backbone does not have the shape that this version builds",
            expected=", ".join(wrong[:3]),
            got=", ".join(sorted(stored)[:3]),
            next="install keenline again",
        )
    plain.load_state_dict(
        {name: torch.from_numpy(np.array(stored[name], np.float32)) for name in wanted}
    )
    return plain.requires_grad_(True)


class _Stages(nn.Module):  # type: ignore[misc]
    """A student's stages at strides 2, 4, 8 and 16, without what predicts its teachers."""

    def __init__(self, student: Any) -> None:
        super().__init__()
        self.stem = student.stem
        self.stage4, self.stage8, self.stage16 = student.stage4, student.stage8, student.stage16

    def forward(self, picture: Any) -> list[Any]:
        found = [self.stem(picture)]
        for stage in (self.stage4, self.stage8, self.stage16):
            found.append(stage(found[-1]))
        return found


def _timm(name: str, *, weights: Path | None, from_scratch: bool) -> Encoder:
    import timm

    if name not in timm.list_models():
        open_network(name, (4, 8, 16, 32), weights)  # says so, with names that are close
    if from_scratch:
        strides = tuple(timm.create_model(name, features_only=True).feature_info.reduction())
    else:
        strides = _strides(name)
    levels = tuple(dict.fromkeys(stride for stride in strides if stride >= 2))
    network = _fresh(name, levels) if from_scratch else _taught(name, levels, weights)
    mean, std = (np.array(network.config[key], float) for key in ("mean", "std"))
    outputs = {
        f"s{stride}": Output(channels=channels, stride=stride)
        for stride, channels in zip(network.strides, network.channels, strict=True)
    }
    source = network.config.get("hf_hub_id") or network.config.get("url") or "timm"
    if weights is not None:
        source = f"{weights.name}, brought by hand"
    about = Description(
        network=f"{name}, timm",
        scale=tuple(1 / (255 * std)),
        offset=tuple(-mean / std),
        multiple_of=max(32, *network.strides),
        levels=tuple(outputs),
        licence=network.config.get("license") or "not stated by timm; find out before you ship it",
        source=RANDOM if from_scratch else str(source),
        outputs=outputs,
    )
    facts = BackboneFacts(
        name=f"timm:{name}",
        network=about.network,
        source=about.source,
        licence=about.licence,
        sha256="" if weights is None else hashlib.sha256(weights.read_bytes()).hexdigest(),
    )
    return Encoder(network.module, network.channels, network.strides[0], about, facts)


def _strides(name: str) -> tuple[int, ...]:
    import timm

    try:
        return tuple(timm.create_model(name, features_only=True).feature_info.reduction())
    except (RuntimeError, AttributeError, TypeError) as error:
        raise BackboneError(
            Code.BACKBONE_GRAPH,
            "The network has no stages that can be taken out",
            where=f"timm:{name}",
            got=f"{type(error).__name__}: {error}".splitlines()[0],
            next="choose a convolutional network, such as timm:resnet18",
        ) from error


def _taught(name: str, levels: tuple[int, ...], weights: Path | None) -> Network:
    try:
        return open_network(name, levels, weights)
    except BackboneError as error:
        if error.code is not Code.BACKBONE_OFFLINE:
            raise
        raise BackboneError(
            error.code,
            error.what,
            expected=error.expected,
            got=error.got,
            next="bring that file from a machine with internet access and name it: --weights "
            "FILE; use the built-in backbone, which needs none; or begin with random weights: "
            "--from-scratch",
        ) from error


def _fresh(name: str, levels: tuple[int, ...]) -> Network:
    import timm

    strides = _strides(name)
    last = {stride: place for place, stride in enumerate(strides)}
    places = tuple(last[level] for level in levels)
    module = timm.create_model(name, features_only=True, out_indices=places)
    about = module.feature_info
    return Network(
        name,
        module,
        tuple(about.reduction()),
        tuple(about.channels()),
        dict(module.pretrained_cfg),
        None,
    )
