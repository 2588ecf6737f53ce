"""Int8 is kept only where no class loses by it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from keenline.training.supervised.rounding import Reached, worse

PIT = Reached(found=8, tried=8, alarms=0, good=40, pixel_f1=0.5)
STAIN = Reached(found=290, tried=300, alarms=3, good=400, pixel_f1=0.9)
BEFORE = {"pit": PIT, "stain": STAIN}


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("pit", {"found": 7}, "pit is found less often, 7 of 8 and not 8"),
        ("stain", {"found": 286}, "stain is found less often, 286 of 300 and not 290"),
        ("pit", {"alarms": 1}, "good parts are taken for pit more often, 1 of 40"),
        ("stain", {"alarms": 8}, "good parts are taken for stain more often, 8 of 400"),
        # All pixels together would hide it: a pit has few.
        ("pit", {"pixel_f1": 0.48}, "pixel F1 of pit is lower by 0.020"),
    ],
)
def test_one_class_that_loses_is_named(name, change, said):
    assert worse(BEFORE, BEFORE | {name: replace(BEFORE[name], **change)}) == said


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("stain", {"found": 287}),  # three of 300 are one in a hundred
        ("stain", {"alarms": 7}),
        ("stain", {"pixel_f1": 0.891}),
        ("pit", {"found": 8, "pixel_f1": 0.9}),
        ("pit", {"pixel_f1": math.nan}),
    ],
)
def test_one_in_a_hundred_is_as_good(name, change):
    assert worse(BEFORE, BEFORE | {name: replace(BEFORE[name], **change)}) == ""


def test_a_class_of_which_nothing_was_left_out_says_nothing():
    unknown = Reached(found=0, tried=0, alarms=0, good=0, pixel_f1=math.nan)
    assert worse({"pit": unknown}, {"pit": unknown}) == ""
