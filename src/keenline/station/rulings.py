"""The findings on one part's views turned into one decision and what the line is to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from keenline.errors import KeenlineError
from keenline.recipe import Recipe
from keenline.types import Actuation, Decision, Trigger, Verdict

# A defect seen by one camera is a defect, whatever the others saw; and what one camera did not
# see must not be waved through by a review that may pass and hold.
_STRONGEST_FIRST = (Verdict.REJECT, Verdict.INVALID, Verdict.REVIEW, Verdict.PASS)


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the line is told about one part."""

    trigger: Trigger
    verdict: Verdict
    actuates: Actuation
    code: int | None = None
    """Number of the error of an INVALID."""


def join(decisions: Sequence[tuple[str, Decision]]) -> Decision:
    """The decision on a part from those on its views, each with the name of its camera.

    The strongest verdict counts: REJECT, INVALID, REVIEW, PASS. With more than one camera every
    reason names its own.
    """
    if len(decisions) == 1:
        return decisions[0][1]
    verdict = min((found.verdict for _, found in decisions), key=_STRONGEST_FIRST.index)
    ordered = sorted(decisions, key=lambda pair: _STRONGEST_FIRST.index(pair[1].verdict))
    reasons = tuple(f"{camera}: {reason}" for camera, found in ordered for reason in found.reasons)
    return Decision(verdict, reasons)


def invalid(error: KeenlineError, camera: str = "") -> Decision:
    """The decision on a part that could not be inspected."""
    words = f"{error.what} [KL{int(error.code)}]"
    if error.got:
        words += f": {error.got}"
    return Decision(Verdict.INVALID, (f"{camera}: {words}" if camera else words,))


def actuation(
    verdict: Verdict, recipe: Recipe, invalid_actuates: Literal["reject", "divert"]
) -> Actuation:
    """What the line does; only a PASS, or a REVIEW that the recipe passes and holds, goes on."""
    if verdict is Verdict.PASS:
        return "pass"
    if verdict is Verdict.INVALID:
        return invalid_actuates
    if verdict is Verdict.REJECT:
        return "reject"
    return "pass" if recipe.review.actuates == "pass-and-hold" else recipe.review.actuates
