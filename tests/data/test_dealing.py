"""Each class gets its shares, no group is torn, and what stands stays."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keenline.data.dataset_version import SPLITS, Split
from keenline.data.dealing import FEWEST_GROUPS, Shares, deal
from keenline.errors import Code, DatasetError

Groups = list[dict[str, int]]
GROUPS = st.lists(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 9), min_size=1, max_size=2), max_size=40
)


def images(groups: Groups, splits: list[Split], name: str) -> Counter[str]:
    """Images of a class in each split."""
    counted: Counter[str] = Counter()
    for counts, split in zip(groups, splits, strict=True):
        counted[split] += counts.get(name, 0)
    return counted


def test_fifteen_of_fifty_are_held_out_by_default() -> None:
    groups = [{"dent": 1} for _ in range(50)]
    counts = images(groups, deal(groups, Shares(), 0, {}), "dent")
    assert counts["seeded"] == 15
    assert counts["validation"] == 8  # 7.5
    assert counts["acceptance"] == 0
    assert counts["train"] == 27


@pytest.mark.parametrize("number", range(1, 60))
def test_every_class_of_single_parts_is_dealt_exactly(number: int) -> None:
    groups = [{"good": 1} for _ in range(200)] + [{"dent": 1} for _ in range(number)]
    counts = images(groups, deal(groups, Shares(0.3, 0.1, 0.2), 3, {}), "dent")
    if number < FEWEST_GROUPS:
        assert counts == Counter(train=number)
        return
    for split, share in (("seeded", 0.3), ("validation", 0.1), ("acceptance", 0.2)):
        assert counts[split] == max(1, int(share * number + 0.5))
    assert counts["train"] >= 1


def test_a_rare_class_is_not_at_the_mercy_of_a_common_one() -> None:
    # Four parts with a dent, each with scratches as well, among 100 with scratches alone.
    groups = [{"scratch": 1} for _ in range(100)] + [{"scratch": 1, "dent": 1} for _ in range(4)]
    for seed in range(20):
        counts = images(groups, deal(groups, Shares(), seed, {}), "dent")
        assert counts == Counter(seeded=1, validation=1, train=2)


@given(GROUPS, st.integers(0, 99))
def test_dealing_repeats_and_loses_nothing(groups: Groups, seed: int) -> None:
    splits = deal(groups, Shares(0.3, 0.15, 0.1), seed, {})
    assert len(splits) == len(groups)
    assert set(splits) <= set(SPLITS)
    assert deal(groups, Shares(0.3, 0.15, 0.1), seed, {}) == splits


@given(GROUPS, st.integers(0, 99), st.data())
def test_what_stands_stays(groups: Groups, seed: int, data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, max(0, len(groups) - 1)), unique=True))
    fixed: dict[int, Split] = {
        place: data.draw(st.sampled_from(SPLITS)) for place in places if place < len(groups)
    }
    splits = deal(groups, Shares(), seed, fixed)
    assert all(splits[place] == split for place, split in fixed.items())


@given(st.lists(st.integers(1, 30), min_size=FEWEST_GROUPS, max_size=30), st.integers(0, 99))
def test_a_class_of_four_groups_is_held_out_and_learnt_whatever_their_sizes(
    sizes: list[int], seed: int
) -> None:
    groups = [{"dent": size} for size in sizes]
    splits = deal(groups, Shares(), seed, {})
    assert "seeded" in splits
    assert "train" in splits


def test_new_images_fill_up_what_is_held_out() -> None:
    groups = [{"dent": 1} for _ in range(100)]
    fixed: dict[int, Split] = {place: "seeded" if place < 15 else "train" for place in range(50)}
    counts = images(groups, deal(groups, Shares(validation=0), 0, fixed), "dent")
    assert counts == Counter(seeded=30, train=70)


def test_seeds_deal_differently() -> None:
    groups = [{"dent": 1} for _ in range(40)]
    assert deal(groups, Shares(), 1, {}) != deal(groups, Shares(), 2, {})


@pytest.mark.parametrize(
    "shares",
    [(-0.1, 0, 0), (1.0, 0, 0), (0.5, 0.3, 0.2), (float("nan"), 0, 0), (0.3, float("inf"), 0)],
)
def test_shares_must_leave_something(shares: tuple[float, float, float]) -> None:
    with pytest.raises(DatasetError) as caught:
        Shares(*shares)
    assert caught.value.code is Code.DATASET_SHARES
