"""What pip can install turned into environments under .bench/, made once and kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from datasets import REPOSITORY

BENCH = REPOSITORY / ".bench"
ANOMALIB = "anomalib[openvino]==2.7.0"
TORCH_CPU = ("torch==2.13.0+cpu", "torchvision==0.28.0")
"""Wheels without CUDA, where pip is offered them: 0.7 GB instead of 4 GB."""


class InstallFailed(Exception):
    """pip could not make an environment; says what it said last."""


def anomalib_python() -> Path:
    """The Python of an environment with anomalib; installs it on the first call (minutes).

    Raises InstallFailed.
    """
    return _environment("anomalib", [[*TORCH_CPU, ANOMALIB], [ANOMALIB]])


def core_python() -> Path:
    """The Python of an environment with `pip install keenline` and no extra.

    Raises InstallFailed.
    """
    constraints = str(REPOSITORY / "constraints.txt")
    return _environment("core", [["--constraint", constraints, str(REPOSITORY)]])


def installed_mb(python: Path) -> float:
    """What an environment's packages take on disk, in MB; pip itself is not counted."""
    folder = next((python.parents[1] / "lib").glob("python*/site-packages"))
    own = ("pip", "setuptools", "pkg_resources")
    files = (
        file
        for entry in folder.iterdir()
        if not entry.name.startswith(own)
        for file in ([entry] if entry.is_file() else entry.rglob("*"))
    )
    return sum(file.lstat().st_size for file in files if not file.is_dir()) / 2**20


def _environment(name: str, attempts: list[list[str]]) -> Path:
    folder = BENCH / name
    python = folder / "bin" / "python"
    if (folder / "complete").is_file():
        return python
    said = ""
    for packages in attempts:
        shutil.rmtree(folder, ignore_errors=True)
        BENCH.mkdir(exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        print(f"installing {' '.join(packages)} into {folder.relative_to(REPOSITORY)}", flush=True)
        done = subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *packages],
            capture_output=True,
            text=True,
            check=False,
            timeout=3600,
        )
        if done.returncode == 0:
            (folder / "complete").touch()
            return python
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
    raise InstallFailed(f"pip could not install {attempts[-1][-1]}: {said[-300:]}")
