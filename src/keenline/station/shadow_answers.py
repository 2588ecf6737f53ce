"""What a bundle in shadow found on a part's views turned into its answer, and held against ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from keenline.station.rulings import join
from keenline.types import ANOMALY, Decision, Result, ShadowAnswer, Verdict

_ALARMS = (Verdict.REJECT, Verdict.REVIEW)


@dataclass(frozen=True, slots=True)
class ViewAnswer:
    """What the bundle found on the image of one camera."""

    camera: str
    decision: Decision
    score: float | None
    """None when the image could not be inspected."""
    named: Iterable[str] = ()
    """Classes of its regions, the anomaly among them."""


def shadow_answer(
    result: Result, bundle_sha256: str, views: Sequence[ViewAnswer], images: tuple[str, ...] = ()
) -> ShadowAnswer:
    """The bundle's one answer on a part, joined as the line joins its cameras.

    `images`: SHA-256 of those that are kept because of it. The same for an image that was asked
    about at the line and for one that was stored.
    """
    decision = join([(view.camera, view.decision) for view in views])
    named = {name for view in views for name in view.named} - {ANOMALY}
    return ShadowAnswer(
        result_id=result.result_id,
        station=result.station,
        time=datetime.now(UTC),
        bundle_sha256=bundle_sha256,
        verdict=decision.verdict,
        classes=tuple(sorted(named)),
        scores={view.camera: view.score for view in views},
        reasons=decision.reasons,
        images=images,
    )


def differs(result: Result, answer: ShadowAnswer) -> bool:
    """Whether the bundle says otherwise than the station: alarm or none, or another class.

    An INVALID answer differs from an alarm only; it says nothing of the part.
    """
    ours = result.decision.verdict in _ALARMS
    if (answer.verdict in _ALARMS) != ours:
        return True
    named = {region.class_name for view in result.views for region in view.regions} - {ANOMALY}
    return ours and bool(named) and set(answer.classes) != named
