"""A finding is explained by its place and by the good patch it was held to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.inference.conftest import DETECTORS, Learn
from tests.small_parts import SIZE, dented, good_part

from keenline.bundle import MEMORY, PATCHES
from keenline.inference.bank import memory_from
from keenline.inference.inspector import Inspector
from keenline.inference.patch_sheet import (
    PATCH_SIDE,
    SHEET_COLUMNS,
    cut_square,
    patch_picture,
    patch_sheet,
)
from keenline.types import ANOMALY, Box, Region


@pytest.mark.parametrize("detector", DETECTORS)
def test_a_dent_is_shown_with_the_normal_patch_of_a_named_part(learn: Learn, detector: str) -> None:
    inspector = Inspector.open(learn(detector))
    image = dented(40, (70, 18), radius=9)
    prediction = inspector.inspect(image).prediction
    assert prediction is not None
    explained = inspector.explain(image, prediction.regions)
    assert [each.region for each in explained] == list(prediction.regions[:3])
    first = explained[0]
    assert first.crop.shape == (PATCH_SIDE, PATCH_SIDE, 3)
    assert first.crop.dtype == np.uint8
    # The dent is dark as no good part is; the patch it was held to is not.
    assert (first.crop < 25).sum() > 300
    if detector == "classical":
        assert first.normal is None
        assert first.source == ""
        return
    assert first.normal is not None
    assert first.normal.shape == (PATCH_SIDE, PATCH_SIDE, 3)
    assert (first.normal < 25).sum() < 300
    assert first.source in {f"{seed:03}.png" for seed in range(24)}


def test_a_good_place_is_held_to_a_patch_that_looks_like_it(inspector: Inspector) -> None:
    image = good_part(0)
    rib = Region(ANOMALY, Box(40, 32, 16, 8), 128.0, 1.0)
    (found,) = inspector.explain(image, [rib])
    assert found.normal is not None
    # The rib runs across the middle: bright rows in both pictures.
    bright = [picture.mean(axis=(1, 2)).max() for picture in (found.crop, found.normal)]
    assert min(bright) > 150


@pytest.mark.parametrize("limit", [-1, 0, 1, 2])
def test_no_more_than_asked_for(inspector: Inspector, limit: int) -> None:
    regions = [Region(ANOMALY, Box(x, 10, 8, 8), 64.0, 1.0) for x in (0, 40, 80)]
    assert len(inspector.explain(good_part(1), regions, limit)) == max(0, limit)


@pytest.mark.parametrize(
    "box", [Box(0, 0, 1, 1), Box(95, 63, 1, 1), Box(0, 0, *SIZE), Box(90, 0, 6, 64)]
)
def test_a_region_anywhere_in_the_image_can_be_explained(inspector: Inspector, box: Box) -> None:
    (found,) = inspector.explain(good_part(1), [Region(ANOMALY, box, 1.0, 1.0)])
    assert found.crop.shape == (PATCH_SIDE, PATCH_SIDE, 3)


def test_every_member_has_its_picture(inspector: Inspector) -> None:
    members = inspector.bundle.members
    bank = memory_from(members[MEMORY]).banks[0]
    last = patch_picture(members[PATCHES], len(bank.vectors) - 1)
    assert last.shape == (PATCH_SIDE, PATCH_SIDE, 3)
    assert last.std() > 0


def test_pictures_lie_on_the_sheet_in_order() -> None:
    parts = [np.full((1, 80, 90, 3), 40 * number, np.uint8) for number in range(6)]
    numbers = np.arange(SHEET_COLUMNS + 3)[::-1] % 6
    origins = np.array([(n, 0, 0, 30_000, 30_000) for n in numbers], np.int32)
    sheet = patch_sheet(parts, origins)
    for place, number in enumerate(numbers):
        assert abs(float(patch_picture(sheet, place).mean()) - 40 * number) < 4


def test_a_patch_is_cut_where_it_came_from_turned_as_it_was_seen() -> None:
    part = np.zeros((1, 200, 300, 3), np.uint8)
    part[0, 40:60, 200:220] = 255
    middle = (210 / 300, 50 / 200)
    for turn in range(4):
        # Where the spot lies once the part is turned counter-clockwise.
        across, down = [
            middle,
            (middle[1], 1 - middle[0]),
            (1 - middle[0], 1 - middle[1]),
            (1 - middle[1], middle[0]),
        ][turn]
        origin = np.array([(0, 0, turn, int(down * 65536), int(across * 65536))], np.int32)
        picture = patch_picture(patch_sheet([part], origin), 0)
        y, x = np.nonzero(picture[..., 0] > 127)
        assert abs(y.mean() - 32) < 3
        assert abs(x.mean() - 32) < 3


@given(
    width=st.integers(1, 200),
    height=st.integers(1, 200),
    x=st.integers(-20, 220),
    y=st.integers(-20, 220),
)
def test_a_square_is_always_a_square(width: int, height: int, x: int, y: int) -> None:
    square = cut_square(np.ones((height, width, 3), np.uint8), x, y, 64)
    assert square.shape == (64, 64, 3)
    assert (square == 1).all()
