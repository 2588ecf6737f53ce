"""Views are joined so that no camera's defect, and no camera's blindness, is outvoted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keenline.errors import Code, PartError
from keenline.recipe import Recipe, ReviewSettings
from keenline.station.rulings import actuation, invalid, join
from keenline.types import Decision, Verdict


@given(st.lists(st.sampled_from(Verdict), min_size=1, max_size=4))
def test_pass_needs_every_camera(verdicts: list[Verdict]) -> None:
    views = [(f"c{n}", Decision(verdict, (f"why {n}",))) for n, verdict in enumerate(verdicts)]
    joined = join(views)
    assert (joined.verdict is Verdict.PASS) == all(one is Verdict.PASS for one in verdicts)
    assert len(joined.reasons) == len(verdicts)
    if Verdict.REJECT in verdicts:
        assert joined.verdict is Verdict.REJECT
    elif Verdict.INVALID in verdicts:
        assert joined.verdict is Verdict.INVALID


@pytest.mark.parametrize("review", ["divert", "reject", "pass-and-hold"])
@pytest.mark.parametrize("verdict", list(Verdict))
def test_only_pass_and_a_held_review_go_on(verdict: Verdict, review: str) -> None:
    recipe = Recipe(review=ReviewSettings(actuates=review))  # type: ignore[arg-type]
    goes_on = actuation(verdict, recipe, "reject") == "pass"
    held = verdict is Verdict.REVIEW and review == "pass-and-hold"
    assert goes_on == (verdict is Verdict.PASS or held)


def test_invalid_says_why_and_from_which_camera() -> None:
    decision = invalid(PartError(Code.PART_NO_IMAGE, "No image came in time"), "top")
    assert decision.verdict is Verdict.INVALID
    assert decision.reasons == ("top: No image came in time [KL5400]",)
