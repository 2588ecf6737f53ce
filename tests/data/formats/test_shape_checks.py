"""What is wrong with a mark, and what is left of it."""

from __future__ import annotations

import time
from math import inf, nan

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keenline.annotation import (
    BoxShape,
    EllipseShape,
    MaskShape,
    PolygonShape,
    PolylineShape,
)
from keenline.data.formats.shape_checks import fault_of
from keenline.data.rasterise import bounds, mask_of
from keenline.data.ring_geometry import clipped, crosses_itself, has_area, tidied
from keenline.errors import Code

SIZE = (40, 30)
number = st.floats(-60, 90, width=32)
point = st.tuples(number, number)
ring = st.lists(point, min_size=3, max_size=8).map(tuple)
shapes = st.one_of(
    st.builds(BoxShape, number, number, number, number, st.sampled_from([0.0, 0.0, 33.0])),
    st.lists(ring, min_size=1, max_size=3).map(lambda rings: PolygonShape(tuple(rings))),
    st.builds(PolylineShape, st.lists(point, min_size=1, max_size=4).map(tuple)),
    st.builds(EllipseShape, number, number, number, number, number),
)


def faults(shape, size=SIZE):
    kept, told = fault_of(shape, size)
    assert (kept is None) == any(fault.is_dropped for fault in told)
    return [fault.code for fault in told]


@pytest.mark.parametrize(
    "shape",
    [
        BoxShape(1, 1, 0, 5),
        BoxShape(1, 1, 5, -2),
        BoxShape(1, 1, 5, 0, 45),
        EllipseShape(5, 5, 0, 4),
        EllipseShape(5, 5, 4, -1),
        PolygonShape(()),
        PolygonShape((((1, 1), (5, 5)),)),
        PolygonShape((((1, 1), (5, 5), (9, 9)),)),
        PolygonShape((((1, 1), (5, 1), (5, 1), (1, 1)),)),
        PolygonShape((((0.1, 0.1), (0.2, 0.2), (0.3, 0.3)),)),
        PolygonShape((((1, 1), (5, 5), (9, 2), (5, 5)),)),
        PolylineShape(((3, 3),)),
        PolylineShape(((3, 3), (3, 3))),
        MaskShape(1, 1, 3, 2, (6,)),
        MaskShape(1, 1, 0, 0, ()),
    ],
)
def test_what_covers_nothing_is_dropped(shape):
    assert faults(shape) == [Code.LABEL_NO_AREA]
    assert faults(shape, None) == [Code.LABEL_NO_AREA]


@pytest.mark.parametrize("value", [nan, inf, -inf, 1e300])
def test_what_is_no_number_of_pixels_is_dropped(value):
    for shape in (
        BoxShape(1, 1, value, 5),
        BoxShape(1, 1, 3, 5, value),
        EllipseShape(value, 5, 1, 4),
        PolygonShape((((1, 1), (5, value), (3, 3)),)),
        PolylineShape(((3, 3), (value, 2))),
    ):
        assert faults(shape, None) == [Code.LABEL_ENTRY]


@pytest.mark.parametrize(
    "shape",
    [
        MaskShape(0, 0, 3, 2, (5,)),
        MaskShape(0, 0, 3, 2, (-1, 7)),
        MaskShape(0, 0, -3, -2, (0, 6)),
        MaskShape(0, 0, 100_000, 100_000, (0, 10_000_000_000)),
    ],
)
def test_a_mask_whose_runs_do_not_fit_is_dropped(shape):
    assert faults(shape) == [Code.LABEL_ENTRY]


@pytest.mark.parametrize(
    "shape",
    [
        BoxShape(40, 5, 3, 3),
        BoxShape(-9, 5, 9, 3),
        BoxShape(50, 40, 5, 5, 45),
        EllipseShape(50, 10, 5, 5),
        EllipseShape(-4, -4, 5, 5),
        PolygonShape((((50, 1), (60, 1), (55, 9)),)),
        # Around the corner: the rectangle around it meets the image, the triangle does not.
        PolygonShape((((45, 20), (60, 20), (20, 45)),)),
        PolylineShape(((-5, -9), (50, -9)), 3.0),
        PolylineShape(((50, 20), (30, 45)), 1.0),
        PolylineShape(((50, 5), (50, 25)), 1.0),
        MaskShape(40, 5, 2, 2, (0, 4)),
        MaskShape(39, 5, 2, 1, (1, 1)),
    ],
)
def test_what_lies_outside_is_dropped(shape):
    assert faults(shape) == [Code.LABEL_OUTSIDE]
    assert faults(shape, None) == []


def test_what_crosses_the_border_is_cut_there():
    box, told = fault_of(BoxShape(-5, 10, 10, 40), SIZE)
    assert box == BoxShape(0, 10, 5, 20)
    assert [(fault.code, fault.is_dropped) for fault in told] == [(Code.LABEL_OUTSIDE, False)]
    assert "20 pixels" in told[0].what
    polygon, told = fault_of(PolygonShape((((30, 10), (50, 10), (50, 20), (30, 20)),)), SIZE)
    assert bounds(polygon) == (30, 10, 40, 20)
    assert [fault.is_dropped for fault in told] == [False]
    mask, told = fault_of(MaskShape(38, 28, 4, 4, (0, 16)), SIZE)
    assert mask == MaskShape(38, 28, 2, 2, (0, 4))
    assert [fault.is_dropped for fault in told] == [False]


