"""Marks and masks of a sample become one mask for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from keenline.annotation import Annotation, BoxShape
from keenline.data.class_masks import class_masks
from keenline.types import GOOD, Sample

SIZE = (20, 10)


def box(name: str, x: float, width: float = 4) -> Annotation:
    return Annotation(name, BoxShape(x, 2, width, 4))


def test_each_class_has_the_pixels_of_all_its_marks():
    marks = (box("dent", 1), box("dent", 10), box("pit", 3))
    found = class_masks(Sample(Path("a.png"), "dent", marks=marks), SIZE)
    assert {name: int(mask.sum()) for name, mask in found.items()} == {"dent": 32, "pit": 16}
    assert all(mask.shape == (10, 20) for mask in found.values())


def test_a_class_without_a_place_is_not_among_them():
    marks = (Annotation("stain"), box("pit", 3))
    assert list(class_masks(Sample(Path("a.png"), "pit", marks=marks), SIZE)) == ["pit"]


def test_a_mask_file_stands_for_the_label(tmp_path):
    mask = np.zeros((10, 20), np.uint8)
    mask[2:5, 3:9] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    sample = Sample(tmp_path / "a.png", "dent", tmp_path / "mask.png")
    assert int(class_masks(sample, SIZE)["dent"].sum()) == 18


def test_a_good_sample_has_none(tmp_path):
    assert class_masks(Sample(tmp_path / "a.png", GOOD), SIZE) == {}
