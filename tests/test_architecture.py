"""The shape of the house: contracts that hold and that bite, small files, no forbidden habits."""

from __future__ import annotations

import ast
import os
import re
import shutil
import statistics
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "keenline"
MODULES = sorted(SOURCE.rglob("*.py"))
TESTS = sorted(ROOT.joinpath("tests").rglob("*.py"))

FORBIDDEN_NAMES = {"utils", "util", "common", "core", "helpers", "shared", "misc", "manager"}
LONGEST_FILE = 400
LONGEST_MEDIAN = 150

DOORS = {
    # Each SDK has one named door: only these modules may import it.
    "openvino": {"inference/openvino.py"},
    "onnxruntime": {"inference/onnxruntime.py", "training/quantize.py"},
    "pypylon": {"devices/basler.py", "devices/basler_nodes.py"},
    "harvesters": {"devices/genicam_nodes.py"},
    "genicam": {
        "devices/genicam.py",
        "devices/genicam_nodes.py",
        "devices/genicam_producer.py",
        "devices/genicam_stream.py",
    },
    "av": {"devices/video.py"},
    "snap7": {"devices/s7.py"},
    "pymodbus": {"devices/modbus.py"},
    "asyncua": {"devices/opcua.py", "publish/opc40100_asyncua.py"},
    "pycomm3": {"devices/ethernetip.py"},
    "paho": {"publish/broker_client.py", "publish/broker.py"},
    "pysparkplug": {"publish/sparkplug_payload.py"},
    "ray": {"batch.py"},
    "pyarrow": {"report/tables.py", "store/export.py"},
    "obstore": {"store/s3.py"},
    "psycopg": set(),  # SQLAlchemy alone opens it
    "alembic": {
        "store/migrating.py",
        "store/migrations/env.py",
        "store/migrations/versions/r0001_first.py",
        "store/migrations/versions/r0002_remarks.py",
    },
    "skl2onnx": {"models/classical.py", "models/classical_graph.py"},
    "lightning": {
        "training/supervised/fitting.py",
        "training/supervised/lesson.py",
        "training/supervised/one_device.py",
    },
    "segmentation_models_pytorch": {
        "training/supervised/losses.py",
        "training/supervised/network.py",
    },
    "cv2": set(),
}


