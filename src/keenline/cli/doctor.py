"""`keenline doctor`: this machine, or a station on it, turned into what works and what does not."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline import __version__
from keenline.cli.failures import failing_calmly
from keenline.cli.machine import Machine, this_machine
from keenline.cli.options import Json
from keenline.cli.terminal import Terminal
from keenline.errors import BundleError, KeenlineError

if TYPE_CHECKING:
    from keenline.cli.examination import Finding
    from keenline.cli.station_config import StationConfig

EXTRAS = {
    "train": (
        ("torch", "torchvision", "timm", "onnxscript", "lightning", "segmentation-models-pytorch"),
        "backbones by name (timm:NAME), keenline learn and distill",
    ),
    "basler": (("pypylon",), "Basler cameras"),
    "genicam": (("genicam", "harvesters"), "cameras with a GenTL producer"),
    "video": (("av",), "video files, network and USB cameras"),
    "plc": (
        ("asyncua", "pycomm3", "pymodbus", "python-snap7"),
        "PLCs by S7, Modbus, OPC UA, EtherNet/IP; the OPC UA server",
    ),
    "mqtt": (("paho-mqtt", "pysparkplug"), "MQTT and Sparkplug B"),
    "postgres": (("psycopg",), "results in PostgreSQL"),
    "s3": (("obstore",), "images in a bucket"),
    "web": (("fastapi", "jinja2", "python-multipart", "uvicorn"), "images sent over HTTP"),
    "ray": (("ray",), "keenline validate on several machines"),
    "report": (("reportlab",), "acceptance, POD, study and threshold reports as PDF"),
    "parquet": (("pyarrow",), "scores and results as Parquet"),
}
"""The extras that this version uses: their packages, and what for."""

ENGINE_FAILED = 5
"""The exit code when an engine of the core does not work: that of engine errors."""

STATION_FAULT = 7
"""The exit code when a station has a fault: that of errors at the line."""


@dataclass(frozen=True, slots=True)
class EngineCheck:
    """Whether an engine runs a graph here."""

    name: str
    version: str | None
    works: bool
    says: str
    """How long it took from import to an answer, or what went wrong."""


def doctor(
    station: Annotated[
        Path | None,
        typer.Option(
            "--station",
            help="Look at this station, which runs here, instead of at the engines.",
            metavar="STATION.toml",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look at this machine: processor, engines, what is missing and how to get it.

    Exits with 0 when every engine of the core runs a graph. With --station: state, troubles, parts,
    records, disks, clock and packages of a running station; exits with 7 when one is a fault.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        machine = this_machine(Path.cwd())
        if station is not None:
            _examine(station, machine, terminal)
            return
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


def _examine(path: Path, machine: Machine, terminal: Terminal) -> None:
    from keenline.cli.examination import Level, as_records, show, worst
    from keenline.cli.station_config import load_station

    config = load_station(path)
    with terminal.waiting("looking at the station"):
        found = list(_findings(config, path.resolve().parent))
    level = worst(found)
    if terminal.as_json:
        terminal.emit(
            {
                "keenline": __version__,
                "machine": asdict(machine),
                "station": config.station,
                "level": level,
                "findings": as_records(found),
            }
        )
    else:
        _show_machine(machine, terminal)
        terminal.fact("station", config.station, "bold")
        show(found, terminal)
    if level is Level.FAULT:
        raise typer.Exit(STATION_FAULT)


def _findings(config: StationConfig, folder: Path) -> Iterator[Finding]:
    from keenline.cli import station_place, station_scrape
    from keenline.cli.examination import Finding, Level

    table = config.metrics
    if table is None or table.port == 0:
        words = "a running station is asked by its metrics, which have no port"
        advice = "add a table [metrics] with a port, and start the station anew"
        yield Finding("answers", Level.UNKNOWN, words, advice)
    else:
        address = station_scrape.address_of(table)
        try:
            seen = station_scrape.scrape(table)
        except (OSError, ValueError) as error:
            words = f"nobody answers at {address}: {error}"
            advice = "is it running? `keenline station --check` says why it cannot"
            yield Finding("answers", Level.FAULT, words, advice)
        else:
            yield Finding("answers", Level.OK, f"at {address}")
            yield from station_scrape.findings(seen, config, _sha256(folder / config.bundle))
    yield from station_place.findings(config, folder)


def _sha256(path: Path) -> str | None:
    from keenline.bundle import read_bundle

    try:
        return read_bundle(path).sha256
    except BundleError:
        return None  # gone, or not for this account; what runs has it in memory


def check_engines() -> list[EngineCheck]:
    """Run a graph of two nodes on every engine."""
    from keenline.inference.engines import ENGINES

    return [_checked(name) for name in ENGINES]


def missing_packages(extra: str) -> list[str]:
    """The packages of an extra that are not installed."""
    return [package for package in EXTRAS[extra][0] if _version(package) is None]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _checked(name: str) -> EngineCheck:
    import numpy as np

    from keenline.inference.engines import open_engine

    installed = _version(name)
    if installed is None:
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


def _cameras() -> list[str]:
    """The kinds of camera whose packages are installed."""
    from keenline.cli.devices import CameraTable, kinds_of
    from keenline.cli.station_place import is_installed

    return [kind for kind in kinds_of(CameraTable) if is_installed(kind)]


def _show_engines(engines: list[EngineCheck], terminal: Terminal) -> None:
    for place, engine in enumerate(engines):
        words = f"{engine.name} {engine.version or ''}".strip() + f": {engine.says}"
        terminal.fact("engines" if place == 0 else "", words, "green" if engine.works else "red")
    terminal.fact("cameras", ", ".join(_cameras()))
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
        "cameras": _cameras(),
        "extras": {
            extra: {"missing": packages, "install": _pip(extra) if packages else None}
            for extra, packages in missing.items()
        },
    }
