"""Every folder layout, and the real sets that use it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.data.picture_files import blank, save, spotted

from keenline.data.importers import LAYOUTS, open_dataset
from keenline.errors import Code, DatasetError


def photo(path: Path, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    return save(path, rng.integers(0, 256, (16, 20, 3), dtype=np.uint8))


def mvtec(root: Path) -> None:
    for index in range(3):
        photo(root / f"train/good/{index:03}.png", index)
    photo(root / "test/good/000.png", 10)
    for index in range(2):
        photo(root / f"test/scratch/{index:03}.png", 20 + index)
        spotted(root / f"ground_truth/scratch/{index:03}_mask.png")


def label_files(root: Path) -> None:
    for name in ("images/a.png", "images/b.png", "images/nobody-named-it.png", "good/c.png"):
        photo(root / name, ord(name[-5]))
    marked = {"id": 1, "image_id": 1, "category_id": 7, "bbox": [2, 3, 6, 4]}
    coco = {
        "images": [
            {"id": number, "file_name": f"{name}.png", "width": 20, "height": 16}
            for number, name in enumerate("ab", 1)
        ],
        "annotations": [marked],
        "categories": [{"id": 7, "name": "scratch"}],
    }
    (root / "labels.json").write_text(json.dumps(coco), encoding="utf-8")


def class_folders(root: Path) -> None:
    photo(root / "MT_Free/Imgs/a.jpg", 0)
    blank(root / "MT_Free/Imgs/a.png", 0)
    photo(root / "OK parts/b.png", 1)
    photo(root / "MT_Crack/Imgs/c.jpg", 2)
    spotted(root / "MT_Crack/Imgs/c.png")
    photo(root / "dent/d.png", 3)
    spotted(root / "dent/d_mask.png")
    photo(root / "stain/e.png", 4)
    spotted(root / "masks/stain/e.png")
    photo(root / "not ok/f.png", 5)


def label_pairs(root: Path) -> None:
    for part in ("kos01", "kos02"):
        for view in range(2):
            photo(root / f"{part}/Part{view}.jpg", view)
            blank(root / f"{part}/Part{view}_label.png", 0)
    spotted(root / "kos02/Part1_label.png")
    photo(root / "loose.jpg", 9)


def mask_folder(root: Path) -> None:
    for name in "abc":
        photo(root / f"training-images/{name}.jpg", ord(name))
    spotted(root / "mask-images/b.png")
    blank(root / "mask-images/c.png", 0)


def same_stem(root: Path) -> None:
    for name in "abc":
        photo(root / f"{name}.jpg", ord(name))
    spotted(root / "b.png")
    blank(root / "c.png", 0)


def flat(root: Path) -> None:
    for index in range(4):
        photo(root / f"{index}.bmp", index)


Row = tuple[str, str, bool, str, str]
CASES: dict[str, tuple[Callable[[Path], None], list[Row]]] = {
    "MVTec AD": (
        mvtec,
        [
            ("test/good/000.png", "good", False, "test/good/000.png", "test"),
            ("test/scratch/000.png", "scratch", True, "test/scratch/000.png", "test"),
            ("test/scratch/001.png", "scratch", True, "test/scratch/001.png", "test"),
            ("train/good/000.png", "good", False, "train/good/000.png", "train"),
            ("train/good/001.png", "good", False, "train/good/001.png", "train"),
            ("train/good/002.png", "good", False, "train/good/002.png", "train"),
        ],
    ),
    "label files": (
        label_files,
        [
            ("good/c.png", "good", False, "good/c.png", ""),
            ("images/a.png", "scratch", False, "images/a.png", ""),
            ("images/b.png", "good", False, "images/b.png", ""),
        ],
    ),
    "class folders": (
        class_folders,
        [
            ("MT_Crack/Imgs/c.jpg", "MT_Crack", True, "MT_Crack/Imgs/c.jpg", ""),
            ("MT_Free/Imgs/a.jpg", "good", False, "MT_Free/Imgs/a.jpg", ""),
            ("OK parts/b.png", "good", False, "OK parts/b.png", ""),
            ("dent/d.png", "dent", True, "dent/d.png", ""),
            ("not ok/f.png", "not ok", False, "not ok/f.png", ""),
            ("stain/e.png", "stain", True, "stain/e.png", ""),
        ],
    ),
    "image and label pairs": (
        label_pairs,
        [
            ("kos01/Part0.jpg", "good", False, "kos01", ""),
            ("kos01/Part1.jpg", "good", False, "kos01", ""),
            ("kos02/Part0.jpg", "good", False, "kos02", ""),
            ("kos02/Part1.jpg", "defect", True, "kos02", ""),
            ("loose.jpg", "good", False, "loose.jpg", ""),
        ],
    ),
    "image folder and mask folder": (
        mask_folder,
        [
            ("training-images/a.jpg", "good", False, "training-images/a.jpg", ""),
            ("training-images/b.jpg", "defect", True, "training-images/b.jpg", ""),
            ("training-images/c.jpg", "good", False, "training-images/c.jpg", ""),
        ],
    ),
    "flat folder with same-stem masks": (
        same_stem,
        [
            ("a.jpg", "good", False, "a.jpg", ""),
            ("b.jpg", "defect", True, "b.jpg", ""),
            ("c.jpg", "good", False, "c.jpg", ""),
        ],
    ),
    "flat folder of good images": (
        flat,
        [(f"{index}.bmp", "good", False, f"{index}.bmp", "") for index in range(4)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_layout_is_recognised_and_read(tmp_path: Path, name: str) -> None:
    build, expected = CASES[name]
    root = tmp_path / "Prüfteile 2. Schicht"
    build(root)
    data = open_dataset(root)
    rows = [
        (
            sample.image.relative_to(root).as_posix(),
            sample.label,
            sample.mask is not None,
            sample.part,
            sample.split,
        )
        for sample in data.samples
    ]
    assert data.layout == name
    assert sorted(rows) == expected
    assert data.skipped == ()


def test_every_layout_has_a_case() -> None:
    assert [layout.name for layout in LAYOUTS] == list(CASES)


@pytest.mark.parametrize("name", CASES)
def test_masks_are_the_right_ones(tmp_path: Path, name: str) -> None:
    CASES[name][0](tmp_path)
    for sample in open_dataset(tmp_path).samples:
        if sample.mask is not None:
            assert sample.mask.stem.startswith(sample.image.stem)
            assert sample.mask != sample.image


def test_same_stem_masks_go_by_content_not_by_ending(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", 1)
    spotted(tmp_path / "a.bmp")
    (sample, good) = open_dataset_with_good(tmp_path)
    assert (sample.image.name, sample.label) == ("a.png", "defect")
    assert sample.mask == tmp_path / "a.bmp"
    assert good.image.name == "b.png"


def open_dataset_with_good(root: Path) -> tuple:
    photo(root / "b.png", 2)
    return open_dataset(root).samples


def test_two_photos_of_one_stem_are_not_guessed_at(tmp_path: Path) -> None:
    photo(tmp_path / "a.png", 1)
    photo(tmp_path / "a.jpg", 2)
    with pytest.raises(DatasetError, match="not clearly an image and its mask") as caught:
        open_dataset(tmp_path)
    assert caught.value.code is Code.DATASET_LAYOUT


def test_magnetic_tile(shared: Path) -> None:
    data = open_dataset(shared / "data/magnetic-tile")
    assert data.layout == "class folders"
    assert data.classes == {
        "good": 560,
        "MT_Blowhole": 115,
        "MT_Break": 85,
        "MT_Crack": 57,
        "MT_Fray": 32,
        "MT_Uneven": 103,
    }
    assert sum(sample.mask is not None for sample in data.samples) == 388
    assert all(sample.image.suffix == ".jpg" for sample in data.samples)
    (note,) = data.notes
    assert "mark nothing, taken as no mask: 4 (MT_Uneven" in note
    assert data.skipped == ()


def test_kolektorsdd(shared: Path) -> None:
    data = open_dataset(shared / "data/kolektorsdd")
    assert data.layout == "image and label pairs"
    assert data.classes == {"defect": 14, "good": 98}
    assert len({sample.part for sample in data.samples}) == 14
    assert {sample.mask is None for sample in data.good} == {True}
    assert {sample.mask is None for sample in data.defects} == {False}


def test_cookie(shared: Path) -> None:
    data = open_dataset(shared / "data/cookie/dataset-files")
    assert data.layout == "label files"
    assert data.classes == {"cracked": 32, "good": 31}
    assert all(sample.image.stem.startswith("anomaly") for sample in data.defects)
    assert all(sample.marks for sample in data.defects)


def test_line_scan(shared: Path) -> None:
    data = open_dataset(shared / "data/line-scan")
    assert data.classes == {"anomaly": 3, "good": 3}
    assert data.notes == ("defective samples without a mask: anomaly 3",)


def test_an_image_with_an_empty_label_file_is_good_and_told(shared: Path) -> None:
    data = open_dataset(shared / "data/wood")
    assert data.layout == "label files"
    assert len(data.good) == 1
    assert "images without any mark in their label file, taken for good: 1" in data.notes
    assert any("class 4 has no name" in note for note in data.notes)


@pytest.mark.parametrize("name", ["neu-det-voc", "bsdata"])
def test_images_with_annotation_files_are_not_taken_for_good(shared: Path, name: str) -> None:
    with pytest.raises(DatasetError) as caught:
        open_dataset(shared / "data" / name)
    assert caught.value.code is Code.DATASET_NO_GOOD
