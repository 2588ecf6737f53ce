"""A sample of results that nobody chose and anybody can draw again."""

from __future__ import annotations

import hashlib
import uuid

import numpy as np
import pytest

from keenline.random_sample import draw, is_drawn


def test_the_lot_is_the_beginning_of_the_hash_of_the_id():
    whole = hashlib.sha256(b"a-part").hexdigest()
    assert f"{draw('a-part'):016x}" == whole[:16]


def test_a_sample_draws_its_share_and_the_same_ones_always():
    rng = np.random.default_rng(7)
    ids = [str(uuid.UUID(bytes=rng.bytes(16))) for _ in range(20_000)]
    drawn = [each for each in ids if is_drawn(each, 0.02)]
    assert len(drawn) == pytest.approx(400, abs=80)  # 4 standard deviations
    assert [each for each in drawn if is_drawn(each, 0.01)] == [
        each for each in ids if is_drawn(each, 0.01)
    ]  # a smaller share is a part of the larger
    assert not any(is_drawn(each, 0.0) for each in ids)
    assert all(is_drawn(each, 1.0) for each in ids)
