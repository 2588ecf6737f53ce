"""The confidence at which a class counts keeps the promised false alarms and misses the fewest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keenline.training.class_thresholds import class_threshold, logit

shares = st.lists(st.floats(0.001, 0.999), min_size=1, max_size=40, unique=True)


@given(defects=shares, good=shares, rate=st.sampled_from([0.0, 0.01, 0.05, 0.2]))
def test_no_more_false_alarms_than_promised_and_none_missed_for_nothing(defects, good, rate):
    limit = class_threshold(np.array(defects), np.array(good), rate)
    alarms = int((np.array(good) > limit).sum())
    allowed = int(np.floor(rate * len(good) + 1e-9))
    assert alarms <= allowed
    # Any lower limit that still keeps the promise finds no more.
    floor = sorted(good, reverse=True)[allowed] if len(good) > allowed else 0.0
    assert (np.array(defects) > limit).sum() == (np.array(defects) > floor).sum()


def test_between_what_is_found_and_what_is_good_it_lies_in_the_middle():
    limit = class_threshold(np.array([0.9, 0.99]), np.array([0.001, 0.1]), 0.0)
    assert logit(limit) == pytest.approx((logit(0.9) + logit(0.1)) / 2)


def test_a_class_that_nobody_finds_counts_above_every_good_part():
    assert class_threshold(np.array([0.2]), np.array([0.7, 0.1]), 0.0) == pytest.approx(0.7)
    assert class_threshold(np.empty(0), np.array([0.1]), 0.0) == 0.5
