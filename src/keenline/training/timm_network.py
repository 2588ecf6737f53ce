"""A timm network's name, and a file of weights where there is no internet, turned into a module.

torch and timm are imported inside functions: whoever imports this need not have them.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from keenline.errors import BackboneError, Code, EnvironmentMissing
from keenline.models.backbones import cache_folder


@dataclass(frozen=True, slots=True)
class Network:
    """A timm network with its weights."""

    name: str
    module: Any
    """A torch module: (batch, 3, height, width) to a list of features, finest first."""
    strides: tuple[int, ...]
    channels: tuple[int, ...]
    config: dict[str, Any]
    """What timm says about its own weights."""
    weights: Path | None
    """The file that took their place."""

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs in the graph."""
        return [f"s{stride}" for stride in self.strides]


def open_network(name: str, levels: tuple[int, ...], weights: Path | None) -> Network:
    """levels: the strides wanted, ascending.

    Raises EnvironmentMissing (no torch or timm) or BackboneError: an unknown name, a stride that
    the network does not have, weights that cannot be downloaded or that belong to another one, or
    features that are no maps of an image of any size.
    """
    _check_extra()
    import timm

    if weights is not None and not weights.is_file():
        raise BackboneError(
            Code.BACKBONE_MISSING,
            "The file of weights is not there",
            where=weights,
            next="check the path after --weights",
        )
    if not timm.is_model(name):
        close = get_close_matches(name, timm.list_models(), 3) or ["a name of timm.list_models()"]
        raise BackboneError(
            Code.BACKBONE_UNKNOWN,
            "timm has no such network",
            expected=" or ".join(close),
            got=name,
        )
    places = _places(name, levels)
    module = loaded(name, weights, features_only=True, out_indices=places)
    about = module.feature_info
    network = Network(
        name,
        module,
        tuple(about.reduction()),
        tuple(about.channels()),
        dict(module.pretrained_cfg),
        weights,
    )
    _check_maps(network)
    return network


def _check_extra() -> None:
    missing = [package for package in ("torch", "timm") if find_spec(package) is None]
    if missing:
        raise EnvironmentMissing(
            Code.EXTRA_MISSING,
            "Exporting a timm network needs the extra `train`",
            expected="torch and timm",
            got=f"no {' and no '.join(missing)}",
            next="pip install 'keenline[train]'",
        )


def _places(name: str, levels: tuple[int, ...]) -> tuple[int, ...]:
    """Which of the network's stages have these strides; of several the deepest."""
    import timm

    try:
        strides = timm.create_model(name, features_only=True).feature_info.reduction()
    except (RuntimeError, AttributeError, TypeError) as error:
        raise _no_levels(name, levels, f"no stages that timm can take out: {error}") from error
    if not levels or not set(levels) <= set(strides):
        raise _no_levels(name, levels, ", ".join(str(stride) for stride in strides))
    last = {stride: place for place, stride in enumerate(strides)}
    return tuple(last[stride] for stride in levels)


def _no_levels(name: str, levels: tuple[int, ...], got: str) -> BackboneError:
    return BackboneError(
        Code.BACKBONE_GRAPH,
        "The network has no outputs at these strides",
        where=f"timm:{name}",
        expected=f"strides {', '.join(str(level) for level in levels)}",
        got=got,
        next="name others with --levels, or choose a convolutional network",
    )


def loaded(name: str, weights: Path | None, **options: Any) -> Any:
    """A timm network with its weights or those of a file; options: as `timm.create_model` takes.

    Raises BackboneError where there are none, where they belong to another network, or where they
    would leave random numbers in a tensor.
    """
    import timm
    import torch
    from huggingface_hub.errors import HfHubHTTPError
    from safetensors import SafetensorError

    # With a file of its own timm still renames and drops tensors as it does for what it downloads.
    overlay = {} if weights is None else {"pretrained_cfg_overlay": {"file": str(weights)}}
    faults = (
        OSError,  # no way out: what urllib and the hub's client raise, and an unreadable file
        HfHubHTTPError,
        RuntimeError,  # no weights known, or tensors of other shapes
        *(EOFError, KeyError, ValueError, AttributeError, TypeError, SafetensorError),
        torch.serialization.pickle.UnpicklingError,  # not a file of torch's
    )
    try:
        torch.manual_seed(0)
        fresh = timm.create_model(name, **options)
        torch.manual_seed(0)
        module = timm.create_model(name, pretrained=True, **options, **overlay)
    except faults as error:
        if weights is not None:
            raise _wrong_weights(name, weights, _first_line(error)) from error
        raise _offline(name, error) from error
    # timm passes over tensors that a file does not have, and leaves random numbers in their place.
    drawn = dict(fresh.named_parameters())
    left = [n for n, p in module.named_parameters() if p.ndim > 1 and torch.equal(p, drawn[n])]
    if left:
        given = weights or Path("what timm downloaded")
        raise _wrong_weights(name, given, f"nothing for {len(left)} tensors, such as {left[0]}")
    return module.eval()


def _check_maps(network: Network) -> None:
    """Raise BackboneError unless an image of any size gives (batch, channels, height, width)."""
    import torch

    height, width = 96, 160  # in multiples of 32, and hardly what a network is made for
    try:
        with torch.no_grad():
            features = network.module(torch.zeros(1, 3, height, width))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise _no_maps(network, "images of any size", _first_line(error)) from error
    found = [tuple(each.shape[1:]) for each in features]
    wanted = [
        (channels, height // stride, width // stride)
        for channels, stride in zip(network.channels, network.strides, strict=True)
    ]
    if found != wanted:
        raise _no_maps(network, f"features of {wanted}", f"{found}")


def _no_maps(network: Network, expected: str, got: str) -> BackboneError:
    return BackboneError(
        Code.BACKBONE_GRAPH,
        "The network does not turn an image of any size into maps of features",
        where=f"timm:{network.name}",
        expected=expected,
        got=got,
        next="choose a convolutional network, such as mobilenetv3_large_100",
    )


def _offline(name: str, error: Exception) -> BackboneError:
    import timm

    config = timm.get_pretrained_cfg(name)
    hub, url = getattr(config, "hf_hub_id", None), getattr(config, "url", None)
    source = f"https://huggingface.co/{hub}/resolve/main/model.safetensors" if hub else url
    return BackboneError(
        Code.BACKBONE_OFFLINE,
        f"The weights of {name} cannot be downloaded",
        expected=source or "weights that timm knows a source of",
        got=_first_line(error),
        next=(
            "bring that file from a machine with internet access, put it in any folder and name "
            f"it: --weights FILE; or run this command there and bring {name}.onnx and {name}.toml "
            f"to {cache_folder() / 'timm'}"
        ),
    )


def _wrong_weights(name: str, weights: Path, got: str) -> BackboneError:
    return BackboneError(
        Code.BACKBONE_GRAPH,
        f"These are not the weights of {name}",
        where=weights,
        expected="a state dict with this network's tensors, .safetensors or .pth",
        got=got,
        next="check that the file belongs to this name and arrived whole",
    )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]
