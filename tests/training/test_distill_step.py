"""One step moves the student towards the teachers, and the average follows it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.training.small_teachers import settings, tiny_teacher

from keenline.data.procedural import procedural_image
from keenline.training.distill_step import Lessons
from keenline.training.teachers import Teachers

pytestmark = pytest.mark.train


@pytest.fixture
def lessons(tmp_path: Path) -> tuple[Lessons, np.ndarray]:
    teachers = Teachers([tiny_teacher(tmp_path)])
    images = np.stack([procedural_image(1, n, side=32) for n in range(4)])
    return Lessons(settings("x"), teachers, teachers.statistics([images])), images


def test_a_batch_that_is_seen_again_and_again_is_learnt(lessons):
    taught, images = lessons
    features = taught.teachers.features(images)
    losses = [taught.learn((images, features), 0.3) for _ in range(80)]
    assert losses[-1] < 0.25 * losses[0]
    assert taught.step == 80


def test_what_is_wild_does_not_rule(lessons):
    taught, images = lessons
    features = taught.teachers.features(images)
    wild = {level: values.copy() for level, values in features.items()}
    wild["s8"][:, :, 0, 0] = 1e6
    assert taught.learn((images, wild), 0.0) < 3 * taught.learn((images, features), 0.0)


def test_the_average_follows_slowly(lessons):
    import torch

    taught, images = lessons
    features = taught.teachers.features(images)

    def distance() -> float:
        pairs = zip(taught.average.parameters(), taught.student.parameters(), strict=True)
        return sum(float((a - b).detach().abs().sum()) for a, b in pairs)

    assert distance() == 0
    start = [p.detach().clone() for p in taught.average.parameters()]
    for _ in range(5):
        taught.learn((images, features), 0.3)
    assert distance() > 0
    pairs = zip(start, taught.average.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)
    behind = distance()
    for _ in range(60):  # at the end of the schedule the rate is 0
        taught.learn((images, features), 1.0)
    assert distance() < 0.3 * behind
