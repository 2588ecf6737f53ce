"""Splits keep parts and copies together, lose nothing and repeat."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keenline.data.importers import open_dataset
from keenline.data.splits import independent_parts, k_folds, split_good
from keenline.errors import Code, TrainingError
from keenline.types import GOOD, Sample

Drawn = tuple[list[Sample], dict[Path, str]]


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    """Up to 30 samples of up to 8 parts (or none named), with up to 12 different contents."""
    kinds = draw(
        st.lists(st.tuples(st.integers(0, 8), st.integers(0, 12)), min_size=2, max_size=30)
    )
    samples, hashes = [], {}
    for index, (part, content) in enumerate(kinds):
        path = Path(f"{index}.png")
        samples.append(Sample(path, GOOD, part=f"part {part}" if part else ""))
        hashes[path] = f"content {content}" if content else f"only {index}"
    return samples, hashes


def keys(samples: list[Sample], hashes: dict[Path, str]) -> set[str]:
    return {sample.part for sample in samples if sample.part} | {
        hashes[sample.image] for sample in samples
    }


@given(drawn(), st.integers(0, 30), st.integers(0, 1000))
def test_split_good_never_straddles(case: Drawn, held_out: int, seed: int) -> None:
    samples, hashes = case
    parts = independent_parts(samples, hashes)
    held_out %= len(parts)
    learn, held = split_good(samples, held_out, seed, hashes)
    assert not keys(learn, hashes) & keys(held, hashes)
    assert [sample for sample in samples if sample in learn or sample in held] == samples
    assert len(learn) + len(held) == len(samples)
    assert len(independent_parts(held, hashes)) == held_out
    assert split_good(samples, held_out, seed, hashes) == (learn, held)


@given(drawn(), st.integers(2, 6), st.integers(0, 1000))
def test_k_folds_never_straddle(case: Drawn, folds: int, seed: int) -> None:
    samples, hashes = case
    parts = independent_parts(samples, hashes)
    if folds > len(parts):
        with pytest.raises(TrainingError):
            k_folds(samples, folds, seed, hashes)
        return
    dealt = k_folds(samples, folds, seed, hashes)
    assert sorted((each.image for _, fold in dealt for each in fold)) == sorted(hashes)
    for rest, fold in dealt:
        assert fold
        assert len(rest) + len(fold) == len(samples)
        assert not keys(rest, hashes) & keys(fold, hashes)
    sizes = [len(independent_parts(fold, hashes)) for _, fold in dealt]
    assert max(sizes) - min(sizes) <= 1
    assert k_folds(samples, folds, seed, hashes) == dealt


@given(drawn())
def test_parts_are_as_small_as_they_can_be(case: Drawn) -> None:
    """Within a part every image is linked to another one: nothing is joined without a reason."""
    samples, hashes = case
    for part in independent_parts(samples, hashes):
        for sample in part:
            others = [each for each in part if each is not sample]
            assert not others or keys([sample], hashes) & keys(others, hashes)


def test_seeds_differ() -> None:
    samples = [Sample(Path(f"{index}.png"), GOOD) for index in range(40)]
    hashes = {sample.image: str(sample.image) for sample in samples}
    first, second = (split_good(samples, 10, seed, hashes)[1] for seed in (1, 2))
    assert first != second


def test_one_part_must_be_left_to_learn_from() -> None:
    samples = [Sample(Path(f"{index}.png"), GOOD, part="lot 1") for index in range(40)]
    hashes = {sample.image: str(sample.image) for sample in samples}
    with pytest.raises(TrainingError, match="1 parts in 40 images") as caught:
        split_good(samples, 1, 0, hashes)
    assert caught.value.code is Code.TOO_FEW_IMAGES


def test_kolektorsdd_has_thirteen_independent_parts_not_fourteen(shared: Path) -> None:
    data = open_dataset(shared / "data/kolektorsdd")
    hashes = data.hashes()
    assert len({sample.part for sample in data.samples}) == 14
    assert len(independent_parts(data.samples, hashes)) == 13
    for seed in range(20):
        learn, held = split_good(data.good, 4, seed, hashes)
        assert ({"kos01", "kos26"} <= {each.part for each in learn}) or (
            {"kos01", "kos26"} <= {each.part for each in held}
        )
