"""What of a network's change is taken for a defect."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keenline.training.generative.changed_area import Unusable, changed_area


def surface(seed=0):
    grain = np.random.default_rng(seed).normal(120, 8, (64, 64))
    return np.repeat(np.clip(grain, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def disc(at, radius):
    y, x = np.ogrid[:64, :64]
    return (y - at[0]) ** 2 + (x - at[1]) ** 2 <= radius**2


def spoilt(*places, depth=50, lighter=0, noise=2.0, seed=1):
    """The surface, darker at some places, lighter everywhere, and a little different everywhere."""
    after = surface().astype(float) + lighter
    for place in places:
        after[place] -= depth
    after += np.random.default_rng(seed).normal(0, noise, (64, 64, 1))
    return np.clip(np.rint(after), 0, 255).astype(np.uint8)


@settings(max_examples=40, deadline=None)
@given(
    row=st.integers(16, 47), column=st.integers(16, 47), radius=st.integers(4, 11),
    depth=st.sampled_from([-60, 40, 80]), lighter=st.integers(-15, 15), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_place_that_became_different_is_found_whatever_happened_to_the_light(
    row, column, radius, depth, lighter, seed
):
    place = disc((row, column), radius)
    after = spoilt(place, depth=depth, lighter=lighter, seed=seed)
    found = changed_area(surface(), after)
    assert not isinstance(found, Unusable)
    # The change is smoothed, so the mark may be a pixel larger.
    assert (found & place).sum() >= 0.95 * place.sum()
    assert not (found & ~disc((row, column), radius + 3)).any()


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (spoilt(), Unusable.UNCHANGED),
        (spoilt(lighter=40), Unusable.UNCHANGED),
        (spoilt(disc((32, 32), 24)), Unusable.EVERYWHERE),
        (spoilt(disc((15, 15), 6), disc((45, 45), 6)), Unusable.SCATTERED),
        (spoilt(disc((32, 2), 6)), Unusable.AT_BORDER),
    ],
)
def test_what_is_no_compact_place_is_not_taken(after, why):
    assert changed_area(surface(), after) is why
