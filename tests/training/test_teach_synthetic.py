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
from keenline.errors import Code, TrainingError
from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe
from keenline.training.fit import train
from keenline.training.labelled_cells import Cells
from keenline.training.synthetic_cells import SyntheticCells, check_share
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
    assert taught.synthetic.images == len(made)
    assert 0.1 < taught.synthetic.share <= 0.5
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


@pytest.mark.slow
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
    # As many real defective cells as synthetic ones, and one untouched place.
    numbers = np.array([1] * number + [0])
    real = Cells(np.zeros((number + 1, number), np.float32), numbers, np.arange(number + 1))
    beside = SyntheticCells(made, cells).beside(real)
    assert beside.source.tolist() == [*range(number + 1), *[-1] * number]
    held_out = made[0].made_from
    left = SyntheticCells(made, cells).beside(real, held_out)
    kept = left.vectors[number + 1 :].argmax(axis=1)
    assert kept.tolist() == [n for n in range(number) if made[n].made_from.isdisjoint(held_out)]
    assert 0 not in kept


def test_of_each_class_no_larger_share_is_learnt_than_was_asked_for(made):
    rng = np.random.default_rng(0)
    real = drawn_cells(rng, 12, {1: 240, 2: 60, 0: 500}, images=20)
    fake = drawn_cells(rng, 12, {1: 300, 2: 40, 0: 100}, images=len(made))
    of_class = np.array([(real.numbers == k).sum() for k in (1, 2)])
    taken = []
    for share in (0.0, 0.25, 0.5):
        cells = SyntheticCells(made, fake, share=share)
        both = cells.beside(real)
        numbers = both.numbers[both.source == -1]
        counts = np.array([(numbers == k).sum() for k in (1, 2)])
        assert (counts <= share * (counts + of_class) + 0.5).all()
        used = cells.used(real)
        assert used.share == pytest.approx(counts.sum() / (counts + of_class).sum())
        assert (used.images == 0) == (share == 0) == (not numbers.size)
        taken.append({tuple(vector) for vector in both.vectors[both.source == -1]})
    assert taken[0] < taken[1] < taken[2], "a larger share holds the smaller one"
    assert counts.tolist() == [240, 40], "half, or all there are"


def drawn_cells(rng, dimensions, counts, images):
    numbers = np.repeat(list(counts), list(counts.values()))
    vectors = rng.normal(size=(len(numbers), dimensions)).astype(np.float32)
    return Cells(vectors, numbers, rng.integers(images, size=len(numbers)))


@pytest.mark.parametrize(("share", "insist"), [(0.51, False), (0.95, True), (-0.1, False)])
def test_a_class_is_not_learnt_mostly_from_what_was_made(share, insist):
    with pytest.raises(TrainingError) as caught:
        check_share(share, mostly_synthetic=insist)
    assert caught.value.code is Code.OPTION_CONFLICT
    check_share(0.5, mostly_synthetic=False)
    check_share(0.8, mostly_synthetic=True)


def test_nothing_is_learnt_that_was_made_from_a_tested_image(tmp_path, plain, labelled, made):
    gone = next(iter(made[0].made_from))
    hashes = labelled.hashes()
    samples = tuple(
        replace(sample, split="test" if hashes[sample.image] == gone else "train")
        for sample in labelled.samples
    )
    tested = replace(labelled, samples=samples)
    taught = teach(plain, tested, output=tmp_path / "a.keen", synthetic=made, folds=2)
    fair = [each for each in made if gone not in each.made_from]
    assert taught.synthetic.images == len(fair) < len(made)
    assert f"images of the test split, not used: {len(made) - len(fair)}" in taught.notes[-1]


def test_a_class_that_no_real_image_shows_is_not_learnt(tmp_path, plain, labelled, made):
    other = [replace(each, sample=replace(each.sample, label="burr")) for each in made[:3]]
    taught = teach(plain, labelled, output=tmp_path / "a.keen", synthetic=other)
    assert taught.synthetic.images == 0
    assert [known.name for known in taught.bundle.manifest.classes] == ["dent", "scratch"]
    assert any("burr" in note for note in taught.notes)
