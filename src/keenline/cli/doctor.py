"""`keenline doctor`: this machine turned into what Keenline can do on it, and what is missing."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import typer

from keenline import __version__
from keenline.cli.failures import failing_calmly
from keenline.cli.machine import Machine, this_machine
from keenline.cli.options import Json
from keenline.cli.terminal import Terminal
from keenline.errors import KeenlineError

EXTRAS = {
    "train": (("torch", "torchvision", "timm", "onnxscript"), "backbones by name (timm:NAME)"),
    "parquet": (("pyarrow",), "scores as Parquet"),
}
"""The extras that this version uses: their packages, and what for."""

ENGINE_FAILED = 5
"""The exit code when an engine of the core does not work: that of engine errors."""


@dataclass(frozen=True, slots=True)
class EngineCheck:
    """Whether an engine runs a graph here."""

    name: str
    version: str | None
    works: bool
    says: str
    """How long it took from import to an answer, or what went wrong."""


def doctor(as_json: Json = False) -> None:
    """Look at this machine: processor, engines, what is missing and how to get it.

    Exits with 0 when every engine of the core runs a graph.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        machine = this_machine(Path.cwd())
        with terminal.waiting("trying the engines"):
            engines = check_engines()
        missing = {name: missing_packages(name) for name in EXTRAS}
        if as_json:
            terminal.emit(_record(machine, engines, missing))
        else:
            _show_machine(machine, terminal)
            _show_engines(engines, terminal)
            _show_extras(missing, terminal)
    if not all(engine.works for engine in engines):
        raise typer.Exit(ENGINE_FAILED)


def check_engines() -> list[EngineCheck]:
    """Run a graph of two nodes on every engine."""
    from keenline.inference.engines import ENGINES

    return [_checked(name) for name in ENGINES]


def missing_packages(extra: str) -> list[str]:
    """The packages of an extra that are not installed."""
    return [package for package in EXTRAS[extra][0] if find_spec(package) is None]


def _checked(name: str) -> EngineCheck:
    import numpy as np

    from keenline.inference.engines import open_engine

    try:
        installed = version(name)
    except PackageNotFoundError:
        return EngineCheck(name, None, works=False, says=f"not installed: pip install {name}")
    image = np.full((1, 8, 8, 3), 7, np.uint8)
    begun = time.perf_counter()
    try:
        outputs = open_engine(_graph(), name=name, precision="f32", threads=1).run(image)
    except (KeenlineError, ImportError) as error:
        return EngineCheck(name, installed, works=False, says=str(error))
    took = time.perf_counter() - begun
    right = bool(np.all(outputs["score"] == 7 * 3 * 64))
    says = f"works; ready in {took:.2f} s" if right else f"answers {outputs['score']}"
    return EngineCheck(name, installed, works=right, says=says)


def _graph() -> bytes:
    """uint8 image in, the sum of its values out: enough to see that an engine computes."""
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("image", TensorProto.UINT8, ["n", "h", "w", 3])
    score = helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])
    axes = helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3])
    nodes = [
        helper.make_node("Cast", ["image"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["numbers", "axes"], ["score"], keepdims=0),
    ]
    graph = helper.make_graph(nodes, "doctor", [image], [score], [axes])
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
    return bytes(model.SerializeToString())


def _show_machine(machine: Machine, terminal: Terminal) -> None:
    terminal.fact("keenline", f"{__version__}, Python {machine.python}, {machine.system}")
    terminal.fact("processor", f"{machine.processor}, {machine.cores} cores usable")
    if machine.instructions is None:
        terminal.fact("", "its instructions cannot be read on this system")
    else:
        terminal.fact("", ", ".join(machine.instructions) or "none of the fast instructions")
    if machine.memory_gb is not None:
        free = "" if machine.memory_free_gb is None else f", {machine.memory_free_gb:.1f} GB free"
        terminal.fact("memory", f"{machine.memory_gb:.1f} GB{free}")
    terminal.fact("disk", f"{machine.disk_free_gb:.1f} GB free here")
    terminal.say()


def _show_engines(engines: list[EngineCheck], terminal: Terminal) -> None:
    for place, engine in enumerate(engines):
        words = f"{engine.name} {engine.version or ''}".strip() + f": {engine.says}"
        terminal.fact("engines" if place == 0 else "", words, "green" if engine.works else "red")
    terminal.fact("cameras", "none: this version reads files; cameras come with a later one")
    terminal.say()


def _show_extras(missing: dict[str, list[str]], terminal: Terminal) -> None:
    for place, (extra, packages) in enumerate(missing.items()):
        what = EXTRAS[extra][1]
        label = "extras" if place == 0 else ""
        if packages:
            terminal.fact(label, f"{extra}: missing {', '.join(packages)}; for {what}", "yellow")
            terminal.fact("", f"    {_pip(extra)}")
        else:
            terminal.fact(label, f"{extra}: installed; for {what}", "green")


def _pip(extra: str) -> str:
    return f"{Path(sys.executable).name} -m pip install 'keenline[{extra}]'"


def _record(
    machine: Machine, engines: list[EngineCheck], missing: dict[str, list[str]]
) -> dict[str, object]:
    return {
        "keenline": __version__,
        "machine": asdict(machine),
        "engines": [asdict(engine) for engine in engines],
        "cameras": [],
        "extras": {
            extra: {"missing": packages, "install": _pip(extra) if packages else None}
            for extra, packages in missing.items()
        },
    }
