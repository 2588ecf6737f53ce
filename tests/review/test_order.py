"""Who is asked about what, and in which order; audits are drawn by nobody."""

from __future__ import annotations

from dataclasses import replace

from tests.store.records import result

from keenline.review.order import OrderSettings, Said, Why, in_order
from keenline.store.remarks import Finding, Review
from keenline.types import Result, ShadowAnswer, Verdict

NO_AUDIT = OrderSettings(audit_share=0.0)


def part(
    number: int, verdict: Verdict, *, score: float = 0.5, classes: dict[str, float] | None = None
) -> Result:
    made = result(number, verdict=verdict, regions=0)
    scores = {"scratch": 0.01} if classes is None else classes
    (view,) = made.views
    return replace(made, views=(replace(view, score=score, threshold=1.0, class_scores=scores),))


def call(of: Result, judgement: str, role: str = "qc") -> Review:
    found = (Finding("dent", "top"),) if judgement == "defect" else ()
    return Review("r", of.result_id, of.station, of.trigger.time, "Ada", role, judgement, found)  # type: ignore[arg-type]


def answer(of: Result, verdict: Verdict, *classes: str) -> ShadowAnswer:
    return ShadowAnswer(of.result_id, of.station, of.trigger.time, "e" * 64, verdict, classes)


def test_the_order_of_need():
    passed, review = Verdict.PASS, Verdict.REVIEW
    fine = part(1, passed)
    qc_miss, shadow_miss, strange_miss = part(2, passed), part(3, passed), part(4, passed)
    uncertain = part(5, passed, classes={"scratch": 0.45})
    surer = part(6, review, classes={"scratch": 0.5})
    novel = part(7, review, score=2.0)
    anomaly, stranger = part(8, review, score=2.0, classes={}), part(9, review, score=3, classes={})
    alone = part(10, Verdict.REJECT, classes={"scratch": 0.9})
    flagged = part(11, review, classes={"scratch": 0.9})
    invalid = part(12, Verdict.INVALID, score=9.0)
    certain = part(13, Verdict.REJECT, classes={"scratch": 0.9})
    said = Said(
        {qc_miss.result_id: [call(qc_miss, "defect")], alone.result_id: [call(alone, "good")]},
        {
            shadow_miss.result_id: [answer(shadow_miss, Verdict.REJECT, "scratch")],
            strange_miss.result_id: [answer(strange_miss, Verdict.REVIEW)],
            fine.result_id: [answer(fine, Verdict.INVALID), answer(fine, Verdict.PASS)],
        },
    )
    every = [fine, strange_miss, invalid, flagged, alone, anomaly, stranger, novel, certain]
    found = in_order([*every, surer, uncertain, shadow_miss, qc_miss], said, NO_AUDIT)
    assert [each.result for each in found] == [
        qc_miss, shadow_miss, strange_miss, surer, uncertain, novel, stranger, anomaly, alone,
        flagged,
    ]  # fmt: skip
    assert found[0].words == "possible miss: quality control (Ada) says dent"
    assert [each.why for each in found[:3]] == [Why.MISS] * 3


def test_who_was_reviewed_is_not_asked_again_but_quality_control_is_no_review():
    one = part(1, Verdict.REVIEW, score=2.0)
    for role, asked in (("qc", 1), ("review", 0)):
        said = Said({one.result_id: [call(one, "unclear", role)]})
        assert len(in_order([one], said, NO_AUDIT)) == asked


def test_urgent_ones_never_keep_the_audits_waiting():
    urgent = [part(n, Verdict.REVIEW, score=2.0) for n in range(1, 21)]
    passed = [part(n, Verdict.PASS) for n in range(21, 31)]
    order = in_order([*urgent, *passed], Said(), OrderSettings(audit_share=1.0, audit_every=5))
    kinds = [each.why for each in order]
    assert [place for place, why in enumerate(kinds, start=1) if why is Why.AUDIT] == [
        5, 10, 15, 20, 25, 26, 27, 28, 29, 30,
    ]  # fmt: skip
    assert len({each.result.result_id for each in order}) == 30
