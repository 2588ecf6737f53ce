"""The talk with the PLC: nothing is valid but what was ruled, and PASS only while it is valid."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from keenline.station.handshake import CountHandshake, LevelHandshake
from keenline.station.rulings import Ruling
from keenline.types import Actuation, Trigger, TriggerSource, Verdict


def ruling(number: int, actuates: Actuation = "pass", part_id: str = "") -> Ruling:
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    trigger = Trigger(number, part_id or f"p{number}", moment, 0, TriggerSource.PLC)
    verdict = Verdict.PASS if actuates == "pass" else Verdict.REJECT
    return Ruling(trigger, verdict, actuates)


def test_one_part_from_trigger_up_to_result_gone() -> None:
    talk = LevelHandshake()
    assert talk.seen({"trigger": False}) == []
    assert talk.accepts
    (request,) = talk.seen({"trigger": True, "part_id": " A-17 ", "encoder": 5})
    assert (request.part_id, request.encoder) == ("A-17", 5)
    talk.accepted(request, 1)
    assert talk.is_busy
    assert not talk.accepts
    assert talk.seen({"trigger": True}) == []
    talk.ruled(ruling(1))
    shown = talk.shown(0)
    assert shown["result_valid"] is True
    assert shown["passed"] is True
    assert shown["result_number"] == 1
    assert not talk.is_busy
    assert talk.seen({"trigger": False}) == []
    assert talk.shown(0)["result_valid"] is False
    assert talk.shown(0)["passed"] is False
    assert talk.accepts


def test_a_ruling_for_a_part_that_the_plc_gave_up_is_not_shown_on_the_next() -> None:
    talk = LevelHandshake()
    talk.accepted(talk.seen({"trigger": True})[0], 1)
    talk.seen({"trigger": False})
    talk.accepted(talk.seen({"trigger": True})[0], 2)
    talk.ruled(ruling(1))
    assert talk.shown(0)["result_valid"] is False
    talk.ruled(ruling(2, "reject"))
    assert talk.shown(0)["rejected"] is True
    assert talk.shown(0)["passed"] is False


def test_a_trigger_that_was_up_before_the_plc_was_read_is_too_old() -> None:
    talk = LevelHandshake()
    assert talk.seen({"trigger": True})[0].missed
    talk.seen({"trigger": False})
    (request,) = talk.seen({"trigger": True})
    assert not request.missed
    talk.accepted(request, 1)
    talk.lost()
    assert talk.shown(0)["result_valid"] is False
    assert talk.seen({"trigger": True})[0].missed


def test_a_count_that_rose_while_the_plc_was_away_is_too_old() -> None:
    talk = CountHandshake(hold_s=0)
    talk.seen({"trigger": 4})
    talk.lost()
    assert [request.missed for request in talk.seen({"trigger": 5})] == [True]
    assert [request.missed for request in talk.seen({"trigger": 6})] == [False]


def test_counted_results_wait_for_their_acknowledgement() -> None:
    talk = CountHandshake(hold_s=10)
    talk.seen({"trigger": 40, "acknowledge": 0})
    for count, number in ((41, 1), (42, 2)):
        (request,) = talk.seen({"trigger": count, "acknowledge": 0})
        talk.accepted(request, number)
    talk.ruled(ruling(1))
    talk.ruled(ruling(2, "reject"))
    assert talk.shown(0)["result_number"] == 41
    assert talk.shown(99)["result_number"] == 41
    talk.seen({"trigger": 42, "acknowledge": 41})
    assert talk.shown(99)["result_number"] == 42
    talk.seen({"trigger": 42, "acknowledge": 42})
    assert talk.shown(99)["result_valid"] is False


def test_without_acknowledgement_each_result_stays_for_the_hold_time() -> None:
    talk = CountHandshake(hold_s=0.02)
    talk.ruled(ruling(1))
    talk.ruled(ruling(2))
    assert talk.shown(1.0)["result_part_id"] == "p1"
    assert talk.shown(1.019)["result_part_id"] == "p1"
    assert talk.shown(1.021)["result_part_id"] == "p2"


def test_triggers_that_were_not_seen_are_reported_as_missed() -> None:
    talk = CountHandshake(hold_s=0)
    talk.seen({"trigger": 65534})
    requests = talk.seen({"trigger": 2})
    assert [(request.count, request.missed) for request in requests] == [
        (65535, True),
        (0, True),
        (1, True),
        (2, True),
    ]
    assert [request.missed for request in talk.seen({"trigger": 3})] == [False]


_ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("trigger"), st.booleans()),
        st.tuples(st.just("rule"), st.sampled_from(["pass", "reject", "divert"])),
        st.tuples(st.just("lost"), st.none()),
    ),
    max_size=60,
)


@given(_ACTIONS)
def test_pass_is_shown_only_for_the_part_whose_trigger_is_up_and_that_was_passed(
    actions: list[tuple[str, object]],
) -> None:
    talk = LevelHandshake()
    number, up, passed = 0, False, dict[int, bool]()
    for what, value in actions:
        if what == "trigger":
            up = bool(value)
            for request in talk.seen({"trigger": up}):
                number += 1
                talk.accepted(request, number)
        elif what == "rule" and number and number not in passed:
            passed[number] = value == "pass"
            talk.ruled(ruling(number, value))  # type: ignore[arg-type]
        elif what == "lost":
            talk.lost()
        shown = talk.shown(0)
        if shown["passed"]:
            assert up
            assert shown["result_valid"]
            assert shown["result_number"] == number
            assert passed[number]
        outcomes = [shown["passed"], shown["rejected"], shown["divert"]]
        assert sum(map(bool, outcomes)) == (1 if shown["result_valid"] else 0)


def test_a_plc_that_counts_anew_has_not_missed_a_thousand_parts() -> None:
    talk = CountHandshake(hold_s=0)
    talk.seen({"trigger": 500})
    talk.lost()
    assert talk.seen({"trigger": 0}) == []
    assert [request.missed for request in talk.seen({"trigger": 1})] == [False]
    talk.seen({"trigger": 700})
    talk.lost()
    requests = talk.seen({"trigger": 2})
    assert [(request.count, request.missed) for request in requests] == [(1, True), (2, True)]
