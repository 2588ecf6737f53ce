"""`keenline validate`: what it refuses at once, and what it says to people and to scripts."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer
from tests.cli.conftest import SOURCE, Keenline, program
from tests.small_parts import dented, good_part, save_image
from tests.training.test_teach import labelled_folder

from keenline.cli.failures import failing_calmly
from keenline.cli.terminal import Terminal
from keenline.errors import Code

PAGE = (Path(__file__).parents[2] / "docs/validation.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_folder(tmp_path_factory.mktemp("place") / "labelled")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("--output", "x.keen"), 2, "--then-seeded"),
        (("--folds", "1"), 2, "--folds"),
        (("--how", "bootstrap"), 2, "leave-one-out"),
        (("--then-seeded",), 4, f"KL{int(Code.TOO_FEW_IMAGES)}"),
        (("--recipe", "none.toml"), 3, f"KL{int(Code.RECIPE_MISSING)}"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_learnt(
    keenline: Keenline, labelled: Path, words: tuple[str, ...], code: int, says: str
):
    ran = keenline("validate", labelled, *words)
    assert ran.code == code
    assert says in ran.err


def test_too_few_parts_are_said(keenline: Keenline, tmp_path: Path):
    save_image(tmp_path / "dent/0.png", dented(0))
    for seed in range(3):
        save_image(tmp_path / f"good/{seed}.png", good_part(seed))
    record = keenline("validate", tmp_path, "--json").record
    assert record["code"] == Code.TOO_FEW_IMAGES
    assert record["got"] == "1 defective and 3 good"


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is here")
def test_without_ray_the_extra_is_named(keenline: Keenline, labelled: Path):
    ran = keenline("validate", labelled, "--ray")
    assert ran.code == 6
    assert "keenline[ray]" in ran.err


@pytest.mark.slow
def test_the_commands_of_the_page_run_in_their_order(labelled: Path, keenline: Keenline):
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    lines = re.findall(r"^\$ keenline (.*)$", PAGE, re.MULTILINE)
    said = []
    for line in lines:
        done = subprocess.run(
            program(*shlex.split(line)),
            cwd=labelled.parent,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    first, _, last = said
    assert "26 images of 26 parts, none of them learnt by the bundle that judged it" in first
    assert re.search(r"dent, 6 +\d/6 +\d+ %", first)
    assert re.search(r"images taken for +dent +scratch +only strange +nothing", first)
    assert "seeded" in last
    page = (labelled.parent / "validation.html").read_text("utf-8")
    assert "On parts left out in turn" in page
    assert "26 images of 26 parts" in page
    report = keenline("inspect", labelled.parent / "part.keen", labelled, "--json")
    assert report.code == 0
    html = labelled.parent / "report.html"
    version = labelled / "v1.keenset"
    assert keenline("evaluate", labelled.parent / "part.keen", version, "--report", html).code == 0
    assert html.read_text().count(", dataset version ") == 2


@pytest.mark.slow
def test_the_python_of_the_page_runs(labelled: Path):
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    script = labelled.parent / "example.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, script],
        cwd=labelled.parent,
        env=os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"dent \d of 6 0\.\d+", done.stdout)


def test_short_memory_is_said_in_words(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(typer.Exit) as caught, failing_calmly(Terminal()):
        raise MemoryError
    assert caught.value.exit_code == 4
    assert f"KL{int(Code.MEMORY_SHORT)}" in capsys.readouterr().err
