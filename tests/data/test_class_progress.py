"""How far a dataset is, class by class, and what to photograph next."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from keenline.annotation import Annotation
from keenline.data.class_progress import capture_list, progress
from keenline.data.dataset_version import DatasetVersion, Provenance, VersionSample


def sample(number: int, label: str, **said: str) -> VersionSample:
    path, content = f"{label}/{number}.png", f"{label} {number}"
    return VersionSample(path, content, label, "train", str(number), Provenance(**said))


def version(*samples: VersionSample) -> DatasetVersion:
    return DatasetVersion(".", samples, datetime(2026, 1, 1, tzinfo=UTC), "Ana")


def dents(number: int, **said: str) -> list[VersionSample]:
    return [sample(place, "dent", **said) for place in range(number)]


@pytest.mark.parametrize(
    ("images", "goal", "missing"),
    [(1, 30, 29), (29, 30, 1), (30, 50, 20), (49, 50, 1), (50, 500, 450), (500, None, 0)],
)
def test_the_next_goal(images: int, goal: int | None, missing: int) -> None:
    (dent,) = progress(version(*dents(images)))
    assert (dent.images, dent.goal, dent.to_capture) == (images, goal, missing)


def test_copies_count_once_and_views_of_one_part_are_one_group() -> None:
    first = VersionSample("a.png", "same", "dent", "train", "P1")
    copy = VersionSample("b.png", "same", "dent", "train", "P1")
    view = VersionSample("c.png", "other", "dent", "train", "P1")
    (dent,) = progress(version(first, copy, view))
    assert (dent.images, dent.groups) == (2, 1)


def test_an_image_counts_for_each_class_it_shows() -> None:
    marks = (Annotation("dent"), Annotation("scratch"))
    both = VersionSample("a.png", "a", "dent", "seeded", "a", marks=marks)
    found = progress(version(both, sample(1, "good")))
    assert [(each.name, each.images) for each in found] == [
        ("good", 1),
        ("dent", 1),
        ("scratch", 1),
    ]
    assert dict(found[2].splits) == {"train": 0, "validation": 0, "seeded": 1, "acceptance": 0}


def test_what_is_missing_in_a_lot_or_a_light() -> None:
    made = version(
        *dents(40, lot="L1", light="ring"),
        *(sample(place, "good", lot=f"L{place % 2 + 1}", light="dome") for place in range(60)),
    )
    wanted = capture_list(progress(made))
    assert wanted[:3] == [
        "dent: 10 more, to have 50",
        "dent: none of lot L2",
        "dent: none of light dome",
    ]
    assert "good: none of light ring" in wanted
    assert not any("session" in line for line in wanted)  # nobody says a session


def test_a_dataset_of_one_lot_asks_for_another() -> None:
    wanted = capture_list(progress(version(*dents(600, lot="L1"))))
    assert wanted == ["dent: all of lot L1; take another"]


def test_images_whose_lot_nobody_said_are_counted_apart() -> None:
    (dent,) = progress(version(*dents(3, lot="L1"), sample(9, "dent")))
    (spread,) = dent.spreads
    assert (spread.counts, spread.unknown, spread.missing) == ((("L1", 3),), 1, ())
