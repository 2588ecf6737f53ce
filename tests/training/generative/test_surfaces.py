"""Crops to learn from, and what is taken of what a network makes of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from tests.training.supervised.marked_parts import marked_folder

from keenline.data.dataset import content_hash
from keenline.data.defect_library import read_library, write_library
from keenline.data.imagined_by import Network
from keenline.data.importers import open_dataset
from keenline.data.reading import read_image
from keenline.data.synthetic import synthesise, untested
from keenline.data.synthetic_index import learnable, read_synthetic
from keenline.errors import Code, TrainingError
from keenline.models.base import silent
from keenline.recipe import Recipe
from keenline.training.generative.changed_area import Unusable
from keenline.training.generative.imagine import imagined_on
from keenline.training.generative.surfaces import stock_of


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(marked_folder(tmp_path_factory.mktemp("marked")))


@pytest.fixture(scope="module")
def stock(dataset):
    return stock_of(dataset, "dent", Recipe(), 32, 0, silent)


def test_crops_hold_the_defect_or_none_of_it(dataset, stock):
    assert stock.is_grey
    assert {sample.label for sample in stock.samples} == {"good", "dent"}
    # A dent of these parts is darker than anything else on them.
    assert all(crop.min() <= 15 for crop in stock.defective)
    assert all(surface.crop.min() > 15 for surface in stock.good)
    for surface in stock.good:
        left, top = surface.at
        whole = read_image(surface.sample.image)
        assert np.array_equal(whole[top : top + 32, left : left + 32], surface.crop)


def test_a_test_split_is_never_learnt_from(dataset):
    samples = tuple(
        replace(sample, split="test" if place % 2 else "train")
        for place, sample in enumerate(sorted(dataset.samples, key=lambda one: one.image))
    )
    split = replace(dataset, samples=samples)
    with pytest.raises(TrainingError) as caught:
        stock_of(split, "dent", Recipe(), 32, 0, silent)
    assert caught.value.code is Code.TOO_FEW_IMAGES
    assert caught.value.got == "3"


def test_the_region_of_interest_bounds_the_surfaces(dataset):
    recipe = Recipe.model_validate({"inspect": {"roi": [[0, 0, 96, 40]]}})
    stock = stock_of(dataset, "dent", recipe, 32, 0, silent)
    assert all(surface.at[1] + 32 <= 40 for surface in stock.good)


def darkened(crops):
    """What a network would make of the first half of a lot; it changes nothing of the others."""
    y, x = np.ogrid[: crops.shape[1], : crops.shape[2]]
    made = crops.copy()
    made[: len(made) // 2][:, (y - 16) ** 2 + (x - 16) ** 2 <= 25] = 20
    return made


def test_what_is_imagined_enters_the_library_with_all_it_came_from(tmp_path, dataset, stock):
    by_hash = {content_hash(sample.image): sample for sample in dataset.samples}
    network = Network.model_validate(
        {
            "sha256": "1" * 64,
            "class": "dent",
            "data_sha256": "2" * 64,
            "seed": 0,
            "steps": 9,
            "learnt_from": tuple(sorted(by_hash)),
        }
    )
    tries, cuts = imagined_on(stock, darkened, network, dataset, 32)
    assert (len(tries), len(cuts)) == (32, 16)
    assert [one.found for one in tries if isinstance(one.found, Unusable)] == [
        Unusable.UNCHANGED
    ] * 16
    write_library(cuts, tmp_path / "library")
    kept = read_library(tmp_path / "library")
    for cut in kept:
        assert (cut.origin, cut.network, cut.class_name) == ("imagined", network, "dent")
        source = by_hash[cut.source_sha256]
        assert source.is_good
        assert dataset.root / cut.source == source.image
        x, y, width, height = cut.box
        before = read_image(source.image)[y : y + height, x : x + width]
        far = ~ndimage.binary_dilation(cut.mask, iterations=3)
        assert np.array_equal(before[far], cut.image[far])
        assert cut.image[cut.mask].mean() < before[cut.mask].mean() - 50
    synthesise(dataset.samples, kept, Recipe(), tmp_path / "made", share=0.5)
    made = read_synthetic(tmp_path / "made")
    assert made
    for held_out in by_hash:
        assert learnable(made, {held_out}) == untested(kept, {held_out}) == ()
