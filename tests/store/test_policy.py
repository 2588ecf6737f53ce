"""Which images are kept: all that matter, and a share of PASS that an auditor can recompute."""

from __future__ import annotations

import hashlib
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keenline.store.policy import KeepPolicy
from keenline.store.settings import KeepSettings
from keenline.types import Verdict


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.REVIEW, Verdict.INVALID])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_what_is_no_pass_is_kept_always(verdict: Verdict, share: float):
    policy = KeepPolicy(KeepSettings(pass_share=share))
    assert all(policy.keeps(verdict, str(uuid.uuid4())) for _ in range(200))


@given(st.text(max_size=60))
def test_none_and_all(result_id: str):
    assert not KeepPolicy(KeepSettings(pass_share=0.0)).keeps(Verdict.PASS, result_id)
    assert KeepPolicy(KeepSettings(pass_share=1.0)).keeps(Verdict.PASS, result_id)


@given(st.uuids(), st.floats(0, 1))
def test_an_auditor_computes_the_same_without_this_program(result_id: uuid.UUID, share: float):
    """As docs/store.md says it."""
    first = hashlib.sha256(str(result_id).encode()).hexdigest()[:16]
    expected = int(first, 16) < round(share * 2**64)
    assert (
        KeepPolicy(KeepSettings(pass_share=share)).keeps(Verdict.PASS, str(result_id)) is expected
    )


@given(st.uuids(), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_at_least_what_a_smaller_did(
    result_id: uuid.UUID, one: float, other: float
):
    small, large = sorted((one, other))
    if KeepPolicy(KeepSettings(pass_share=small)).keeps(Verdict.PASS, str(result_id)):
        assert KeepPolicy(KeepSettings(pass_share=large)).keeps(Verdict.PASS, str(result_id))


def test_the_share_is_the_share():
    policy = KeepPolicy(KeepSettings(pass_share=0.05))
    ids = [str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))) for number in range(20_000)]
    kept = sum(policy.keeps(Verdict.PASS, each) for each in ids)
    # Binomial(20000, 0.05): mean 1000, standard deviation 30.8; five of them.
    assert abs(kept - 1000) < 155
