"""Answers of many bundles become one estimate: counted by part, with bounds that were known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keenline.evaluation.cross_validation import NOTHING, STRANGE, Judged, pooled
from keenline.types import GOOD, Verdict


def judged(
    name: str,
    shows: str = "",
    certain: Mapping[str, float] | None = None,
    *,
    part: str = "",
    anomaly: float = 0.5,
    verdict: Verdict | None = None,
) -> Judged:
    """An image of `part`, or of a part of its own; a class counts above 0.5."""
    scores = {"dent": 0.1, "pit": 0.1} if certain is None else certain
    alarmed = anomaly > 1 or any(score > 0.5 for score in scores.values())
    return Judged(
        image=Path(name),
        part=part or name,
        shows=frozenset(shows.split()),
        certain=scores,
        limits=dict.fromkeys(scores, 0.5),
        anomaly=anomaly,
        verdict=verdict or (Verdict.REVIEW if alarmed else Verdict.PASS),
    )


MIX = (
    judged("d1", "dent", {"dent": 0.9, "pit": 0.2}),
    judged("d2", "dent", {"dent": 0.2, "pit": 0.8}),
    judged("d3", "dent", {"dent": 0.3, "pit": 0.1}, anomaly=1.5),
    judged("d4", "dent", {"dent": 0.05, "pit": 0.1}),
    judged("p1", "pit", {"dent": 0.1, "pit": 0.7}),
    judged("g1", "", {"dent": 0.6, "pit": 0.0}),
    judged("g2", "", anomaly=2.0),
    judged("g3"),
    judged("g4"),
)


def test_recall_and_precision_are_counted_over_all_turns():
    found = pooled(MIX)
    dent, pit = found.classes
    assert (dent.recall.events, dent.recall.n) == (1, 4)
    assert (dent.precision.events, dent.precision.n) == (1, 2)
    assert (dent.flagged.events, dent.flagged.n) == (3, 4)
    assert (pit.recall.events, pit.recall.n) == (1, 1)
    assert (pit.precision.events, pit.precision.n) == (1, 2)
    assert (found.recall.events, found.recall.n) == (2, 5)
    assert (found.flagged.events, found.flagged.n) == (4, 5)
    assert (found.false_alarms.events, found.false_alarms.n) == (2, 4)
    assert (found.class_alarms.events, found.class_alarms.n) == (1, 4)
    # 1 of 4: P(X >= 1 | p) = 0.05 at p = 1 - 0.95 ** (1 / 4)
    assert dent.recall.lower95 == pytest.approx(1 - 0.95**0.25)
    # 0 of n is exceeded by nothing: 0.05 ** (1 / n) is the rate at which all would pass
    assert pooled(MIX[7:]).false_alarms.upper95 == pytest.approx(1 - 0.05**0.5)


def test_average_precision_is_that_of_the_pooled_ranking():
    found = pooled(MIX)
    # highest confidences: 0.9 d1, 0.8 d2, 0.7 p1, 0.6 g1, 0.3 d3, 0.1 for d4 and three good ones
    assert found.average_precision == pytest.approx((1 + 1 + 1 + 4 / 5 + 5 / 9) / 5)


def test_what_was_taken_for_what():
    confusion = pooled(MIX).confusion
    assert confusion["dent"] == {"dent": 1, "pit": 1, STRANGE: 1, NOTHING: 1}
    assert confusion["pit"] == {"dent": 0, "pit": 1, STRANGE: 0, NOTHING: 0}
    assert confusion[GOOD] == {"dent": 1, "pit": 0, STRANGE: 1, NOTHING: 2}


def test_the_worst_miss_is_listed_first():
    missed = pooled(MIX).missed
    assert [(each.image.name, each.said) for each in missed] == [
        ("d4", NOTHING),
        ("d2", "pit"),
        ("d3", STRANGE),
    ]
    assert (missed[0].confidence, missed[0].limit) == (0.05, 0.5)


def test_images_of_one_part_are_one_trial():
    twice = [
        judged("a", "dent", {"dent": 0.9}, part="7"),
        judged("b", "dent", {"dent": 0.1}, part="7"),
        judged("c", "", {"dent": 0.1}, part="8"),
        judged("d", "", {"dent": 0.9}, part="8"),
    ]
    found = pooled(twice)
    assert (found.images, found.parts) == (4, 2)
    assert (found.classes[0].recall.events, found.classes[0].recall.n) == (1, 1)
    assert (found.false_alarms.events, found.false_alarms.n) == (1, 1)
    assert (found.classes[0].precision.events, found.classes[0].precision.n) == (1, 2)
    assert [each.image.name for each in found.missed] == ["b"]


def test_a_class_that_the_bundle_could_not_know_was_not_tried():
    found = pooled([judged("p", "pit", {"dent": 0.9}), judged("d", "dent", {"dent": 0.9})])
    _, pit = found.classes
    assert (pit.parts, pit.recall.n, pit.recall.value, pit.recall.lower95) == (1, 0, None, 0.0)
    assert (pit.flagged.events, pit.flagged.n) == (1, 1)
    assert pit.average_precision is None
    assert found.recall.n == 1
    assert [(each.image.name, each.confidence) for each in found.missed] == [("p", None)]


def test_an_image_that_could_not_be_inspected_counts_nowhere():
    broken = judged("x", "dent", {}, verdict=Verdict.INVALID)
    found = pooled([*MIX, broken])
    assert [each.image.name for each in found.invalid] == ["x"]
    assert replace(found, images=9, parts=9, invalid=()) == pooled(MIX)


scores = st.floats(0, 1)
images = st.builds(
    lambda number, part, shows, dent, pit, anomaly: judged(
        f"{number}", shows, {"dent": dent, "pit": pit}, part=f"{part}", anomaly=anomaly
    ),
    st.integers(0, 10**6),
    st.integers(0, 8),
    st.sampled_from(["", "dent", "pit", "dent pit"]),
    scores,
    scores,
    st.floats(0, 3),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(images, max_size=20, unique_by=lambda each: each.image), st.randoms())
def test_neither_the_order_nor_the_dealing_of_answers_counts(answers, random):
    found = pooled(answers)
    shuffled = list(answers)
    random.shuffle(shuffled)
    assert pooled(shuffled) == found
    for row, true in ((found.confusion[name], name) for name in found.confusion):
        wanted = sum(true in (each.shows or {GOOD}) for each in answers)
        assert sum(row.values()) == wanted
    for each in found.classes:
        assert each.recall.events <= each.flagged.events <= each.parts
        assert each.recall.lower95 <= (each.recall.value or 0)
    assert len(found.missed) == sum(len(each.shows - set(each.named)) for each in answers)
