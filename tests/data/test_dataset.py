"""Datasets named by their content, and duplicates found by it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.data.picture_files import blank

from keenline.data.dataset import Dataset, content_hash
from keenline.data.importers import open_dataset
from keenline.errors import Code, ImageError
from keenline.types import Sample


def dataset(root: Path) -> Dataset:
    samples = (
        Sample(blank(root / "good/a.png", 10), "good"),
        Sample(blank(root / "good/b.png", 20), "good"),
        Sample(blank(root / "dent/c.png", 30), "dent"),
    )
    return Dataset(root, samples)


def test_views_of_the_samples(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    assert [sample.image.name for sample in data.good] == ["a.png", "b.png"]
    assert [sample.image.name for sample in data.defects] == ["c.png"]
    assert data.classes == {"dent": 1, "good": 2}


def test_the_hash_does_not_depend_on_place_or_order(tmp_path: Path) -> None:
    here = dataset(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    there = dataset(tmp_path / "there")
    backwards = Dataset(there.root, there.samples[::-1])
    assert here.sha256 == there.sha256 == backwards.sha256


def test_the_hash_depends_on_content_label_and_name(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    first = data.samples[0]
    relabelled = Dataset(tmp_path, (Sample(first.image, "dent"), *data.samples[1:]))
    fewer = Dataset(tmp_path, data.samples[1:])
    before = {data.sha256, relabelled.sha256, fewer.sha256}
    blank(first.image, 11)
    assert len(before | {Dataset(tmp_path, data.samples).sha256}) == 4


def test_a_file_is_hashed_once(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    before = data.sha256
    for sample in data.samples:
        sample.image.unlink()
    assert data.sha256 == before
    with pytest.raises(ImageError) as caught:
        content_hash(data.samples[0].image)
    assert caught.value.code is Code.IMAGE_MISSING


def test_duplicates_are_found_across_labels(tmp_path: Path) -> None:
    data = dataset(tmp_path)
    shutil.copy(tmp_path / "good/a.png", tmp_path / "dent/d.png")
    copied = Sample(tmp_path / "dent/d.png", "dent")
    assert dataset(tmp_path).duplicates() == []
    assert Dataset(tmp_path, (*data.samples, copied)).duplicates() == [(data.samples[0], copied)]


def test_the_known_duplicates_of_kolektorsdd(shared: Path) -> None:
    found = open_dataset(shared / "data/kolektorsdd").duplicates()
    pairs = {tuple(f"{each.part}/{each.image.stem}" for each in group) for group in found}
    assert pairs == {(f"kos01/Part{n}", f"kos26/Part{n}") for n in range(8)} | {
        ("kos21/Part6", "kos21/Part7")
    }
