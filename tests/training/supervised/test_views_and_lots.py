"""What covers each pixel is known, and crops of an epoch are the same whenever they are drawn."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.small_parts import SIZE
from tests.training.supervised.marked_parts import PLACES, marked_folder

from keenline.annotation import Annotation, BoxShape
from keenline.data.dataset import Dataset
from keenline.data.importers import open_dataset
from keenline.errors import Code, ImageError, TrainingError
from keenline.inference.framing import Framing, framing_for
from keenline.models.base import silent
from keenline.training.supervised.labelled_views import GOOD_PIXEL, LabelledViews
from keenline.training.supervised.left_out import left_out
from keenline.training.supervised.lots import Lots

CLASSES = ["dent", "scratch"]
DENT, SCRATCH = 1, 2


@pytest.fixture(scope="module")
def marked(tmp_path_factory) -> Dataset:
    return open_dataset(marked_folder(tmp_path_factory.mktemp("marked")))


def framing(**more: object) -> Framing:
    wanted = {"size": "native", "auto_side": 384, "multiple": 16, "tile": 512, "overlap": 0}
    return framing_for([SIZE], **wanted | {"bit_depth": None} | more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def views(marked) -> LabelledViews:
    return LabelledViews(marked.samples, CLASSES, framing(), silent)


def lots(views: LabelledViews, **more: object) -> Lots:
    return Lots(views, **{"seed": 3, "crop": 48, "crops": 60} | more)  # type: ignore[arg-type]


def test_every_pixel_has_the_number_of_what_covers_it(views):
    seen = {views.samples[known.sample].label: views.view(known) for known in views.known}
    at = PLACES[5]
    assert seen["dent"].numbers[at[1], at[0]] == DENT
    assert seen["scratch"].numbers[at[1], at[0] + 1] == SCRATCH
    assert (seen["dent"].numbers > 0).mean() < 0.05
    assert not seen["good"].numbers.any()
    assert seen["dent"].pixels.shape[:2] == seen["dent"].numbers.shape == (64, 96)
    shown = Counter(tuple(known.shown) for known in views.known)
    assert shown == {(): 12, (DENT,): 6, (SCRATCH,): 6}


def test_the_smaller_mark_counts_where_two_lie_on_each_other(marked):
    sample = replace(
        marked.defects[0],
        mask=None,
        marks=(
            Annotation("dent", BoxShape(12, 12, 8, 8)),
            Annotation("scratch", BoxShape(2, 2, 60, 40)),
        ),
    )
    view = LabelledViews([sample], CLASSES, framing(), silent)
    numbers = view.view(view.known[0]).numbers
    assert numbers[15, 15] == DENT
    assert numbers[30, 30] == SCRATCH
    assert numbers[60, 90] == GOOD_PIXEL


def test_a_defect_that_nobody_marked_is_left_out_and_told(marked):
    bare = replace(marked.defects[0], mask=None)
    found = LabelledViews([bare, *marked.good], CLASSES, framing(), silent)
    assert [skipped.path for skipped in found.skipped] == [bare.image]
    assert found.skipped[0].error.code is Code.MASK_MISSING
    assert len(found.samples) == 12


def test_some_samples_are_the_same_views(views):
    chosen = np.array([sample.label == "scratch" for sample in views.samples])
    some = views.only(chosen)
    assert {sample.label for sample in some.samples} == {"scratch"}
    assert {known.sample for known in some.known} == set(range(6))
    assert all(some.view(known).numbers.max() == SCRATCH for known in some.known)


def test_what_does_not_fit_into_memory_is_read_again(marked, views):
    again = LabelledViews(marked.samples, CLASSES, framing(), silent, room=0)
    for one, other in zip(views.known, again.known, strict=True):
        np.testing.assert_array_equal(views.view(one).numbers, again.view(other).numbers)


def test_the_share_of_defects_is_that_of_the_views_that_show_some(views):
    one = views.only(np.array([s.image.stem == "0" and s.label == "dent" for s in views.samples]))
    assert one.share_of_defects() == pytest.approx(113 / (96 * 64), rel=0.2)
    good = views.only(np.array([s.is_good for s in views.samples]))
    assert good.share_of_defects() == 0


def test_a_seed_and_an_epoch_make_the_same_crops(views):
    one, other = lots(views, brightness=0.2), lots(views, brightness=0.2)
    for place in (0, 7, 59):
        for first, second in zip(one[place], other[place], strict=True):
            np.testing.assert_array_equal(first, second)
    other.epoch = 1
    assert any((one[place][0] != other[place][0]).any() for place in range(5))
    assert any((one[place][0] != lots(views, seed=4)[place][0]).any() for place in range(5))


def test_half_of_the_crops_show_a_defect_each_class_as_often(marked):
    # Six dents and one scratch: the one is drawn as often as the six.
    few = [s for s in marked.samples if s.label != "scratch" or s.image.stem == "0"]
    found = lots(LabelledViews(few, CLASSES, framing(), silent), crops=400)
    shown = Counter(int(found[place][1].max()) for place in range(400))
    assert 70 < shown[SCRATCH] < 130
    assert 70 < shown[DENT] < 130
    assert shown[GOOD_PIXEL] > 140


def test_crops_have_one_size_also_where_a_view_is_smaller(views):
    pixels, numbers = lots(views, crop=80)[0]
    assert pixels.shape == (80, 80, 3)
    assert pixels.dtype == np.uint8
    assert numbers.shape == (80, 80)
    assert numbers.dtype == np.int64


def test_an_epoch_ends_and_its_length_follows_the_defects(views):
    assert len(lots(views, crops=None)) == 64  # the fewest: 12 views of defects times 4 is less
    with pytest.raises(IndexError):
        lots(views)[60]


def test_a_file_that_has_gone_in_the_middle_is_passed_over(tmp_path):
    folder = marked_folder(tmp_path / "marked")
    found = LabelledViews(open_dataset(folder).samples, CLASSES, framing(), silent, room=0)
    (folder / "good" / "000.png").unlink()
    (folder / "dent" / "1.png").write_bytes(b"no image any more")
    drawn = lots(found, crops=150)
    assert all(drawn[place][0].shape == (48, 48, 3) for place in range(150))
    assert {found.samples[known.sample].image.name for known in drawn.gone} == {"000.png", "1.png"}
    for path in folder.rglob("*.png"):
        path.unlink()
    with pytest.raises(ImageError):
        [drawn[place] for place in range(150)]


def parts_of(samples: object) -> np.ndarray:
    return np.arange(len(samples))  # type: ignore[arg-type]


def test_a_fifth_of_each_class_is_left_out_and_parts_stay_whole(marked):
    samples = list(marked.samples)
    out = left_out(samples, parts_of(samples), CLASSES, seed=0)
    counts = Counter(sample.label for sample, is_out in zip(samples, out, strict=True) if is_out)
    assert 1 <= counts["dent"] <= 2
    assert 1 <= counts["scratch"] <= 2
    assert 2 <= counts["good"] <= 3
    pairs = np.arange(len(samples)) // 2
    again = left_out(samples, pairs, CLASSES, seed=0)
    assert all(len(set(again[pairs == part])) == 1 for part in np.unique(pairs))
    np.testing.assert_array_equal(again, left_out(samples, pairs, CLASSES, seed=0))


@pytest.mark.parametrize("seed", range(6))
def test_a_class_of_one_part_is_learnt(marked, seed):
    kept = [s for s in marked.samples if s.label != "scratch" or s.image.stem == "0"]
    out = left_out(kept, parts_of(kept), CLASSES, seed)
    scratch = next(place for place, sample in enumerate(kept) if sample.label == "scratch")
    assert not out[scratch]


def test_one_good_part_is_too_few(marked):
    kept = [*marked.defects, marked.good[0]]
    with pytest.raises(TrainingError) as caught:
        left_out(kept, parts_of(kept), CLASSES, seed=0)
    assert caught.value.code is Code.TOO_FEW_IMAGES


def test_tiles_are_views(tmp_path: Path, marked):
    tiled = LabelledViews(marked.samples, CLASSES, framing(tile=48, overlap=16), silent)
    assert len(tiled.known) > len(marked.samples)
    assert {known.shown for known in tiled.known} == {
        frozenset(),
        frozenset({DENT}),
        frozenset({SCRATCH}),
    }
