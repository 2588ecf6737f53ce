"""Shapes as pixels: against another rasteriser, against the plain definition, and back again."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt
from skimage.draw import polygon2mask

from keenline.annotation import (
    BoxShape,
    EllipseShape,
    MaskShape,
    PolygonShape,
    PolylineShape,
)
from keenline.data.rasterise import bounds, mask_of, polygon_of, shape_of

SIZE = (40, 30)
CENTRES = np.stack(np.meshgrid(np.arange(40) + 0.5, np.arange(30) + 0.5), axis=2)

number = st.floats(-10, 50, allow_nan=False, width=32)
point = st.tuples(number, number)
exact = st.integers(-640, 3200).map(lambda value: value / 64)
"""Moving it by whole pixels rounds nothing."""
ring = st.lists(point, min_size=3, max_size=9).map(tuple)
length = st.floats(0.125, 40, width=32)
angle = st.floats(-360, 360, width=32)
pictures = arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(ring)
def test_a_polygon_marks_what_another_rasteriser_marks_away_from_its_edges(corners):
    ours = mask_of(PolygonShape((corners,)), SIZE)
    # The other one takes (row, column) with a pixel's centre at whole numbers.
    theirs = polygon2mask((30, 40), np.array(corners)[:, ::-1] - 0.5)
    near = np.zeros((30, 40), np.bool_)
    for start, end in zip(corners, (*corners[1:], corners[0]), strict=True):
        near |= distance_to(start, end) < 1e-3
    assert np.array_equal(ours[~near], theirs[~near])


@given(st.integers(-3, 20), st.integers(-3, 20), st.integers(1, 20), st.integers(1, 20))
def test_a_box_of_whole_pixels_marks_just_those(x, y, width, height):
    mask = mask_of(BoxShape(x, y, width, height), SIZE)
    expected = np.zeros((30, 40), np.bool_)
    expected[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = True
    assert np.array_equal(mask, expected)


@given(st.floats(1, 39), st.floats(1, 29))
def test_boxes_side_by_side_share_no_pixel_and_leave_none_out(x, y):
    parts = [
        BoxShape(0, 0, x, y),
        BoxShape(x, 0, 40 - x, y),
        BoxShape(0, y, x, 30 - y),
        BoxShape(x, y, 40 - x, 30 - y),
    ]
    assert np.all(sum(mask_of(part, SIZE).astype(int) for part in parts) == 1)


@given(number, number, length, length, angle)
def test_an_ellipse_is_its_equation_and_its_polygon_is_close(x, y, across, down, turn):
    shape = EllipseShape(x, y, across, down, turn)
    radians = np.deg2rad(turn)
    offset = CENTRES - (x, y)
    along = offset[..., 0] * np.cos(radians) + offset[..., 1] * np.sin(radians)
    aside = offset[..., 1] * np.cos(radians) - offset[..., 0] * np.sin(radians)
    value = (along / across) ** 2 + (aside / down) ** 2
    mask = mask_of(shape, SIZE)
    clear = np.abs(value - 1) > 1e-6
    assert np.array_equal(mask[clear], (value <= 1)[clear])
    outline = mask_of(polygon_of(shape), SIZE)
    assert not np.any(outline[value > 1 + 1e-6])
    assert np.all(outline[value < 0.99])


@given(number, number, length, length, angle)
def test_a_turned_box_is_its_inequality(x, y, width, height, turn):
    shape = BoxShape(x, y, width, height, turn)
    radians = np.deg2rad(turn)
    offset = CENTRES - (x + width / 2, y + height / 2)
    along = np.abs(offset[..., 0] * np.cos(radians) + offset[..., 1] * np.sin(radians)) - width / 2
    aside = np.abs(offset[..., 1] * np.cos(radians) - offset[..., 0] * np.sin(radians)) - height / 2
    beyond = np.maximum(along, aside)
    clear = np.abs(beyond) > 1e-4
    assert np.array_equal(mask_of(shape, SIZE)[clear], (beyond < 0)[clear])


def test_angles_turn_clockwise_on_the_screen():
    mask = mask_of(BoxShape(5, 14, 30, 2, 45), SIZE)
    rows, columns = np.nonzero(mask)
    assert np.corrcoef(rows, columns)[0, 1] > 0.9


@given(st.lists(point, min_size=2, max_size=5).map(tuple), st.floats(0.5, 9))
def test_a_polyline_marks_what_is_near_and_what_it_passes(points, width):
    mask = mask_of(PolylineShape(points, width), SIZE)
    near = np.min([distance_to(*piece) for piece in itertools.pairwise(points)], axis=0)
    assert np.all(mask[near < width / 2 - 1e-3])
    # A pixel it passes through has its centre within half a diagonal.
    assert not np.any(mask[near > max(width / 2, 0.5**0.5) + 1e-3])
    for start, end in itertools.pairwise(points):
        for share in np.linspace(0, 1, 7):
            x, y = np.add(start, share * np.subtract(end, start))
            inside = 0 <= x < 40 and 0 <= y < 30 and min(x % 1, y % 1) > 1e-3
            if inside and max(x % 1, y % 1) < 1 - 1e-3:
                assert mask[int(y), int(x)]


def distance_to(start, end):
    """Of each pixel's centre from a straight piece."""
    run = np.subtract(end, start)
    squared = float(run @ run)
    share = (
        np.clip(((CENTRES - start) @ run) / squared, 0, 1) if squared > 0 else np.zeros((30, 40))
    )
    return np.linalg.norm(CENTRES - (start + share[..., None] * run), axis=2)


