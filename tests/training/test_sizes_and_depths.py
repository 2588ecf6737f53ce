"""Parts of any size and bit depth are learnt and judged as what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.small_parts import (
    SIZE,
    dented,
    good_folder,
    good_part,
    recipe,
    save_image,
    sixteen_bit_folder,
    tiny_backbone,
)

import keenline
from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe
from keenline.training.fit import Trained
from keenline.types import Verdict


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    return good_folder(tmp_path / "parts", 6)


@pytest.fixture
def small(tmp_path: Path) -> Recipe:
    """The quickest memory bank."""
    return recipe(backbone=tiny_backbone(tmp_path), precision="f32")


def _train(root: Path, chosen: Recipe, **more: Any) -> Trained:
    return keenline.train(
        keenline.open_dataset(root), root.parent / "part.keen", recipe=chosen, **more
    )


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_sixteen_bit_images_are_judged_as_their_eight_bit_twins(
    tmp_path: Path, small: Recipe, bits: int
) -> None:
    root = sixteen_bit_folder(tmp_path / "parts", 6, bits)
    facts = _train(root, small).bundle.manifest.framing
    assert facts.bit_depth == bits
    inspector = Inspector.open(tmp_path / "part.keen")
    assert inspector.inspect(root / "good/0.tif").decision.verdict is Verdict.PASS
    deep = tmp_path / "bad.tif"
    tifffile.imwrite(deep, dented(3)[..., 0].astype(np.uint16) << (bits - 8))
    by_file = inspector.inspect(deep)
    by_array = inspector.inspect(dented(3))
    assert by_file.decision.verdict is Verdict.REVIEW
    assert by_file.prediction is not None
    assert by_array.prediction is not None
    assert by_file.prediction.score == pytest.approx(by_array.prediction.score, rel=0.05)


def test_the_recipes_bit_depth_is_taken_where_it_is_given(tmp_path: Path) -> None:
    root = sixteen_bit_folder(tmp_path / "parts", 3, 12)
    chosen = Recipe.model_validate(
        {"image": {"bit_depth": 14}, "detector": {"name": "classical", "bank_size": 16}}
    )
    assert _train(root, chosen).bundle.manifest.framing.bit_depth == 14


@pytest.mark.parametrize("detector", ["memory_bank", "classical"])
def test_parts_of_varied_sizes(tmp_path: Path, detector: str) -> None:
    root = tmp_path / "parts"
    for seed in range(6):
        size = (SIZE[0] + 24 * (seed % 3), SIZE[1])
        save_image(root / f"good/{seed}.png", good_part(seed, size))
    chosen = recipe(name=detector, backbone=tiny_backbone(tmp_path), precision="f32")
    trained = _train(root, chosen)
    assert not trained.bundle.manifest.framing.fixed_size
    assert any("differ in size" in note for note in trained.notes)
    for engine in ("openvino", "onnxruntime"):
        inspector = Inspector.open(trained.path, engine=engine)
        for size in ((96, 64), (144, 64), (64, 96)):
            inspection = inspector.inspect(dented(9, (30, 20), size, 8))
            assert inspection.decision.verdict is Verdict.REVIEW
            assert inspection.size == size


def test_a_pixel_size_gives_areas_on_the_part(tmp_path: Path, parts: Path) -> None:
    chosen = Recipe.model_validate(
        {
            "image": {"pixel_size_mm": 0.5},
            "detector": {
                "backbone": tiny_backbone(tmp_path),
                "precision": "f32",
                "bank_size": 32,
            },
        }
    )
    inspector = Inspector.open(_train(parts, chosen).path)
    prediction = inspector.inspect(dented(3, (60, 20), radius=10)).prediction
    assert prediction is not None
    region = prediction.regions[0]
    assert region.area_mm2 == pytest.approx(region.area_px / 4, rel=1e-3)
    assert region.area_px > 100
