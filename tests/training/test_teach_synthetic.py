"""Synthetic images teach beside real ones, and never touch what is measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.small_parts import recipe, tiny_backbone
from tests.training.test_teach import labelled_folder

from keenline.data.defect_library import cut_defects
from keenline.data.importers import open_dataset
from keenline.data.synthetic import synthesise
from keenline.data.synthetic_index import read_synthetic
from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe
from keenline.training.fit import train
from keenline.training.labelled_cells import Cells
from keenline.training.synthetic_cells import SyntheticCells
from keenline.training.teach import teach


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    return open_dataset(labelled_folder(tmp_path_factory.mktemp("labelled")))


@pytest.fixture(scope="module")
def plain(tmp_path_factory, labelled):
    backbone = tiny_backbone(tmp_path_factory.mktemp("backbone"))
    path = tmp_path_factory.mktemp("plain") / "part.keen"
    train(labelled, path, recipe=recipe(backbone=backbone))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory, labelled):
    folder = tmp_path_factory.mktemp("made") / "synthetic"
    cuts = cut_defects(labelled.samples).cuts
    synthesise(labelled.samples, cuts, Recipe(), folder, share=0.5)
    return read_synthetic(folder)


def test_synthetic_images_are_learnt_from_and_not_counted(tmp_path, plain, labelled, made):
    assert made
    without = teach(plain, labelled, output=tmp_path / "without.keen")
    taught = teach(plain, labelled, output=tmp_path / "with.keen", synthetic=made)
    assert taught.synthetic == len(made)
    assert f"and {len(made)} synthetic ones" in taught.bundle.manifest.updates[-1]
    for before, after in zip(
        without.bundle.manifest.classes, taught.bundle.manifest.classes, strict=True
    ):
        assert (before.images, before.parts, before.tried, before.good) == (
            after.images, after.parts, after.tried, after.good,
        )  # fmt: skip
    assert [out.sample for out in taught.left_out] == [out.sample for out in without.left_out]
    assert any(
        first.scores != second.scores
        for first, second in zip(without.left_out, taught.left_out, strict=True)
    )
    assert Inspector.open(taught.path).inspect(labelled.defects[0].image).prediction is not None


def test_what_is_made_of_every_held_out_image_teaches_nothing_while_they_are_measured(
    tmp_path, plain, labelled, made
):
    everything = frozenset(labelled.hashes().values())
    tainted = [replace(each, made_from=everything) for each in made]
    without = teach(plain, labelled, output=tmp_path / "without.keen")
    taught = teach(plain, labelled, output=tmp_path / "with.keen", synthetic=tainted)
    assert [out.scores for out in taught.left_out] == [out.scores for out in without.left_out]


def test_cells_of_a_held_out_origin_are_left_out(made):
    number = len(made)
    cells = Cells(np.eye(number, dtype=np.float32), np.ones(number, int), np.arange(number))
    real = Cells(np.zeros((2, number), np.float32), np.zeros(2, int), np.arange(2))
    beside = SyntheticCells(made, cells).beside(real)
    assert beside.source.tolist() == [0, 1, *[-1] * number]
    held_out = made[0].made_from
    left = SyntheticCells(made, cells).beside(real, held_out)
    kept = left.vectors[2:].argmax(axis=1)
    assert kept.tolist() == [n for n in range(number) if made[n].made_from.isdisjoint(held_out)]
    assert 0 not in kept


def test_a_class_that_no_real_image_shows_is_not_learnt(tmp_path, plain, labelled, made):
    other = [replace(each, sample=replace(each.sample, label="burr")) for each in made[:3]]
    taught = teach(plain, labelled, output=tmp_path / "a.keen", synthetic=other)
    assert taught.synthetic == 0
    assert [known.name for known in taught.bundle.manifest.classes] == ["dent", "scratch"]
    assert any("burr" in note for note in taught.notes)