def test_a_line_far_beyond_the_image_is_drawn_without_its_length():
    shape = PolylineShape(((-9e6, -9e6), (9e6, 9e6)), 1.0)
    start = time.process_time()
    mask = mask_of(shape, SIZE)
    assert time.process_time() - start < 1
    assert np.array_equal(np.diagonal(mask), np.ones(30, np.bool_))
    assert np.array_equal(mask_of(polygon_of(shape, SIZE), SIZE), mask)
    assert polygon_of(shape) == PolygonShape(())


def test_what_has_no_size_marks_nothing():
    assert not mask_of(EllipseShape(5, 5, 0, 3), SIZE).any()
    assert not mask_of(BoxShape(5, 5, 0, 3), SIZE).any()
    assert not mask_of(PolygonShape(()), SIZE).any()


def test_a_pixel_row_is_drawn_by_a_line_without_width():
    mask = mask_of(PolylineShape(((3.2, 7.5), (9.9, 7.5)), 0.0), SIZE)
    assert np.argwhere(mask).tolist() == [[7, column] for column in range(3, 10)]


@given(pictures, st.integers(0, 9), st.integers(0, 9))
def test_a_mask_comes_back_as_it_went(picture, x, y):
    shape = shape_of(picture, x, y)
    whole = np.zeros((30, 40), np.bool_)
    whole[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    assert np.array_equal(mask_of(shape, SIZE), whole)
    assert sum(shape.runs) == shape.width * shape.height
    assert all(run > 0 for run in shape.runs[1:])


def test_a_mask_beyond_the_image_is_cut():
    shape = shape_of(np.ones((4, 4), np.bool_), -2, 28)
    mask = mask_of(shape, SIZE)
    assert np.argwhere(mask).tolist() == [[28, 0], [28, 1], [29, 0], [29, 1]]


@settings(max_examples=400)
@given(pictures)
def test_the_outline_of_a_mask_marks_the_same_pixels(picture):
    shape = shape_of(picture, 3, 2)
    outline = polygon_of(shape)
    assert np.array_equal(mask_of(outline, SIZE), mask_of(shape, SIZE))


def test_a_hole_within_a_ring_within_a_hole_is_kept():
    edge = distance_transform_edt(np.pad(np.ones((19, 21), np.bool_), 1))
    picture = (edge.astype(int) % 2) == 1
    shape = shape_of(picture)
    outline = polygon_of(shape)
    assert np.array_equal(mask_of(outline, SIZE), mask_of(shape, SIZE))
    assert len(outline.rings) == 5


@given(st.lists(st.tuples(exact, exact), min_size=2, max_size=4).map(tuple), st.floats(0.5, 9))
def test_the_outline_of_a_polyline_marks_the_same_pixels(points, width):
    shape = PolylineShape(points, width)
    assert np.array_equal(mask_of(polygon_of(shape), SIZE), mask_of(shape, SIZE))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (BoxShape(1, 2, 3, 4), (1, 2, 4, 6)),
        (BoxShape(0, 0, 4, 2, 90), (1, -1, 3, 3)),
        (PolygonShape((((1, 1), (4, 1), (2, 5)), ((8, 0), (9, 0), (9, 1)))), (1, 0, 9, 5)),
        (PolylineShape(((1, 1), (5, 3)), 2.0), (0, 0, 6, 4)),
        (EllipseShape(10, 10, 4, 2, 90), (8, 6, 12, 14)),
        (MaskShape(3, 4, 3, 2, (1, 1, 2, 1, 1)), (4, 4, 5, 6)),
        (MaskShape(3, 4, 3, 2, (6,)), (3, 4, 6, 6)),
    ],
)
def test_bounds(shape, expected):
    assert bounds(shape) == pytest.approx(expected)


@given(number, number, length, length, angle)
def test_nothing_is_marked_beyond_the_bounds(x, y, width, height, turn):
    for shape in (BoxShape(x, y, width, height, turn), EllipseShape(x, y, width, height, turn)):
        left, upper, right, lower = bounds(shape)
        marked = CENTRES[mask_of(shape, SIZE)]
        assert np.all(marked >= np.array([left, upper]) - 1e-6)
        assert np.all(marked <= np.array([right, lower]) + 1e-6)


def test_a_hundred_polygons_on_five_megapixels_take_seconds():
    random = np.random.default_rng(1)
    turns = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    shapes = []
    for _ in range(100):
        radius = random.uniform(50, 150) * random.uniform(0.7, 1, 60)
        x, y = random.uniform(0, 2592), random.uniform(0, 1944)
        corners = zip(x + radius * np.cos(turns), y + radius * np.sin(turns), strict=True)
        shapes.append(PolygonShape((tuple((float(a), float(b)) for a, b in corners),)))
    start = time.process_time()
    marked = np.zeros((1944, 2592), np.bool_)
    for shape in shapes:
        marked |= mask_of(shape, (2592, 1944))
    assert marked.any()
    assert time.process_time() - start < 5  # 0.3 s on two slow cores; a loop over pixels: minutes
