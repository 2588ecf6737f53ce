"""The tutorial, told and done: its commands run on the real tiles and say what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
NUMBER = r"-?\d+(?:\.\d+)?"
RELATIVE = 0.1
"""Processors round differently, and a score at its limit may fall on the other side of it: a number
may differ from the page's by a tenth of it or by 4, whichever is more."""
ABSOLUTE = 4.0


@pytest.mark.slow
def test_the_tutorial_runs_and_says_what_it_says(shared: Path, tmp_path: Path):
    tiles = shared / "data" / "magnetic-tile"
    for block in _blocks("python"):
        subprocess.run([sys.executable, "-c", block, str(tiles)], cwd=tmp_path, check=True)
    for block in _blocks("toml"):
        name = block.splitlines()[0].removeprefix("# ")
        (tmp_path / name).write_text(block, encoding="utf-8")
    environment = _environment(tmp_path)
    wrong = []
    for command, told in _steps():
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        refused = "[KL" in told
        assert (done.returncode != 0) is refused, f"{command}\n{done.stdout}"
        problem = difference(told, done.stdout)
        if problem:
            wrong.append(f"$ {command}\n{problem}\n{done.stdout}")
    assert not wrong, "\n\n".join(wrong)


def test_every_command_of_the_tutorial_has_its_output():
    steps = list(_steps())
    assert len(steps) >= 7
    quiet = [
        c for c, told in steps if not told.strip() and not c.startswith(("cp ", "keenline st"))
    ]
    assert quiet == []
    for word in ("train", "teach", "evaluate", "readiness", "authority grant"):
        assert any(command.startswith(f"keenline {word}") for command, _ in steps), word


def test_what_differs_is_seen():
    told = "  blowhole   10   10   0   100.0 %   … ms\n  …\n  done"
    assert difference(told, "blowhole 10 9 1 96.0 % 12.5 ms\nmore\nwords\ndone") == ""
    assert difference(told, "blowhole 10 3 7 30.0 % 12.5 ms\nmore\ndone")
    assert difference(told, "crack 10 10 0 100.0 % 12.5 ms\nmore\ndone")
    assert difference("yes samples: 30", "NO samples: 30")


def difference(told: str, said: str) -> str:
    """Where what was said is not what is told; empty where it is.

    Spaces and ends of lines do not count, `…` stands for anything, and numbers may be a little off.
    """
    pattern = "".join(
        rf"({NUMBER})" if re.fullmatch(NUMBER, piece)
        else ".*?" if piece == "…"
        else re.escape(piece)
        for piece in re.split(rf"(…|{NUMBER})", " ".join(told.split()))
    )  # fmt: skip
    found = re.fullmatch(pattern, " ".join(said.split()))
    if found is None:
        return f"the page has other words:\n{told}"
    numbers = re.findall(NUMBER, told)
    far = [
        f"{there} is told, {here} was said"
        for there, here in zip(numbers, found.groups(), strict=True)
        if abs(float(there) - float(here)) > max(ABSOLUTE, RELATIVE * abs(float(there)))
    ]
    return "\n".join(far)


def _steps() -> Iterator[tuple[str, str]]:
    """Each command of the page, its continued lines joined, with the output that is told."""
    for block in _blocks("console"):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = step.splitlines()
            end = next((n for n, line in enumerate(lines) if n and line[:2] != "> "), len(lines))
            command = [lines[0], *(line.removeprefix("> ") for line in lines[1:end])]
            yield "\n".join(command), "\n".join(lines[end:])


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def _environment(folder: Path) -> dict[str, str]:
    binaries = folder / "bin"
    binaries.mkdir()
    command = binaries / "keenline"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m keenline "$@"\n')
    command.chmod(0o755)
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    source = f"{ROOT / 'src'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    key = str(folder / "signing.pem")
    return os.environ | {"PATH": path, "PYTHONPATH": source, "KEENLINE_SIGNING_KEY": key}
