"""The table of faults tells the truth: every test that it names exists, and it names every one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {node.name for node in functions if node.name.startswith("test_")}


def test_every_test_that_is_named_exists() -> None:
    assert len(NAMED) > 20
    assert [f"{file}::{name}" for file, name in NAMED if name not in names_in(ROOT / file)] == []


def test_every_test_of_a_fault_is_in_the_table() -> None:
    files = sorted((ROOT / "tests" / "faults").glob("test_*.py"))
    real = {(f"tests/faults/{file.name}", name) for file in files for name in names_in(file)}
    assert len(real) > 15
    assert real - set(NAMED) == set()


def test_codes_and_metrics_that_are_named_exist() -> None:
    errors = (ROOT / "src/keenline/errors.py").read_text(encoding="utf-8")
    codes = set(re.findall(r"KL(\d{4})", PAGE))
    assert codes
    assert {code for code in codes if f"= {code}\n" not in errors} == set()
    metrics = (ROOT / "src/keenline/station/metrics.py").read_text(encoding="utf-8")
    names = set(re.findall(r"`(keenline_\w+)`", PAGE))
    assert names
    assert {name for name in names if f'"{name}"' not in metrics} == set()
