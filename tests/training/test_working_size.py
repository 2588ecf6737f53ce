"""Thin defects are looked at more closely; wide ones, few ones, a size asked for are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from tests.small_parts import good_folder, tiny_backbone

from keenline.data.importers import open_dataset
from keenline.recipe import Recipe
from keenline.training.detectors import AUTO_SIDE
from keenline.training.fit import train
from keenline.training.working_size import CELL, FEWEST, LARGEST_SIDE, working_size
from keenline.types import GOOD, Sample


def marked(
    root: Path, width: int, number: int = FEWEST, side: int = 1200, label: str = "crack"
) -> list[Sample]:
    """Images of `side` px with one upright bar of `width` px in each, which is marked."""
    root.mkdir(exist_ok=True)
    found = []
    for place in range(number):
        image, mask = (
            root / f"{label}{width}_{place}.png",
            root / f"{label}{width}_{place}_mask.png",
        )
        drawn = np.zeros((side, side), np.uint8)
        drawn[100:400, 50 : 50 + width] = 255
        PillowImage.fromarray(drawn).save(image)
        PillowImage.fromarray(drawn).save(mask)
        found.append(Sample(image, label, mask))
    return found


@pytest.mark.parametrize("width", [14, 16, 20])
def test_thin_defects_come_to_fill_a_cell(tmp_path, width):
    found = working_size(marked(tmp_path, width))
    assert found.side * width / 1200 == pytest.approx(CELL, rel=0.1)
    assert found.side > AUTO_SIDE
    assert str(found.side) in found.notes[0]


def test_however_thin_there_is_a_largest_side(tmp_path):
    assert working_size(marked(tmp_path, 2)).side == LARGEST_SIDE


def test_nothing_is_enlarged(tmp_path):
    assert working_size(marked(tmp_path, 4, side=600)).side == 600


@pytest.mark.parametrize(("width", "number"), [(60, FEWEST), (4, FEWEST - 1), (4, 0)])
def test_wide_or_few_defects_change_nothing(tmp_path, width, number):
    samples = [*marked(tmp_path, width, number), *marked(tmp_path, 2, 9, label=GOOD)]
    assert working_size(samples) == working_size([])
    assert working_size([]).side == AUTO_SIDE


def test_one_thin_defect_among_wide_ones_decides_nothing(tmp_path):
    samples = [*marked(tmp_path, 60, 8), *marked(tmp_path, 3, 1, label="pit")]
    assert working_size(samples).side == AUTO_SIDE


def test_an_image_that_cannot_be_read_says_nothing(tmp_path):
    samples = marked(tmp_path, 14)
    broken = tmp_path / "broken.png"
    broken.write_bytes(samples[0].image.read_bytes()[:40])
    assert working_size([*samples, Sample(broken, "crack", samples[0].mask)]) == working_size(
        samples
    )


def test_a_bundle_is_learnt_at_that_size_and_says_so(tmp_path):
    good_folder(tmp_path / "labelled", 6)
    for path in (tmp_path / "labelled/good").iterdir():
        large = PillowImage.open(path).resize((600, 600))
        large.save(path)
    (tmp_path / "labelled/crack").mkdir()
    for sample in marked(tmp_path / "drawn", 7, side=600):
        sample.image.rename(tmp_path / "labelled/crack" / sample.image.name)
        sample.mask.rename(tmp_path / "labelled/crack" / sample.mask.name)
    dataset = open_dataset(tmp_path / "labelled")
    table = {"detector": {"backbone": tiny_backbone(tmp_path), "bank_size": 16}}
    for size, side in (("auto", 600), (AUTO_SIDE, AUTO_SIDE)):
        recipe = Recipe.model_validate(table | {"image": {"size": size}})
        trained = train(dataset, tmp_path / "part.keen", recipe=recipe)
        assert 600 * trained.bundle.manifest.framing.scale == pytest.approx(side, rel=0.01)
        assert any("a quarter of the marked defects" in note for note in trained.notes) is (
            size == "auto"
        )
