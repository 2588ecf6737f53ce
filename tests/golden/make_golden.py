"""Writes the golden bundles and their scores beside this file; run only when the format changes.

`python -m tests.golden.make_golden` from the root of the repository. A bundle that was written once
must open in every later version and say the same, so a change of these files is a change of what
customers' bundles mean: it belongs into CHANGELOG.md.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.small_parts import save_image, tiny_backbone

from keenline.data.importers import open_dataset
from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe
from keenline.training.fit import train
from keenline.types import Image

HERE = Path(__file__).parent
SCORES = HERE / "scores.json"

DETECTORS = {
    "memory_bank": {"name": "memory_bank", "precision": "f32", "bank_size": 16},
    "memory_bank_int8": {"name": "memory_bank", "precision": "int8", "bank_size": 16},
    "classical": {"name": "classical"},
}


def golden_image(number: int) -> Image:
    """(32, 48, 3), from whole numbers, so the same on every machine; from 100 on with a dent."""
    y, x = np.mgrid[:32, :48].astype(np.int64)
    noise: NDArray[np.int64] = (x * 7919 + y * 104_729 + number * 1_299_709) % 9973 * 31 % 61
    waves = 8 * np.abs((x + 3 * number) % 24 - 12) + 5 * np.abs((2 * y + number) % 20 - 10)
    grey = 30 + waves + noise
    if number >= 100:
        grey[8 : 14 + number % 5, 20 : 28 + number % 7] = 12
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


LOOKED_AT = [0, 1, 50, 51, 100, 101, 102]


def scores(path: Path, engine: str) -> list[float]:
    """Of `LOOKED_AT`, in one engine."""
    inspector = Inspector.open(path, engine=engine, threads=1)
    found = [inspector.inspect(golden_image(number)).prediction for number in LOOKED_AT]
    return [prediction.score for prediction in found if prediction is not None]


def main() -> None:
    """Learn each detector from eight parts and note what it says in ONNX Runtime."""
    record: dict[str, object] = {"images": LOOKED_AT}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for number in range(8):
            save_image(folder / "parts/good" / f"{number}.png", golden_image(number))
        tiny_backbone(folder)
        for name, detector in DETECTORS.items():
            recipe = Recipe.model_validate(
                {"part": f"golden {name}", "detector": {"backbone": "onnx:tiny2.onnx"} | detector}
            )
            path = HERE / f"{name}.keen"
            with contextlib.chdir(folder):  # so that no path of this machine is recorded
                train(open_dataset(Path("parts")), path, recipe=recipe)
            inspector = Inspector.open(path)
            record[name] = {
                "sha256": inspector.bundle.sha256,
                "threshold": inspector.threshold,
                "scores": scores(path, "onnxruntime"),
            }
    SCORES.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
