"""What lies outside the region of interest counts for nothing, whole or tiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.inference.test_framing import framing, image
from tests.inference.test_tiling import Averaging, cell_means
from tests.small_parts import dented, good_folder, good_part, tiny_backbone

import keenline
from keenline.inference.inspector import Inspector
from keenline.inference.region_of_interest import roi_mask
from keenline.inference.scoring import Scorer, top_mean
from keenline.recipe import InspectSettings, Recipe
from keenline.types import Verdict


def _settings(**values: Any) -> InspectSettings:
    return InspectSettings.model_validate(values)


boxes = st.tuples(
    st.integers(0, 60), st.integers(0, 60), st.integers(1, 60), st.integers(1, 60)
).map(list)


@given(roi=st.lists(boxes, max_size=3), ignore=st.lists(boxes, max_size=3))
def test_a_pixel_is_inspected_if_in_a_roi_and_not_ignored(
    roi: list[list[int]], ignore: list[list[int]]
) -> None:
    mask = roi_mask(_settings(roi=roi, ignore=ignore), 50, 40)
    if not roi and not ignore:
        assert mask is None
        return
    assert mask is not None
    assert mask.shape == (40, 50)

    def inside(boxes: list[list[int]], x: int, y: int) -> bool:
        return any(a <= x < a + w and b <= y < b + h for a, b, w, h in boxes)

    for y in range(0, 40, 3):
        for x in range(0, 50, 3):
            wanted = (not roi or inside(roi, x, y)) and not inside(ignore, x, y)
            assert mask[y, x] == wanted


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(130, 400),
    height=st.integers(130, 400),
    x=st.integers(0, 120),
    y=st.integers(0, 120),
    side=st.integers(30, 200),
)
def test_tiled_cells_outside_are_zero_and_those_inside_as_they_were(
    width: int, height: int, x: int, y: int, side: int
) -> None:
    found = framing([(width, height)], size="native")
    assert found.facts.tile == 128
    pixels = image(width, height)
    inspect = _settings(roi=[[x, y, side, side]])
    scored = Scorer(Averaging(8), found, inspect).score(pixels)
    plain = Scorer(Averaging(8), found, InspectSettings()).score(pixels)
    rows, columns = scored.map.shape
    down = np.minimum(np.arange(rows) * 8 + 4, height - 1)
    across = np.minimum(np.arange(columns) * 8 + 4, width - 1)
    inside = ((down >= y) & (down < y + side))[:, None] & ((across >= x) & (across < x + side))
    np.testing.assert_array_equal(scored.map, plain.map * inside)


def test_the_score_of_a_tile_is_that_of_its_inspected_cells() -> None:
    pixels = image(300, 200)
    found = framing([(300, 200)], size="native")
    roi = _settings(roi=[[0, 0, 64, 64]])
    scored = Scorer(Averaging(8), found, roi).score(pixels)
    means = cell_means(found.frame(pixels).views[:1], 8)[0]
    assert scored.score == pytest.approx(top_mean(means[:8, :8]))


def test_no_inspected_cell_scores_nothing() -> None:
    found = framing([(300, 200)], size="native")
    scored = Scorer(Averaging(8), found, _settings(roi=[[900, 900, 5, 5]])).score(image(300, 200))
    assert scored.score == 0
    assert scored.map.max() == 0


@pytest.mark.parametrize("detector", ["memory_bank", "classical"])
@pytest.mark.parametrize("size", ["auto", "native"])
@pytest.mark.parametrize("width", [384, 200])
def test_a_defect_outside_is_not_seen_and_one_inside_is(
    tmp_path: Path, detector: str, size: str, width: int
) -> None:
    """384 x 64 px is inspected in tiles at native resolution, 200 x 64 px whole but padded."""
    good_folder(tmp_path / "parts", 5, (width, 64))
    recipe = Recipe.model_validate(
        {
            "image": {"size": size, "tile": 128, "tile_overlap": 32},
            "inspect": {"roi": [[0, 0, 64, 64]], "ignore": [[0, 0, 8, 8]]},
            "detector": {
                "name": detector,
                "backbone": tiny_backbone(tmp_path),
                "precision": "f32",
                "bank_size": 32,
            },
        }
    )
    path = tmp_path / "part.keen"
    trained = keenline.train(keenline.open_dataset(tmp_path / "parts"), path, recipe=recipe)
    facts = trained.bundle.manifest.framing
    assert (facts.tile is not None) == (size == "native" and width * 64 > 128 * 128)
    inspector = Inspector.open(path)
    plain = inspector.inspect(good_part(7, (width, 64))).prediction
    outside = inspector.inspect(dented(7, (width - 20, 20), (width, 64), 12))
    inside = inspector.inspect(dented(7, (30, 24), (width, 64), 10))
    assert plain is not None
    assert outside.prediction is not None
    assert inside.prediction is not None
    assert outside.prediction.score == pytest.approx(plain.score, rel=1e-4)
    assert inside.prediction.score > 1.2 * plain.score
    if inside.decision.verdict is Verdict.REVIEW:
        box = inside.prediction.regions[0].box
        assert box.x < 64


@pytest.mark.parametrize("size", [(300, 200), (312, 208), (291, 193), (295, 206)])
def test_at_native_resolution_the_map_covers_the_image_as_it_was_read(
    size: tuple[int, int],
) -> None:
    """Another size than was learnt is cut or padded, not scaled; places must not move with it."""
    found = framing([(300, 200)], size="native")
    assert found.facts.fixed_size
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[176:184, 280:288] = 240
    scored = Scorer(Averaging(8), found, InspectSettings()).score(pixels)
    row, column = np.unravel_index(scored.map.argmax(), scored.map.shape)
    assert abs((column + 0.5) * size[0] / scored.map.shape[1] - 284) <= 8
    assert abs((row + 0.5) * size[1] / scored.map.shape[0] - 180) <= 8
    only_there = _settings(roi=[[280, 176, 8, 8]])
    inside = Scorer(Averaging(8), found, only_there).score(pixels)
    assert inside.map.max() == 240
    assert inside.score == 240
    assert (inside.map > 0).sum() <= 4