def test_what_reaches_less_than_a_pixel_beyond_is_cut_silently():
    assert fault_of(BoxShape(-0.9, 10, 10, 20.5), SIZE) == (BoxShape(0, 10, 9.1, 20), ())
    polygon = PolygonShape((((30, 10), (40.5, 10), (30, 20)),))
    kept, told = fault_of(polygon, SIZE)
    assert bounds(kept)[2] == 40
    assert told == ()


@pytest.mark.parametrize(
    "shape", [EllipseShape(39, 10, 9, 9), BoxShape(30, 5, 18, 4, 30), EllipseShape(0, 0, 5, 3, 20)]
)
def test_what_is_drawn_around_its_middle_may_reach_out(shape):
    assert fault_of(shape, SIZE) == (shape, ())


@pytest.mark.parametrize(
    "shape",
    [
        EllipseShape(43, 10, 9, 9),
        BoxShape(36, 5, 18, 4, 30),
        PolylineShape(((30, 10), (50, 10))),
        PolylineShape(((-20, 10), (60, 12), (70, 70))),
        PolylineShape(((50, 20), (30, 45)), 16.0),
    ],
)
def test_what_cannot_be_cut_is_kept_and_told(shape):
    kept, told = fault_of(shape, SIZE)
    assert kept is shape
    assert [(fault.code, fault.is_dropped) for fault in told] == [(Code.LABEL_OUTSIDE, False)]


def test_a_ring_that_covers_nothing_is_left_out_of_the_others():
    good = ((1.0, 1.0), (9.0, 1.0), (5.0, 9.0))
    kept, told = fault_of(PolygonShape((good, ((2.0, 2.0), (3.0, 3.0)))), SIZE)
    assert kept == PolygonShape((good,))
    assert [(fault.code, fault.is_dropped) for fault in told] == [(Code.LABEL_NO_AREA, False)]


def test_a_first_corner_that_is_repeated_is_left_out_silently():
    closed = PolygonShape((((1, 1), (9, 1), (9, 1), (5, 9), (1, 1)),))
    assert fault_of(closed, SIZE) == (PolygonShape((((1, 1), (9, 1), (5, 9)),)), ())


def test_a_polygon_that_crosses_itself_is_kept():
    bow = PolygonShape((((0, 0), (10, 10), (10, 0), (0, 10)),))
    kept, told = fault_of(bow, SIZE)
    assert kept is bow
    assert [(fault.code, fault.is_dropped) for fault in told] == [(Code.LABEL_CROSSING, False)]


@pytest.mark.parametrize(
    "ring",
    [
        ((0, 0), (10, 0), (10, 10), (0, 10)),
        # Two triangles that touch in one corner.
        ((0, 0), (5, 5), (10, 0), (10, 10), (5, 5), (0, 10)),
        # A square with a hole, joined by a cut without width.
        ((0, 0), (9, 0), (9, 9), (0, 9), (0, 3), (3, 3), (3, 6), (6, 6), (6, 3), (0, 3)),
    ],
)
def test_an_outline_that_touches_itself_does_not_cross(ring):
    assert not crosses_itself(ring)


@given(ring)
def test_crossing_is_what_comparing_every_two_edges_finds(corners):
    edges = list(zip(corners, (*corners[1:], corners[0]), strict=True))
    sides = [
        [turn(a, b, c) * turn(a, b, d), turn(c, d, a) * turn(c, d, b)]
        for place, (a, b) in enumerate(edges)
        for c, d in edges[place + 1 :]
    ]
    assume(all(abs(value) > 1e-3 or value == 0 for pair in sides for value in pair))
    assert crosses_itself(corners) == any(max(pair) < 0 for pair in sides)


def turn(a, b, c):
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def test_a_crossing_is_found_among_thousands_of_corners():
    turns = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    ring = [(float(x), float(y)) for x, y in zip(np.cos(turns), np.sin(turns), strict=True)]
    assert not crosses_itself(ring)
    ring[100], ring[101] = ring[101], ring[100]
    assert crosses_itself(ring)


def test_long_edges_one_above_the_other_are_compared_quickly():
    side = [(float(x), float(y)) for y in range(20_000) for x in ((0, 900), (900, 0))[y % 2]]
    ring = (*side, (-5.0, 20_000.0), (-5.0, 0.0))
    start = time.process_time()
    assert not crosses_itself(ring)
    assert time.process_time() - start < 2


@given(ring)
def test_clipping_changes_nothing_inside(corners):
    kept = clipped(corners, SIZE)
    if not kept:
        return
    left, upper, right, lower = bounds(PolygonShape((kept,)))
    assert min(left, upper) >= 0
    assert right <= 40
    assert lower <= 30
    got = mask_of(PolygonShape((kept,)), SIZE)
    expected = mask_of(PolygonShape((tidied(corners),)), SIZE)
    # Cutting rounds: a centre that lies on an edge may fall to either side.
    assert np.count_nonzero(got != expected) <= 2


@given(shapes)
def test_what_is_kept_covers_something_on_the_image_and_marks_the_same_pixels(shape):
    kept, told = fault_of(shape, SIZE)
    if kept is None:
        assert told
        return
    left, upper, right, lower = bounds(kept)
    assert left < 40
    assert upper < 30
    assert right > 0
    assert lower > 0
    assert np.count_nonzero(mask_of(kept, SIZE) != mask_of(shape, SIZE)) <= 2
    again, told_again = fault_of(kept, SIZE)
    if isinstance(kept, BoxShape):
        assert again == kept
    assert not [fault for fault in told_again if fault.is_dropped]


def test_area_is_told_from_none():
    assert has_area(((0, 0), (1e-3, 0), (0, 1e-3)))
    assert has_area(((0, 0), (10, 10), (10, 0), (0, 10)))
    assert not has_area(((0, 0), (1, 1)))
