"""Marks and masks become defects one by one, in views, tiles and crops; anchors fit them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.small_parts import save_image
from tests.training.supervised.marked_parts import save_mask

from keenline.annotation import Annotation, BoxShape, PolygonShape, Shape
from keenline.inference.framing import Framing, framing_for
from keenline.models.base import silent
from keenline.training.supervised.instances.anchors import anchors_for
from keenline.training.supervised.instances.marked import (
    Instance,
    InstanceView,
    InstanceViews,
    clipped,
)
from keenline.types import Sample

SIZE = (96, 64)


def framing(size: int | str = "native", tile: int = 448) -> Framing:
    return framing_for(
        [SIZE, SIZE],
        size=size,
        auto_side=448,
        multiple=16,
        tile=tile,
        overlap=16,
        bit_depth=None,
    )


def sample(folder: Path, *marks: tuple[str, Shape], mask: np.ndarray | None = None) -> Sample:
    path = folder / "part.png"
    save_image(path, np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))
    if mask is not None:
        save_mask(folder / "mask.png", mask)
    return Sample(
        path,
        "dent",
        mask=None if mask is None else folder / "mask.png",
        marks=tuple(Annotation(name, shape) for name, shape in marks),
    )


def seen(views: InstanceViews) -> list[tuple[Instance, ...]]:
    found = []
    for known in views.known:
        view = views.view(known)
        assert isinstance(view, InstanceView)
        found.append(view.instances)
    return found


def test_every_mark_is_one_and_a_box_has_no_outline(tmp_path):
    triangle = PolygonShape((((10.0, 10.0), (30.0, 10.0), (10.0, 30.0)),))
    over_it = BoxShape(5, 5, 40, 30)
    one = sample(
        tmp_path, ("dent", triangle), ("scratch", over_it), ("dent", BoxShape(60, 40, 8, 4))
    )
    ((first, second, third),) = seen(InstanceViews([one], ["dent", "scratch"], framing(), silent))
    assert (first.number, second.number, third.number) == (1, 2, 1)
    assert first.box == (10, 10, 30, 30) or first.box == (10, 10, 29, 29)
    assert first.mask is not None
    assert 0.45 < first.mask.mean() < 0.55
    assert second.box == (5, 5, 45, 35)
    assert third.box == (60, 40, 68, 44)
    assert second.mask is None
    assert third.mask is None


def test_each_connected_piece_of_a_mask_is_one_and_specks_are_none(tmp_path):
    mask = np.zeros((SIZE[1], SIZE[0]), bool)
    mask[5:15, 5:25] = True
    mask[5:15, 27:30] = True  # a crack of two pixels does not part it
    mask[40:50, 60:70] = True
    mask[60, 90] = True
    ((first, second),) = seen(
        InstanceViews([sample(tmp_path, mask=mask)], ["dent"], framing(), silent)
    )
    assert first.box == (5, 5, 30, 15)
    assert first.mask is not None
    assert not first.mask[:, 20:22].any()
    assert second.box == (60, 40, 70, 50)


def test_a_speck_alone_is_one(tmp_path):
    mask = np.zeros((SIZE[1], SIZE[0]), bool)
    mask[60, 90] = True
    ((only,),) = seen(InstanceViews([sample(tmp_path, mask=mask)], ["dent"], framing(), silent))
    assert only.box == (90, 60, 91, 61)


def test_boxes_follow_a_change_of_size_and_tiles_that_show_a_corner_do_not_count(tmp_path):
    one = sample(tmp_path, ("dent", BoxShape(20, 20, 20, 20)))
    doubled = round((SIZE[0] * SIZE[1]) ** 0.5 * 2)
    ((only,),) = seen(InstanceViews([one], ["dent"], framing(doubled), silent))
    assert only.box == pytest.approx((40, 40, 80, 80), abs=1)
    tiled = framing(tile=48)
    views = InstanceViews([one], ["dent"], tiled, silent)
    by_tile = seen(views)
    assert len(by_tile) > 2
    places = tiled.frame(np.zeros((SIZE[1], SIZE[0], 3), np.uint8)).places
    for place, found in zip(places, by_tile, strict=True):
        wide, high = (max(0, min(start + 48, 40) - max(start, 20)) for start in (place.x, place.y))
        assert len(found) == (wide * high >= 0.25 * 400)


@pytest.mark.parametrize("outlined", [True, False])
def test_what_a_crop_shows_of_one(outlined):
    mask = np.zeros((10, 20), bool)
    mask[:, :10] = True  # its right half is empty
    whole = Instance(3, (20, 30, 40, 40), mask if outlined else None)
    inside = clipped(whole, 10, 10, 90, 90)
    assert inside is not None
    assert inside.box == ((10, 20, 20, 30) if outlined else (10, 20, 30, 30))
    half = clipped(whole, 25, 0, 89, 64)
    assert half is not None
    assert half.box == ((0, 30, 5, 40) if outlined else (0, 30, 15, 40))
    assert clipped(whole, 37, 0, 101, 64) is None
    assert clipped(whole, 50, 0, 114, 64) is None
    if outlined:
        assert half.mask is not None
        assert half.mask.shape == (10, 5)
        assert half.mask.all()


def test_anchors_cover_the_boxes_there_are():
    rng = np.random.default_rng(0)
    sides = np.exp(rng.uniform(np.log(10), np.log(120), 200))
    ratios = np.exp(rng.normal(0, 0.7, 200))
    width, height = sides / np.sqrt(ratios), sides * np.sqrt(ratios)
    boxes = np.stack([0 * sides, 0 * sides, width, height], axis=1).astype(np.float32)
    anchors = anchors_for(boxes, 4)
    assert len(anchors.sizes) == 4
    flat = [size for level in anchors.sizes for size in level]
    assert flat == sorted(flat)
    assert len({len(level) for level in anchors.sizes}) == 1
    best = np.zeros(len(boxes))
    for size in flat:
        for ratio in anchors.ratios:
            wide, high = size / ratio**0.5, size * ratio**0.5
            shared = np.minimum(width, wide) * np.minimum(height, high)
            best = np.maximum(best, shared / (width * height + wide * high - shared))
    assert np.quantile(best, 0.1) > 0.5
    # One box is enough, and squares need no other shape.
    one = anchors_for(np.array([[0, 0, 30, 30]], np.float32), 3)
    assert one.ratios == (1.0,)
    assert min(min(level) for level in one.sizes) < 30 < max(max(level) for level in one.sizes)
