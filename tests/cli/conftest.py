"""Gives the tests of the command line a small part, learnt once, and a way to run `keenline`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.small_parts import good_folder, recipe, tiny_backbone
from typer.testing import CliRunner

from keenline import open_dataset, train
from keenline.cli.app import app
from keenline.data.demo_defects import DefectKind
from keenline.data.demo_part import render_part

SIZE = (128, 96)
SMALL = ("--size", 96, "--precision", "f32")
"""Options with which a part is learnt quickly."""
SOURCE = Path(__file__).parents[2] / "src"


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def record(self) -> dict[str, Any]:
        """What `--json` wrote, which is one object."""
        (line,) = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found


Keenline = Callable[..., Ran]


@pytest.fixture(scope="session")
def keenline() -> Keenline:
    """Run a command in this process."""

    def run(*arguments: object) -> Ran:
        with chdir(Path.cwd()):  # a command may go where its station is
            result = CliRunner().invoke(app, [str(each) for each in arguments])
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run


def program(*arguments: object) -> list[str]:
    """The command line of a process of its own."""
    return [sys.executable, "-m", "keenline", *map(str, arguments)]


def environment(**more: str) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"} | more


@pytest.fixture(scope="session")
def keenline_process() -> Keenline:
    """Run a command in a process of its own, as a shell does."""

    def run(*arguments: object, **env: str) -> Ran:
        done = subprocess.run(
            program(*arguments),
            env=environment(**env),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


def write_part(path: Path, seed: int, *defects: DefectKind, size: tuple[int, int] = SIZE) -> Path:
    """One small photo of the demo's plate, grey; its mask is left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image, _ = render_part(np.random.default_rng(seed), defects=defects, size=size)
    Image.fromarray(image[..., 0]).save(path)
    return path


@pytest.fixture(scope="session")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 good photos to learn from, 4 good and 4 stained ones to inspect, as MVTec AD has them."""
    root = tmp_path_factory.mktemp("plates") / "plate"
    for seed in range(24):
        write_part(root / f"train/good/{seed:03}.png", seed)
    for seed in range(100, 104):
        write_part(root / f"test/good/{seed}.png", seed)
    for seed in range(200, 204):
        write_part(root / f"test/stain/{seed}.png", seed, DefectKind.STAIN, DefectKind.PIT)
    return root


@pytest.fixture(scope="session")
def learnt(keenline: Keenline, plates: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle learnt from `plates`; tests must not change it."""
    bundle = tmp_path_factory.mktemp("bundle") / "plate.keen"
    ran = keenline("train", plates, "-o", bundle, *SMALL)
    assert ran.code == 0, ran.err
    return bundle


@pytest.fixture
def bundle(learnt: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may change."""
    return Path(shutil.copy(learnt, tmp_path / "plate.keen"))


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Learnt from the parts that `tests.station.process` shows to a station."""
    folder = tmp_path_factory.mktemp("small")
    parts = open_dataset(good_folder(folder / "parts", 24))
    chosen = recipe(backbone=tiny_backbone(folder), precision="f32")
    train(parts, folder / "part.keen", recipe=chosen)
    return folder / "part.keen"