def relative(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


@cache
def imported(path: Path) -> set[str]:
    """Top-level names of the packages that a module imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


# Files


def test_no_file_or_folder_is_a_drawer_for_anything():
    names = {part for path in MODULES for part in path.relative_to(SOURCE).with_suffix("").parts}
    assert not names & FORBIDDEN_NAMES


def test_files_are_small():
    lengths = {relative(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: n for name, n in lengths.items() if n > LONGEST_FILE} == {}
    assert statistics.median(lengths.values()) < LONGEST_MEDIAN


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_a_module_begins_by_saying_what_it_is_in_one_sentence(path):
    words = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = words.split("\n\n")[0]
    assert len(first) > 15
    assert first.endswith((".", ":"))


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_no_error_is_swallowed_whole(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            assert caught not in ("everything", "Exception", "BaseException"), f"line {node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_nothing_is_left_for_later(path):
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"\b(?:TODO|FIXME|XXX|NotImplementedError)\b", text) == []


def test_tests_use_real_peers_instead_of_mocks():
    # Put together here so that this file does not find itself.
    banned = re.compile("unittest" + r"\.mock|monkeypatch" + r"\.setattr|mocker\b" + r"\.")
    assert [path.name for path in TESTS if banned.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("sdk", DOORS)
def test_an_sdk_has_one_door(sdk):
    users = {relative(path) for path in MODULES if sdk in imported(path)}
    assert users <= DOORS[sdk]


# Contracts


CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
NAMES = [contract["name"] for contract in CONTRACTS["contracts"]]

TRESPASSES = {
    "The house: imports go downward only": [
        ("recipe", "keenline.bundle"),
        ("station", "keenline.training"),
        ("report", "keenline.review"),
        ("inference", "keenline.models"),
        ("utilities", "keenline.types"),  # a room that is not in the plan
    ],
    "A station never loads torch or Ray, even indirectly": [
        ("inference.inspector", "torch"),
        ("models.memory_bank", "timm"),
        ("models.classical", "ray"),
        ("publish", "keenline.publish.heavy"),  # which imports torch
    ],
    "A station is handed its recorder: it never imports store, publish or web": [
        ("station.cycle", "keenline.store"),
        ("station", "keenline.publish.mqtt"),
        ("station.cycle", "keenline.web"),
    ],
    "The report is a stranger to learning, the station and what follows it": [
        ("report", "keenline.training"),
        ("report.html", "keenline.station.cycle"),
    ],
    "Judgement imports no SDK": [
        ("evaluation", "onnxruntime"),
        ("monitoring.drift", "sqlalchemy"),
        ("decision", "pymodbus"),
    ],
    "Cameras and PLCs do not know each other, only their port": [
        ("devices.basler", "keenline.devices.genicam"),
        ("devices.camera", "keenline.devices.folder"),
    ],
    "Publishers do not know each other": [("publish.mqtt", "keenline.publish.sparkplug")],
    "Engines do not know each other, only their port": [
        ("inference.openvino", "keenline.inference.onnxruntime"),
        ("inference.engine", "keenline.inference.openvino"),
    ],
    "Detectors do not know each other, only their contract": [
        ("models.memory_bank", "keenline.models.classical"),
        ("models.base", "keenline.models.memory_bank"),
    ],
    "Learning never opens the sealed set": [("training", "keenline.data.sealed")],
    "The planner needs only types": [("planner", "keenline.recipe")],
    "No cycles at any depth": [("store.results", "keenline.store.images")],
}
HOUSE = {
    "version": "",
    "errors": "",
    "annotation": "import keenline.errors",
    "types": "import keenline.annotation",
    "toml_lines": "",
    "random_sample": "",
    "value_words": "import keenline.toml_lines",
    "strict_toml": "import keenline.value_words",
    "recipe": "import keenline.strict_toml",
    "decision": "import keenline.recipe",
    "bundle": "import keenline.recipe",
    "planner": "import keenline.types",
    "review": "import keenline.store",
    "batch": "import ray",
    "data/__init__": "",
    "data/sealed": "",
    "inference/__init__": "",
    "inference/engine": "",
    "inference/openvino": "import keenline.inference.engine",
    "inference/onnxruntime": "import keenline.inference.engine",
    "inference/inspector": "import keenline.inference.openvino, keenline.bundle",
    "models/__init__": "import keenline.models.memory_bank, keenline.models.classical",
    "models/base": "import keenline.types",
    "models/memory_bank": "import keenline.models.base",
    "models/classical": "import keenline.models.base",
    "evaluation/__init__": "import keenline.inference.inspector",
    "training/__init__": "import torch, keenline.models",
    "devices/__init__": "",
    "devices/camera": "",
    "devices/basler": "import keenline.devices.camera",
    "devices/genicam": "import keenline.devices.camera",
    "devices/folder": "import keenline.devices.camera",
    "publish/__init__": "",
    "publish/mqtt": "",
    "publish/sparkplug": "",
    "publish/heavy": "import torch",
    "store/__init__": "",
    "store/results": "",
    "store/images": "import keenline.store.results",
    "station/__init__": "",
    "station/cycle": "import keenline.devices.camera, keenline.inference",
    "monitoring/__init__": "",
    "monitoring/drift": "import keenline.types",
    "report/__init__": "",
    "report/html": "import keenline.evaluation",
    "lifecycle/__init__": "import keenline.station, keenline.report",
    "web/__init__": "import keenline.lifecycle",
    "cli/__init__": "import keenline.web, keenline.batch",
}


LINT_IMPORTS = "from importlinter.cli import lint_imports_command as command; command()"


def lint(folder: Path, source: Path) -> tuple[int, str]:
    """Exit status and words of lint-imports under this project's contracts."""
    shutil.copy(ROOT / "pyproject.toml", folder / "pyproject.toml")
    done = subprocess.run(
        [sys.executable, "-c", LINT_IMPORTS, "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(source), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def house(folder: Path) -> Path:
    """A small package with every room that the contracts name, furnished as allowed."""
    package = folder / "keenline"
    for name, text in HOUSE.items():
        path = package / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    (package / "__init__.py").write_text("")
    return package


def test_the_contracts_hold(tmp_path):
    status, words = lint(tmp_path, ROOT / "src")
    assert status == 0, words


def test_the_contracts_allow_the_house_as_it_is_planned(tmp_path):
    package = house(tmp_path)
    (package / "publish" / "heavy.py").unlink()
    status, words = lint(tmp_path, tmp_path)
    assert status == 0, words


@pytest.mark.parametrize(
    ("contract", "room", "target"),
    [(name, *trespass) for name, trespasses in TRESPASSES.items() for trespass in trespasses],
)
def test_a_contract_bites(tmp_path, contract, room, target):
    package = house(tmp_path)
    if target != "keenline.publish.heavy":
        (package / "publish" / "heavy.py").unlink()
    path = package.joinpath(*room.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    with path.open("a") as file:
        file.write(f"import {target}\n")
    status, words = lint(tmp_path, tmp_path)
    assert status != 0
    verdicts = [line for line in words.splitlines() if line.startswith(contract)]
    assert verdicts, words
    assert verdicts[0].endswith("BROKEN")


def test_every_contract_is_shown_to_bite():
    assert set(TRESPASSES) == set(NAMES)


# Documents


def test_the_contract_shown_to_contributors_is_the_real_one():
    shown = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    source = (SOURCE / "models" / "base.py").read_text()
    assert shown
    assert all(excerpt.strip() in source for excerpt in shown)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/recipe.md", "docs/decisions/README.md"])
def test_links_between_documents_lead_somewhere(page):
    path = ROOT / page
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (path.parent / link).exists()] == []


# What an import costs


SLOW = {"openvino", "onnxruntime", "sklearn", "skl2onnx", "scipy.stats", "onnx", "torch", "pyarrow"}


@pytest.mark.parametrize("module", ["keenline", "keenline.decision", "keenline.recipe"])
def test_importing_the_public_names_loads_nothing_slow(module):
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not SLOW & set(done.stdout.split())
