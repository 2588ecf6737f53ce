"""A frame is never matched to a part that it does not show, whatever the camera loses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keenline.station.matching import CountMatcher, Matched, Matcher, TimeMatcher
from keenline.types import Frame

_MS = 1_000_000
_IMAGE = np.zeros((2, 2, 3), np.uint8)


def frame(number: int, received_ms: float, shows: int = 0) -> Frame:
    """`shows`: the part that really was in front of the camera."""
    return Frame(_IMAGE, "top", "1", number, round(received_ms * _MS), part_id=str(shows))


def parts_of(matched: Matched) -> list[int]:
    return [part for part, _ in matched.frames]


def test_frames_come_in_the_order_of_their_parts() -> None:
    matcher = CountMatcher(100 * _MS)
    assert matcher.expect(1, 0) == Matched()
    assert parts_of(matcher.arrived(frame(7, 10))) == [1]
    matcher.expect(2, 20 * _MS)
    matcher.expect(3, 30 * _MS)
    assert parts_of(matcher.arrived(frame(8, 35))) == [2]
    assert parts_of(matcher.arrived(frame(9, 45))) == [3]


def test_a_step_in_the_count_says_which_part_lost_its_image() -> None:
    matcher = CountMatcher(100 * _MS)
    matcher.expect(1, 0)
    matcher.arrived(frame(1, 5))
    for part in (2, 3, 4):
        matcher.expect(part, 10 * _MS)
    matched = matcher.arrived(frame(4, 30))
    assert matched.lost == (2, 3)
    assert parts_of(matched) == [4]
    assert matcher.is_in_step


def test_a_broken_frame_costs_its_own_part_only() -> None:
    matcher = CountMatcher(100 * _MS)
    matcher.expect(1, 0)
    matcher.arrived(frame(1, 5))
    matcher.expect(2, 10 * _MS)
    matcher.expect(3, 20 * _MS)
    assert matcher.broke(2).lost == (2,)
    assert parts_of(matcher.arrived(frame(3, 30))) == [3]


def test_a_broken_frame_without_a_number_puts_the_camera_out_of_step() -> None:
    matcher = CountMatcher(100 * _MS)
    matcher.expect(1, 0)
    assert matcher.broke(None).lost == (1,)
    assert not matcher.is_in_step


def test_before_the_first_frame_only_one_part_may_wait() -> None:
    matcher = CountMatcher(100 * _MS)
    assert matcher.expect(1, 0).lost == ()
    assert matcher.expect(2, 1 * _MS).lost == (2,)
    assert parts_of(matcher.arrived(frame(1, 5))) == [1]


def test_a_part_that_waited_in_vain_puts_the_camera_out_of_step_until_it_is_restarted() -> None:
    matcher = CountMatcher(100 * _MS)
    matcher.expect(1, 0)
    matcher.arrived(frame(1, 5))
    matcher.expect(2, 10 * _MS)
    assert matcher.give_up(2).lost == (2,)
    assert matcher.expect(3, 60 * _MS).lost == (3,)
    late = matcher.arrived(frame(2, 61))
    assert late.frames == ()
    assert late.stray == 1
    matcher.restarted()
    matcher.expect(4, 70 * _MS)
    assert parts_of(matcher.arrived(frame(1, 75))) == [4]


@pytest.mark.parametrize("number", [1, 2, 9])
def test_a_frame_that_nobody_asked_for_puts_the_camera_out_of_step(number: int) -> None:
    matcher = CountMatcher(100 * _MS)
    matcher.expect(1, 0)
    matcher.arrived(frame(1, 5))
    assert matcher.arrived(frame(number, 6)).stray == 1
    assert not matcher.is_in_step


def test_hardware_triggers_are_matched_by_time_in_either_order() -> None:
    matcher = TimeMatcher(20 * _MS)
    assert parts_of(matcher.arrived(frame(1, 100))) == []
    assert parts_of(matcher.expect(1, 105 * _MS)) == [1]
    matcher.expect(2, 200 * _MS)
    assert parts_of(matcher.arrived(frame(2, 210))) == [2]


def test_a_frame_outside_the_window_belongs_to_nobody() -> None:
    matcher = TimeMatcher(20 * _MS)
    matcher.arrived(frame(1, 100))
    late = matcher.expect(1, 130 * _MS)
    assert late.stray == 1
    assert late.frames == ()
    assert matcher.arrived(frame(2, 160)).lost == (1,)


@dataclass(frozen=True)
class Fate:
    """What happens to one part's frame."""

    kind: str
    wait_ms: float
    """To the next part."""
    takes_ms: float


_FATES = st.builds(
    Fate,
    st.sampled_from(["whole"] * 6 + ["lost", "broken", "never", "restart"]),
    st.floats(41, 90),
    st.floats(1, 39),
)


@given(st.lists(_FATES, min_size=1, max_size=60))
def test_a_fired_camera_never_gives_a_part_the_frame_of_another(fates: list[Fate]) -> None:
    """`never`: the camera ignored that it was fired, and its count does not show it."""
    matcher: Matcher = CountMatcher(40 * _MS)
    number, now, settled = 0, 0.0, set[int]()
    for part, fate in enumerate(fates, 1):
        if fate.kind == "restart" or not matcher.is_in_step:
            settled.update(matcher.restarted().lost)
            number = 0
        matched = matcher.expect(part, round(now * _MS))
        settled.update(matched.lost)
        if part not in matched.lost and fate.kind != "never":
            number += 1
            if fate.kind == "broken":
                matched = matcher.broke(number)
            elif fate.kind != "lost":
                matched = matcher.arrived(frame(number, now + fate.takes_ms, shows=part))
            for owner, given_frame in matched.frames:
                assert given_frame.part_id == str(owner)
                assert owner not in settled
                settled.add(owner)
            settled.update(matched.lost)
        now += fate.wait_ms
    settled.update(matcher.give_up(len(fates)).lost)
    settled.update(matcher.restarted().lost)
    assert settled == set(range(1, len(fates) + 1))
