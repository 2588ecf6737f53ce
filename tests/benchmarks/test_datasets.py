"""Real sets are split as their table says, and nothing learnt is tested."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import DATA, SETS, RealSet, magnetic_tile_validation, named

EXPECTED = {
    # name: (good learnt, good tested, defects tested)
    "magnetic-tile": (300, 130, 198),
    "kolektorsdd": (None, None, 13),
    "kolektorsdd-images": (54, 36, 13),
    "cookie": (31, 14, 40),
    "deeppcb": (60, 40, 100),
    "bsdata": (12, 8, 45),
}


@pytest.mark.parametrize("real", SETS, ids=lambda real: real.name)
def test_split_is_as_stated(real: RealSet, shared: Path) -> None:
    samples = real.dataset(0).samples
    learnt = [s for s in samples if s.split == "train"]
    tested = [s for s in samples if s.split == "test"]
    counts = (len(learnt), sum(s.is_good for s in tested), sum(not s.is_good for s in tested))
    for count, expected in zip(counts, EXPECTED[real.name], strict=True):
        assert expected is None or count == expected
    assert all(s.is_good for s in learnt)
    assert len(learnt) + len(tested) == len(samples)
    assert len({s.image for s in samples}) == len(samples)


@pytest.mark.parametrize("real", SETS, ids=lambda real: real.name)
def test_no_content_is_both_learnt_and_tested(real: RealSet, shared: Path) -> None:
    dataset = real.dataset(1)
    hashes = dataset.hashes()
    learnt = {hashes[s.image] for s in dataset.samples if s.split == "train"}
    good = {hashes[s.image] for s in dataset.samples if s.split == "test" and s.is_good}
    assert not learnt & good


@pytest.mark.parametrize("seed", [0, 1])
def test_no_validation_tile_is_tested_by_any_seed(seed: int, shared: Path) -> None:
    (real,) = named(["magnetic-tile"])
    tested = {s.image for s in real.dataset(0).samples if s.split == "test"}
    validation = magnetic_tile_validation(DATA / "magnetic-tile", seed)
    assert sum(s.is_good for s in validation) == 430
    assert sum(not s.is_good for s in validation) == 194
    assert not tested & {s.image for s in validation}


def test_parts_of_kolektor_do_not_straddle(shared: Path) -> None:
    (real,) = named(["kolektorsdd"])
    good = real.dataset(2).good
    learnt = {s.part for s in good if s.split == "train"}
    assert learnt
    assert not learnt & {s.part for s in good if s.split == "test"}


def test_another_seed_is_another_split(shared: Path) -> None:
    (real,) = named(["deeppcb"])
    assert real.dataset(0).samples != real.dataset(1).samples
    assert real.dataset(0).samples == real.dataset(0).samples


def test_unknown_set_is_named() -> None:
    with pytest.raises(SystemExit, match="nonesuch"):
        named(["nonesuch"])
