"""A large image inspected in tiles needs little memory, however many tiles there are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.small_parts import good_part, save_image

import keenline
from keenline.inference.engines import ENGINES
from keenline.recipe import Recipe

SOURCE = Path(__file__).parents[2] / "src"

MEASURED = """
import sys
from pathlib import Path
import numpy as np
from keenline.inference.inspector import Inspector

def most() -> int:  # the largest resident set so far, in kB
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

import openvino, onnxruntime
pixels = np.random.default_rng(0).integers(0, 256, (2048, 2448, 3), np.uint8)
before = most()
inspector = Inspector.open(sys.argv[1], engine=sys.argv[2], threads=2)
found = inspector.inspect(pixels)
assert found.prediction is not None, found.decision
print(most() - before, *found.prediction.map.shape)
"""


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle at native resolution that takes any size, with the backbone that is the default."""
    folder = tmp_path_factory.mktemp("large")
    for seed, size in enumerate([(640, 520), (820, 512)]):
        save_image(folder / "good" / f"{seed}.png", good_part(seed, size))
    recipe = Recipe.model_validate(
        {"image": {"size": "native"}, "detector": {"precision": "f32", "bank_size": 200}}
    )
    path = folder / "large.keen"
    trained = keenline.train(keenline.open_dataset(folder / "good"), path, recipe=recipe)
    assert trained.bundle.manifest.framing.tile == 512
    return path


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("engine", ENGINES)
def test_five_megapixels_need_less_than_500_mb(tiled: Path, engine: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tiled), engine],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    kilobytes, rows, columns = map(int, done.stdout.split())
    assert (rows, columns) == (2048 // 8, 2448 // 8)
    assert kilobytes < 500 * 1024
