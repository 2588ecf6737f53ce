"""The latest latencies of a line: as many as are kept, in a memory that does not grow."""

from __future__ import annotations

import math

import pytest

from keenline.station.tally import EDGES_MS, Tally


def test_there_are_no_percentiles_before_there_are_latencies() -> None:
    assert all(math.isnan(value) for value in Tally().percentiles("actuated", 50, 100))


def test_percentiles_are_of_what_was_noted() -> None:
    tally = Tally()
    for value in (1.0, 2.0, 3.0, 4.0, 10.0):
        tally.actuated(value)
    assert tally.percentiles("actuated", 0, 50, 100) == (1.0, 3.0, 10.0)
    assert math.isnan(tally.percentiles("decided", 50)[0])


@pytest.mark.parametrize("number", [20_000, 20_001, 45_000])
def test_only_the_latest_count_but_the_histogram_holds_all(number: int) -> None:
    tally = Tally()
    for value in range(number):
        tally.actuated(float(value))
    assert tally.percentiles("actuated", 0, 100) == (number - 20_000, number - 1)
    found = tally.histogram("actuated")
    assert found.counts[-1] == number
    assert found.counts[EDGES_MS.index(50)] == 51
