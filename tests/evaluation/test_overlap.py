"""Overlaps counted by hand, and partners found where they are."""

from __future__ import annotations

import numpy as np
import pytest
from tests.data.formats.marked_shapes import SHAPES

from keenline.annotation import Annotation, BoxShape, EllipseShape, MaskShape, PolygonShape, Shape
from keenline.data.rasterise import mask_of
from keenline.evaluation.overlap import (
    box_overlap,
    drawn,
    mask_overlap,
    match,
    mean_interval,
    moved,
)

DRAWN = {kind: shape for kind, shape in SHAPES.items() if shape is not None}


def box(x: float, y: float = 0, side: float = 10, name: str = "dent") -> Annotation:
    return Annotation(name, BoxShape(x, y, side, side))


def test_boxes_by_hand() -> None:
    # 5 x 10 of 150 are shared; a box of a quarter of the size inside shares its own area.
    assert box_overlap(BoxShape(0, 0, 10, 10), BoxShape(5, 0, 10, 10)) == pytest.approx(1 / 3)
    assert box_overlap(BoxShape(0, 0, 10, 10), BoxShape(2, 2, 5, 5)) == pytest.approx(1 / 4)
    assert box_overlap(BoxShape(0, 0, 10, 10), BoxShape(10, 0, 10, 10)) == 0
    assert box_overlap(BoxShape(0, 0, 10, 10), None) == 0


def test_masks_by_hand() -> None:
    # A triangle is half of its square; the other half shares nothing but the diagonal.
    square = BoxShape(0, 0, 40, 40)
    triangle = PolygonShape((((0, 0), (40, 0), (0, 40)),))
    assert mask_overlap(square, triangle) == pytest.approx(0.5, abs=0.02)
    assert box_overlap(square, triangle) == 1
    circle = EllipseShape(20, 20, 20, 20)
    assert mask_overlap(square, circle) == pytest.approx(np.pi / 4, abs=0.01)
    dots = MaskShape(0, 0, 2, 1, (0, 1, 1)), MaskShape(0, 0, 2, 1, (0, 2))
    assert mask_overlap(*dots) == 0.5


@pytest.mark.parametrize("first", DRAWN)
@pytest.mark.parametrize("second", DRAWN)
def test_masks_overlap_as_their_pixels_on_the_image_do(first: str, second: str) -> None:
    size = (64, 48)
    one, two = mask_of(DRAWN[first], size), mask_of(DRAWN[second], size)
    want = (one & two).sum() / (one | two).sum()
    assert mask_overlap(DRAWN[first], DRAWN[second]) == pytest.approx(want)


@pytest.mark.parametrize("kind", DRAWN)
def test_a_moved_shape_marks_moved_pixels(kind: str) -> None:
    shape: Shape = DRAWN[kind]
    still = mask_of(shape, (80, 80))
    assert (mask_of(moved(shape, 13, 7), (80, 80))[7:, 13:] == still[:-7, :-13]).all()
    (x, y), (mask,) = drawn([shape])
    assert mask.sum() == still.sum()
    assert (still[y : y + mask.shape[0], x : x + mask.shape[1]] == mask).all()


def test_partners_are_those_with_the_most_overlap_in_all() -> None:
    first = [box(0), box(6)]
    second = [box(5), box(40)]
    # Nearest first would do the same here; the Hungarian method also finds what follows.
    assert [(each.first, each.second) for each in match(first, second)] == [(1, 0)]
    found = match([box(0), box(4)], [box(3), box(-6)])
    assert sorted((each.first, each.second) for each in found) == [(0, 1), (1, 0)]


def test_partners_are_of_one_class_and_touch() -> None:
    assert match([box(0)], [box(0, name="scratch")]) == []
    assert match([box(0)], [box(11)]) == []
    assert match([], [box(0)]) == []
    assert match([Annotation("dent")], [Annotation("dent")]) == []


def test_of_many_overlapping_marks_each_has_one_partner() -> None:
    found = match([box(0)], [box(1), box(2), box(0.5)])
    assert [(each.first, each.second) for each in found] == [(0, 2)]


def test_a_line_across_more_than_any_image_is_compared_by_its_box() -> None:
    huge = PolygonShape((((0, 0), (60_000, 0), (0, 60_000)),))
    assert mask_overlap(huge, PolygonShape((((0, 0), (60_000, 0), (60_000, 60_000)),))) == 1


def test_the_interval_of_a_mean_is_over_images() -> None:
    rng = np.random.default_rng(1)
    values = [rng.uniform(0.6, 1.0, size=1) for _ in range(200)]
    found = mean_interval(values)
    assert found is not None
    low, high = found
    # 1.96 standard errors of 0.4 / sqrt(12) / sqrt(200)
    assert (high - low) / 2 == pytest.approx(1.96 * 0.4 / 12**0.5 / 200**0.5, rel=0.15)
    repeated = mean_interval([np.repeat(each, 9) for each in values])
    assert repeated == pytest.approx(found)  # nine marks on an image are no nine images
    assert mean_interval([np.array([0.5]), np.array([])]) is None
