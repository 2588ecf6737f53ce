"""Networks that imagine defects: repeatable, resumable, honest about what they saw."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.training.supervised.marked_parts import marked_folder

from keenline.data.defect_library import read_library
from keenline.data.importers import open_dataset
from keenline.errors import Code, TrainingError
from keenline.models.base import silent
from keenline.recipe import Recipe
from keenline.training.generative.imagine import imagine
from keenline.training.generative.settings import Settings
from keenline.training.generative.surfaces import stock_of

pytest.importorskip("torch", reason="needs the extra train")
from keenline.training.generative.learning import Learning

pytestmark = pytest.mark.train

SMALL = Settings(crop=32, width=4, blocks=1, steps=5, pool=3)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(marked_folder(tmp_path_factory.mktemp("marked")))


@pytest.fixture(scope="module")
def stock(dataset):
    return stock_of(dataset, "dent", Recipe(), SMALL.crop, 0, silent)


class Stopped(Exception):
    pass


def taught(learning, stop_at=None):
    def told(step, _losses, _left):
        if step == stop_at:
            raise Stopped

    learning.run(silent, told, pytest.fail)
    return learning.cycle.spoil.state_dict()


def test_a_run_that_was_stopped_goes_on_to_the_very_same_network(tmp_path, stock):
    stamp = SMALL.lasting()
    once = taught(Learning(stock, SMALL, tmp_path / "once", stamp))
    begun = Learning(stock, SMALL, tmp_path / "again", stamp, kept_every=0)
    with pytest.raises(Stopped):
        taught(begun, stop_at=3)
    going_on = Learning(stock, SMALL, tmp_path / "again", stamp)
    assert going_on.resume()
    assert going_on.step == 3
    again = taught(going_on)
    assert all((once[name] == again[name]).all() for name in once)
    other = taught(Learning(stock, replace(SMALL, seed=1), tmp_path / "other", stamp))
    assert any((once[name] != other[name]).any() for name in once)


def test_a_checkpoint_of_another_run_or_a_broken_one_is_told(tmp_path, stock):
    place = tmp_path / "checkpoint"
    taught(Learning(stock, replace(SMALL, steps=1), place, SMALL.lasting()))
    for stamp in (SMALL.lasting() | {"data": "other"}, SMALL.lasting() | {"rate": 1.0}):
        with pytest.raises(TrainingError) as caught:
            Learning(stock, SMALL, place, stamp).resume()
        assert caught.value.code is Code.OPTION_CONFLICT
    place.write_bytes(place.read_bytes()[:1000])
    with pytest.raises(TrainingError) as caught:
        Learning(stock, SMALL, place, SMALL.lasting()).resume()
    assert "cannot be read" in caught.value.what
    assert not Learning(stock, SMALL, tmp_path / "none", SMALL.lasting()).resume()


def test_a_time_budget_ends_learning(tmp_path, stock):
    short = replace(SMALL, steps=100_000, seconds=0.2)
    learning = Learning(stock, short, tmp_path / "short", {})
    taught(learning)
    assert 0 < learning.step < 1000
    assert learning.seconds < 5


def test_a_loss_that_is_no_number_is_an_error(tmp_path, stock):
    wild = replace(SMALL, steps=200, rate=1e18)
    with pytest.raises(TrainingError) as caught:
        taught(Learning(stock, wild, tmp_path / "wild", {}))
    assert caught.value.code is Code.LOSS_NOT_FINITE


def test_a_run_writes_the_library_and_its_network(tmp_path, dataset):
    library = tmp_path / "library"
    small = replace(SMALL, steps=3)
    found = imagine(dataset, "dent", library, settings=small, tries=20)
    assert len(found.cuts) + sum(found.unusable.values()) == len(found.tries) == 20
    assert (found.network.steps, found.network.seed) == (3, 0)
    assert set(found.network.learnt_from) <= set(dataset.hashes().values())
    assert not tmp_path.joinpath("library.checkpoint").exists()
    assert library.joinpath(f"{found.network.sha256[:12]}.pt").is_file()
    assert len(read_library(library)) == len(found.cuts)
    again = imagine(dataset, "dent", tmp_path / "again", settings=small, tries=20)
    assert again.network == found.network
    # Added to what is there; what the same network imagined at the same place is there once.
    imagine(dataset, "dent", library, settings=small, tries=20)
    assert len(read_library(library)) == len(found.cuts)
