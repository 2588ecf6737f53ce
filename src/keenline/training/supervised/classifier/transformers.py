"""The name of a ViT, DeiT or Swin of timm turned into a network for images of one size."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from keenline.bundle import BackboneFacts
from keenline.errors import BackboneError, Code
from keenline.models.backbones import Description, Output
from keenline.training.supervised.classifier.attention import Tokens
from keenline.training.supervised.encoder import RANDOM, Encoder
from keenline.training.timm_network import loaded

_TOKENS = ("vision_transformer", "deit")
_WINDOWS = ("swin_transformer",)


def is_transformer(name: str) -> bool:
    """Whether this backbone is one of those made here."""
    return _is_in(name, (*_TOKENS, *_WINDOWS))


def multiple_of(name: str) -> int:
    """Of what width and height of an image must be multiples, pixels."""
    import timm

    if _is_in(name, _WINDOWS):
        return 32
    return int(timm.create_model(_plain(name)).patch_embed.patch_size[0])


def open_transformer(
    name: str, size: tuple[int, int], *, weights: Path | None, from_scratch: bool, seed: int
) -> Encoder:
    """`timm:NAME` for images of that height and width; `module` is `Tokens` or gives grids.

    Raises BackboneError: no weights and none to be had, or weights that do not belong to it.
    """
    import timm

    torch.manual_seed(seed)
    grids = _is_in(name, _WINDOWS)
    options: dict[str, Any] = {"img_size": size}
    options |= {"features_only": True, "out_indices": (1, 2, 3)} if grids else {"num_classes": 0}
    plain = _plain(name)
    if from_scratch:
        network = timm.create_model(plain, **options)
    else:
        network = _with_weights(plain, weights, options)
    module = _Windows(network) if grids else _Vision(network, size)
    channels = tuple(network.feature_info.channels()) if grids else (module.width,)
    stride = 8 if grids else multiple_of(name)
    about = _description(plain, network, channels, stride, weights, from_scratch)
    facts = BackboneFacts(
        name=name,
        network=about.network,
        source=about.source,
        licence=about.licence,
        sha256="" if weights is None else hashlib.sha256(weights.read_bytes()).hexdigest(),
    )
    return Encoder(module, channels, stride, about, facts)


class _Vision(Tokens):
    """A ViT or DeiT as it is."""

    def __init__(self, network: Any, size: tuple[int, int]) -> None:
        super().__init__()
        self.network, self.blocks = network, network.blocks
        self.prefix, self.width = int(network.num_prefix_tokens), int(network.embed_dim)
        patch = int(network.patch_embed.patch_size[0])
        self.grid = size[0] // patch, size[1] // patch

    def seen(self, picture: Any) -> Any:
        return picture

    def forward(self, seen: Any) -> Any:
        return self.network.forward_features(seen)


class _Windows(nn.Module):  # type: ignore[misc]
    """A Swin's stages, channels first."""

    rounds = False

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, picture: Any) -> list[Any]:
        return [level.permute(0, 3, 1, 2) for level in self.network(picture)]


def _with_weights(name: str, weights: Path | None, options: dict[str, Any]) -> Any:
    if weights is not None and not weights.is_file():
        raise BackboneError(
            Code.BACKBONE_MISSING,
            "The file of weights is not there",
            where=weights,
            next="check the path after --weights",
        )
    return loaded(name, weights, **options)


def _description(
    name: str,
    network: Any,
    channels: tuple[int, ...],
    stride: int,
    weights: Path | None,
    from_scratch: bool,
) -> Description:
    config = dict(network.pretrained_cfg)
    mean, std = (np.array(config[key], float) for key in ("mean", "std"))
    outputs = {
        f"s{stride * 2**place}": Output(channels=number, stride=stride * 2**place)
        for place, number in enumerate(channels)
    }
    source = str(config.get("hf_hub_id") or config.get("url") or "timm")
    if weights is not None:
        source = f"{weights.name}, brought by hand"
    return Description(
        network=f"{name}, timm",
        scale=tuple(1 / (255 * std)),
        offset=tuple(-mean / std),
        multiple_of=max(output.stride for output in outputs.values()),
        levels=tuple(outputs),
        licence=config.get("license") or "not stated by timm; find out before you ship it",
        source=RANDOM if from_scratch else source,
        outputs=outputs,
    )


def _is_in(name: str, modules: tuple[str, ...]) -> bool:
    import timm
    from timm.models import is_model_in_modules

    kind, _, plain = name.partition(":")
    known = kind == "timm" and timm.is_model(plain)
    return known and bool(is_model_in_modules(plain, list(modules)))


def _plain(name: str) -> str:
    return name.partition(":")[2]
