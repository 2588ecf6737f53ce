"""The name of a timm network turned, once, into a feature graph and the TOML that describes it.

    python -m keenline.training.export_timm resnet18 [--levels 8 16] [--weights FILE] [-o FOLDER]

Needs the extra `train`; what it writes needs only an ONNX runtime. docs/backbones.md is the guide.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keenline.errors import (
    BackboneError,
    Code,
    EngineError,
    EnvironmentMissing,
    KeenlineError,
    OutputError,
)
from keenline.inference.engines import open_engine
from keenline.models.backbones import cache_folder, open_backbone
from keenline.training.timm_network import Network, open_network

LEVELS = (8, 16)
"""Strides of the outputs that are used unless others are named."""

LARGEST_DIFFERENCE = 1e-4
"""Between torch and the exported graph, relative to the largest feature (at least 1)."""

CHECKED = ((1, 3, 128, 160), (2, 3, 96, 64))
"""Shapes of the inputs on which it is measured: not the one of the export, so that a size which
was frozen into the graph is found."""


def export_timm(
    name: str,
    *,
    levels: Sequence[int] = LEVELS,
    weights: Path | None = None,
    folder: Path | None = None,
) -> Path:
    """Export a network and answer with the path of its graph; NAME.toml lies beside it.

    levels: strides of the outputs to use. weights: a file of weights (.safetensors or .pth) for
    a machine without internet. folder: where to write; by default where `timm:NAME` looks.
    Both files appear complete or not at all, and only after the graph gave what torch gives.
    Raises EnvironmentMissing (no torch or timm), BackboneError (unknown name, weights that cannot
    be had, a stride that it does not have, a graph that differs) or OutputError.
    """
    network = open_network(name, tuple(sorted(set(levels))), weights)
    folder = folder or cache_folder() / "timm"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as here:
            graph, description = Path(here) / f"{name}.onnx", Path(here) / f"{name}.toml"
            _write_graph(network, graph)
            description.write_text(_description(network), encoding="utf-8")
            _check(network, graph)
            # The description first: a graph that can be found is then always described.
            os.replace(description, folder / description.name)
            os.replace(graph, folder / graph.name)
    except OSError as error:
        raise OutputError.of(error, folder, next="name another folder with -o") from error
    return folder / f"{name}.onnx"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; answers with the exit codes that `keenline` has (docs/cli.md)."""
    parser = argparse.ArgumentParser(
        prog="python -m keenline.training.export_timm", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("name", help="of a timm network, such as resnet18")
    parser.add_argument("--levels", type=int, nargs="+", default=list(LEVELS), metavar="STRIDE")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="instead of downloading")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER")
    wanted = parser.parse_args(arguments)
    try:
        path = export_timm(
            wanted.name, levels=wanted.levels, weights=wanted.weights, folder=wanted.output
        )
    except KeenlineError as error:
        print(error, file=sys.stderr)
        return {OutputError: 3, EnvironmentMissing: 6}.get(type(error), 4)
    name = f"timm:{wanted.name}" if wanted.output is None else f"onnx:{path}"
    print(f"{path}\nUse it with: keenline train DATA -o part.keen --backbone {name}")
    return 0


def _write_graph(network: Network, path: Path) -> None:
    import torch

    names = network.outputs
    axes = {n: {0: "batch", 2: f"height_{n}", 3: f"width_{n}"} for n in ("image", *names)}
    with warnings.catch_warnings():
        # The exporter that traces is deprecated, and the only one that writes opset 17: the other
        # starts at 18, and what it writes does not always convert back.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.module,
            (torch.zeros(2, 3, 64, 96),),
            str(path),
            opset_version=17,
            input_names=["image"],
            output_names=names,
            dynamic_axes=axes,
            dynamo=False,
        )


def _description(network: Network) -> str:
    config = network.config
    mean, std = (np.array(config[key], float) for key in ("mean", "std"))
    licence = config.get("license") or "not stated by timm; find out before you ship it"
    source = config.get("hf_hub_id") or config.get("url") or "timm"
    if network.weights is not None:
        licence = f"{licence} (timm's own weights; these came from {network.weights.name})"
        source = f"{network.weights.name}, brought by hand"
    lines = [
        "# Describes the feature graph of the same name to whoever feeds it.",
        f"network = {json.dumps(f'{network.name}, timm')}",
        'input = "image"            # float32, NCHW, RGB',
        f"scale = {_numbers(1 / (255 * std))}   # input = uint8 * scale + offset, per channel",
        f"offset = {_numbers(-mean / std)}",
        f"multiple_of = {max(32, *network.strides)}           # height and width",
        f"levels = {json.dumps(network.outputs)}",
        f"licence = {json.dumps(licence)}",
        f"source = {json.dumps(source)}",
    ]
    for name, stride, channels in zip(
        network.outputs, network.strides, network.channels, strict=True
    ):
        lines += ["", f"[outputs.{name}]", f"channels = {channels}", f"stride = {stride}"]
    return "\n".join(lines) + "\n"


def _numbers(values: NDArray[np.float64]) -> str:
    return "[" + ", ".join(f"{value:.8f}" for value in values) + "]"


def _check(network: Network, path: Path) -> None:
    """Raise BackboneError unless the graph can be opened and gives what torch gives."""
    import torch

    backbone = open_backbone(f"onnx:{path}")
    engine = open_engine(backbone.model.SerializeToString(), name="onnxruntime", precision="f32")
    random = np.random.default_rng(0)
    for shape in CHECKED:
        picture = random.standard_normal(shape).astype(np.float32)
        with torch.no_grad():
            wanted = [features.numpy() for features in network.module(torch.from_numpy(picture))]
        try:
            # A deployed graph takes pixels, this one what they are brought to.
            found = engine.run(picture)  # type: ignore[arg-type]
        except EngineError as error:
            raise _differs(network, "", shape, error.got or error.what) from error
        for name, features in zip(network.outputs, wanted, strict=True):
            difference = _difference(found[name], features)
            if not difference <= LARGEST_DIFFERENCE:
                raise _differs(network, f", output {name}", shape, f"{difference:.3g}")


def _differs(network: Network, output: str, shape: tuple[int, ...], got: str) -> BackboneError:
    return BackboneError(
        Code.BACKBONE_GRAPH,
        "The exported graph does not give what torch gives",
        where=f"timm:{network.name}{output}, input {shape}",
        expected=f"features that differ by at most {LARGEST_DIFFERENCE:g}",
        got=got,
        next="choose another network: in this one something was frozen on export",
    )


def _difference(found: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    if found.shape != wanted.shape:
        return float("inf")
    return float(np.abs(found - wanted).max() / max(1.0, float(np.abs(wanted).max())))


if __name__ == "__main__":
    raise SystemExit(main())
