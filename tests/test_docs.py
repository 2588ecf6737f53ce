"""The pages tell the truth: commands and options are those of the program, examples run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from keenline.cli.app import app
from keenline.cli.failures import EXIT_CODES

ROOT = Path(__file__).parents[1]
CLI = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAM = typer.main.get_command(app)
COMMANDS = PROGRAM.commands  # type: ignore[attr-defined]


def sections() -> dict[str, str]:
    """The text under each `## keenline COMMAND`."""
    words = re.split(r"^## keenline (\w+)$", CLI, flags=re.MULTILINE)[1:]
    return dict(zip(words[::2], words[1::2], strict=True))


def test_the_page_has_every_command_and_no_other():
    assert set(sections()) == set(COMMANDS)
    listed = re.findall(r"^keenline (\w+)", CLI, flags=re.MULTILINE)
    assert set(COMMANDS) <= set(listed)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_has_every_option_and_no_other(name: str):
    rows = re.findall(r"^\| (`-.*?) \|", sections()[name], flags=re.MULTILINE)
    told = {option for row in rows for option in re.findall(r"`(-[-\w]+)`", row)}
    real = {option for each in COMMANDS[name].params for option in each.opts if option[0] == "-"}
    assert told == real - {"--help", "-h"}


def test_the_page_has_every_exit_code():
    rows = re.findall(r"^\| (\d+) \|", CLI, flags=re.MULTILINE)
    assert {int(row) for row in rows} == set(EXIT_CODES)


@pytest.mark.parametrize("page", ["README.md", "docs/cli.md"])
def test_links_lead_somewhere(page: str):
    path = ROOT / page
    links = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("text", [README, CLI], ids=["README.md", "docs/cli.md"])
def test_every_command_that_is_shown_exists_with_its_options(text: str):
    shown = [
        line
        for block in re.findall(r"```(?:sh|text|console)\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
        if line.startswith(("keenline ", "$ keenline "))
    ]
    assert shown
    for line in shown:
        words = shlex.split(
            line.removeprefix("$ ").split("   ")[0].replace("[", "").replace("]", "")
        )
        if words[1] not in COMMANDS:
            assert words[1].startswith(("-", "COMMAND"))
            continue
        real = {option for each in COMMANDS[words[1]].params for option in each.opts}
        assert {word for word in words[2:] if word.startswith("-")} <= real | {"--help"}, line


# README


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the README's commands were run, one after the other."""
    folder = tmp_path_factory.mktemp("tour")
    binaries = folder / "bin"
    binaries.mkdir()
    command = binaries / "keenline"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m keenline "$@"\n')
    command.chmod(0o755)
    lines = [
        line.removeprefix("$ ")
        for block in blocks("console")
        for line in block.splitlines()
        if line.startswith("$ keenline")
    ]
    assert len(lines) >= 4
    for line in lines:
        done = subprocess.run(
            ["sh", "-c", line], cwd=folder, env=_environment(binaries),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return folder


@pytest.mark.slow
def test_the_tour_of_the_readme_runs(tour: Path):
    assert (tour / "keenline-demo/report.html").is_file()


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tour: Path):
    (snippet,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tour, env=_environment(tour / "bin"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"PASS|REVIEW", done.stdout)
    assert len([line for line in snippet.splitlines() if line.strip()]) <= 6


def test_the_json_that_is_shown_is_json():
    for block in re.findall(r"```json\n(.*?)```", README + CLI, re.DOTALL):
        for line in block.splitlines():
            json.loads(line)


def _environment(binaries: Path) -> dict[str, str]:
    path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    source = f"{ROOT / 'src'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return os.environ | {"PATH": path, "PYTHONPATH": source}
