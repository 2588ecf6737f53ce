"""Frame numbers: from 1, with the gaps of the ids, beyond their 16 bits and out of order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keenline.devices.frame_numbers import FrameNumbers


def numbers_of(ids: list[int], first: int | None) -> list[int]:
    numbers = FrameNumbers(first)
    return [numbers.number(each) for each in ids]


def test_the_first_frame_is_1_whatever_the_camera_counts_from():
    assert numbers_of([0, 1, 2], first=0) == [1, 2, 3]
    assert numbers_of([1, 2, 3], first=1) == [1, 2, 3]
    assert numbers_of([700, 701], first=None) == [1, 2]


def test_a_frame_lost_before_any_came_shows_in_the_first_number():
    assert numbers_of([3, 4], first=1) == [3, 4]


def test_ids_of_16_bits_wrap_from_65535_to_1():
    assert numbers_of([65534, 65535, 1, 2], first=None) == [1, 2, 3, 4]


def test_a_camera_that_uses_0_has_it_counted():
    assert numbers_of([65534, 65535, 0, 1], first=None) == [1, 2, 3, 4]


def test_a_late_frame_has_its_own_number_also_across_the_wrap():
    numbers = FrameNumbers(None)
    ids = [65533, 65535, 2, 65534, 1, 3]
    assert [numbers.number(each) for each in ids] == [1, 3, 5, 2, 4, 6]
    assert numbers.newest == 6


def test_ids_wider_than_16_bits_never_wrap():
    assert numbers_of([65535, 65536, 65537, 200_000], first=None) == [1, 2, 3, 134_466]


@given(st.integers(1, 65535), st.lists(st.integers(1, 30_000), min_size=1, max_size=40))
def test_gaps_are_those_of_the_camera(start: int, gaps: list[int]):
    """Against a count that never wraps."""
    counts = [start]
    for gap in gaps:
        counts.append(counts[-1] + gap)
    ids = [(count - 1) % 65535 + 1 for count in counts]
    assert numbers_of(ids, None) == [count - start + 1 for count in counts]
