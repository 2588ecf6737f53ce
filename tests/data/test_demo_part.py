"""The demo's part: repeatable, of the promised size, and its masks are where the changes are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keenline.data.demo_defects import DefectKind
from keenline.data.demo_part import SIZE, render_part, write_demo_dataset
from keenline.data.importers import open_dataset
from keenline.data.reading import probe

EXTENT = {  # smallest and largest side of the mask's bounding box, in px of a 384 x 288 photo
    DefectKind.SCRATCH: (2, 84),
    DefectKind.DENT: (9, 28),
    DefectKind.PIT: (3, 30),
    DefectKind.STAIN: (14, 64),
}


def photo(seed: int, *defects: DefectKind, size: tuple[int, int] = SIZE) -> tuple:
    return render_part(np.random.default_rng(seed), defects=defects, size=size)


def test_a_good_photo() -> None:
    image, mask = photo(0)
    assert (image.shape, image.dtype) == ((288, 384, 3), np.uint8)
    assert (mask.shape, mask.dtype, mask.any()) == ((288, 384), np.bool_, np.False_)
    assert (image == image[..., :1]).all()
    assert (image == 255).mean() < 0.01


def test_a_seed_repeats_and_another_differs() -> None:
    first, second, other = photo(3)[0], photo(3)[0], photo(4)[0]
    assert (first == second).all()
    assert (first != other).mean() > 0.5


@pytest.mark.parametrize("kind", DefectKind)
@pytest.mark.parametrize("seed", range(6))
def test_the_mask_holds_the_defect(kind: DefectKind, seed: int) -> None:
    image, mask = photo(seed, kind)
    rows, columns = np.nonzero(mask)
    sides = sorted((np.ptp(rows) + 1, np.ptp(columns) + 1))
    assert EXTENT[kind][0] <= sides[0]
    assert sides[1] <= EXTENT[kind][1]
    inside = image[..., 0].astype(float)[mask]
    around = np.roll(mask, (0, mask.shape[1] // 8), (0, 1)) & ~mask
    assert around.any()
    contrast = {
        DefectKind.SCRATCH: inside.mean() > 165,
        DefectKind.DENT: inside.std() > 14,
        DefectKind.PIT: inside.min() < 75,
        DefectKind.STAIN: inside.mean() < 138,
    }
    assert contrast[kind]


def test_the_plate_fills_the_canvas_at_any_size() -> None:
    image, mask = photo(1, DefectKind.STAIN, size=(200, 170))
    assert image.shape == (170, 200, 3)
    assert mask.any()
    assert 0.35 < (image[..., 0] > 90).mean() < 0.65


def test_the_written_dataset_reads_back(tmp_path: Path) -> None:
    root = write_demo_dataset(tmp_path / "demo", good=4, seed=5, inspected=12)
    data = open_dataset(root)
    assert data.layout == "MVTec AD"
    assert data.classes == {"dent": 2, "good": 8, "pit": 2, "scratch": 2, "stain": 2}
    assert sum(sample.split == "train" for sample in data.samples) == 4
    assert all(sample.mask for sample in data.defects)
    assert (data.notes, data.skipped, data.duplicates()) == ((), (), [])
    assert (probe(data.samples[0].image).width, probe(data.samples[0].image).height) == SIZE
    again = write_demo_dataset(tmp_path / "again", good=4, seed=5, inspected=12)
    assert open_dataset(again).sha256 == data.sha256
