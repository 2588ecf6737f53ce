"""A region of interest means the same for tiled and for whole images, in learning too."""

import numpy as np
import pytest
from tests.small_parts import dented, good_part, save_image, tiny_backbone

import keenline
from keenline.recipe import Recipe
from keenline.types import Verdict


def part(seed, *, dent=False):
    """A textured part in the left sixth; to its right a background that changes wildly."""
    pixels = dented(seed, (30, 24), (384, 64), 7) if dent else good_part(seed, (384, 64))
    noise = np.random.default_rng(seed).integers(0, 256, (64, 256, 1), dtype=np.uint8)
    pixels[:, 128:] = noise if seed % 3 else 128
    return pixels


@pytest.mark.parametrize(("size", "tile"), [("native", 128), ("auto", 512)])
def test_what_lies_outside_the_region_does_not_blind_the_detector(tmp_path, size, tile):
    for seed in range(9):
        save_image(tmp_path / f"parts/good/{seed}.png", part(seed))
    recipe = Recipe.model_validate(
        {
            "image": {"size": size, "tile": tile, "tile_overlap": 32},
            "inspect": {"roi": [[0, 0, 64, 64]]},
            "detector": {
                "backbone": tiny_backbone(tmp_path),
                "precision": "f32",
                "bank_size": 64,
            },
        }
    )
    keenline.train(keenline.open_dataset(tmp_path / "parts"), tmp_path / "x.keen", recipe=recipe)
    inspector = keenline.Inspector.open(tmp_path / "x.keen")
    found = inspector.inspect(part(21, dent=True))
    assert found.decision.verdict is Verdict.REVIEW
    # Far above the threshold, not just: outside patches in the bank used to swallow it.
    assert found.prediction.score > 2 * inspector.threshold
