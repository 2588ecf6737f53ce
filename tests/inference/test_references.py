"""Views of good parts survive the bundle, and the right one answers for a place."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as PillowImage
from tests.small_parts import SIZE, good_part

from keenline.inference.patch_sheet import PATCH_SIDE
from keenline.inference.references import SHEET, VIEWS_AT_MOST, References, reference_members


def _flat(grey: int) -> np.ndarray:
    return np.full((1, 64, 96, 3), grey, np.uint8)


def test_the_part_that_looks_most_alike_answers_with_its_name() -> None:
    parts = [good_part(seed)[None] for seed in range(4)]
    references = References(reference_members(parts, ["a", "größe b", "c", "d"]))
    for number, name in enumerate(["a", "größe b", "c", "d"]):
        patch, source = references.at(parts[number][0], 40, 30)
        assert source == name
        assert patch.shape == (PATCH_SIDE, PATCH_SIDE, 3)
        shown = parts[number][0][:, 8:72].astype(int)
        assert np.abs(patch - shown).mean() < 6  # JPEG


def test_a_darker_part_is_held_to_its_like_all_the_same() -> None:
    parts = [good_part(seed)[None] for seed in range(4)]
    references = References(reference_members(parts, list("abcd")))
    assert references.at(parts[2][0] // 2 + 10, 60, 40)[1] == "c"


@pytest.mark.parametrize("number", [1, 5, VIEWS_AT_MOST, 200])
def test_no_more_than_a_dozen_evenly_spread(number: int) -> None:
    names = [f"{place}" for place in range(number)]
    members = reference_members([_flat(place) for place in range(number)], names)
    kept = min(number, VIEWS_AT_MOST)
    with PillowImage.open(io.BytesIO(members[SHEET])) as picture:
        assert picture.size == (SIZE[0], kept * SIZE[1])
    # Every place is answered by someone who was given.
    assert References(members).at(_flat(9)[0], 5, 5)[1] in names


def test_parts_without_names_have_empty_ones() -> None:
    assert References(reference_members([_flat(3)], [])).at(_flat(3)[0], 95, 63)[1] == ""


def test_very_high_views_fit_into_one_picture() -> None:
    tall = [np.zeros((1, 20_000, 8, 3), np.uint8) for _ in range(5)]
    with PillowImage.open(io.BytesIO(reference_members(tall, [])[SHEET])) as picture:
        assert picture.size == (8, 60_000)
