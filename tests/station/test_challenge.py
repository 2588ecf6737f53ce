"""A known-bad part that was not found stops automatic PASS until a named person says why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.station.lines import camera, plan, running, until

from keenline.bundle import read_bundle
from keenline.challenge_settings import ChallengePart, ChallengeSettings
from keenline.errors import Code, PartError
from keenline.station.challenge import Challenges, acknowledge, read_state
from keenline.types import Decision, Trigger, Verdict

PASS, REVIEW = Decision(Verdict.PASS, ("fine",)), Decision(Verdict.REVIEW, ("odd",))
KNOWN = (ChallengePart(part_id="KB-.*", defect="dent"),)
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


class Told(list[tuple[str, dict[str, str]]]):
    """Events, as a station would record them."""

    def __call__(self, kind: str, **facts: str) -> None:
        self.append((kind, facts))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self]


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def trigger(number: int, part_id: str = "P") -> Trigger:
    return Trigger(number, part_id, NOON, 0)


def test_a_line_that_missed_a_challenge_passes_nothing_until_it_is_acknowledged(
    bundle: Path, tmp_path: Path
) -> None:
    file = tmp_path / "journal" / "challenge.json"
    challenge = ChallengeSettings(parts=(ChallengePart(part_id="KB-.*"),))
    recipe = read_bundle(bundle).manifest.recipe.model_copy(update={"challenge": challenge})
    planned = plan(bundle, camera(), recipe=recipe, challenge_file=file)

    def verdict(line, part_id: str = "") -> str:  # type: ignore[no-untyped-def]
        number = line.trigger(part_id)
        until(lambda: line.result(number) is not None)
        return line.result(number).decision.verdict.value  # every third part is bad

    with running(planned, tmp_path / "journal") as line:
        assert [verdict(line), verdict(line), verdict(line, "KB-1")] == ["PASS", "PASS", "REVIEW"]
        assert [verdict(line), verdict(line, "KB-2"), verdict(line)] == ["PASS", "REVIEW", "REVIEW"]
        assert [verdict(line), verdict(line)] == ["REVIEW", "REVIEW"]
        assert line.results[-1].actuates == "divert"
        assert "KB-2 was missed" in line.results[-1].decision.reasons[0]
        assert line.results[-1].views[0].score < line.results[-1].views[0].threshold
        line.assert_accounts_balance()
    with running(planned, tmp_path / "journal") as line:  # a new start changes nothing
        assert verdict(line) == "REVIEW"
        assert acknowledge(file, "Ada", "lamp was off") is not None
        until(lambda: "challenge-acknowledged" in line.kinds())
        assert verdict(line) == "PASS"
    said = next(event for event in line.events if event.kind == "challenge-acknowledged")
    assert (said.facts["by"], said.facts["why"]) == ("Ada", "lamp was off")


@pytest.mark.parametrize(
    ("missed", "next_part"), [("alarm", "PASS"), ("review", "REVIEW"), ("invalid", "INVALID")]
)
def test_what_a_miss_does_is_said_by_the_recipe(missed: str, next_part: str) -> None:
    settings = ChallengeSettings(parts=KNOWN, missed=missed)  # type: ignore[arg-type]
    told = Told()
    watch = Challenges(None, told)
    itself = watch.judge(settings, trigger(1, "KB-1"), PASS, ())
    assert isinstance(itself, PartError) or itself.verdict is Verdict.REVIEW  # never let go
    after = watch.judge(settings, trigger(2), PASS, ())
    if next_part == "INVALID":
        assert isinstance(after, PartError)
        assert after.code is Code.PART_CHALLENGE
    else:
        assert isinstance(after, Decision)
        assert after.verdict.value == next_part
    assert told.kinds == ["challenge-missed"]
    assert told[0][1]["expected"] == "dent"


def test_another_class_than_the_expected_one_is_a_miss_and_invalid_is_neither() -> None:
    told = Told()
    watch = Challenges(None, told)
    settings = ChallengeSettings(parts=KNOWN)
    bad = Decision(Verdict.INVALID, ("dark",))
    assert watch.judge(settings, trigger(1, "KB-1"), bad, ()) is bad
    assert told == []
    assert watch.judge(settings, trigger(2, "KB-1"), REVIEW, ("dent",)) is REVIEW
    assert watch.judge(settings, trigger(3, "KB-1"), REVIEW, ("scratch", "anomaly")) is REVIEW
    assert told.kinds == ["challenge-found", "challenge-missed"]
    assert told[1][1]["found"] == "scratch"


def test_what_the_plc_announces_is_a_challenge_whatever_its_id() -> None:
    told = Told()
    watch = Challenges(None, told)
    by_bit = ChallengePart(announced=1, defect="dent")
    settings = ChallengeSettings(parts=(*KNOWN, by_bit, ChallengePart(announced=2)))

    def judged(number: int, challenge: int, decision: Decision, *named: str) -> object:
        said = replace(trigger(number, f"P{number}"), challenge=challenge)
        return watch.judge(settings, said, decision, named)

    assert judged(1, 0, PASS) is PASS
    assert judged(2, 1, REVIEW, "dent") is REVIEW
    assert judged(3, 2, REVIEW, "anomaly") is REVIEW  # any alarm will do
    assert told.kinds == ["challenge-found", "challenge-found"]
    assert judged(4, 1, REVIEW, "scratch") is REVIEW
    assert told[-1] == (
        "challenge-missed",
        {
            "part_id": "P4", "expected": "dent", "found": "scratch", "verdict": "REVIEW",
            "consequence": "review",
        },
    )  # fmt: skip
    # A number that the recipe does not know, and a recipe without any: never let go.
    assert getattr(judged(5, 7, PASS), "verdict", None) is Verdict.REVIEW
    watch, settings = Challenges(None, told), ChallengeSettings()
    assert getattr(judged(6, 1, PASS), "verdict", None) is Verdict.REVIEW


def test_one_is_overdue_after_its_parts_or_its_time_and_says_so_once() -> None:
    told, clock = Told(), Clock()
    watch = Challenges(None, told, clock)
    settings = ChallengeSettings(
        parts=KNOWN, every_parts=10, times=("14:00",), grace_minutes=30, overdue="review"
    )

    def passes(number: int, minutes: float) -> bool:
        clock.now = NOON + timedelta(minutes=minutes)
        return watch.judge(settings, trigger(number), PASS, ()) is PASS

    assert all(passes(n, 0) for n in range(1, 12))
    assert not passes(12, 1)
    assert not passes(13, 1)
    assert told.kinds == ["challenge-overdue"]
    assert watch.judge(settings, trigger(14, "KB-1"), REVIEW, ("dent",)) is REVIEW
    assert passes(15, 149)  # 14:29
    assert not passes(16, 151)
    assert told.kinds.count("challenge-overdue") == 2
    assert watch.judge(settings, trigger(17, "KB-1"), REVIEW, ("dent",)) is REVIEW
    assert passes(18, 152)
    assert not passes(19, 24 * 60 + 151)


def test_word_for_another_miss_acknowledges_nothing(tmp_path: Path) -> None:
    file = tmp_path / "challenge.json"
    settings = ChallengeSettings(parts=KNOWN)
    watch = Challenges(file, Told())
    assert acknowledge(file, "Ada", "too early") is None
    watch.judge(settings, trigger(1, "KB-1"), PASS, ())
    assert acknowledge(file, "Ada", "the first") is not None
    watch.judge(settings, trigger(2, "KB-2"), PASS, ())
    watch.look()
    state = read_state(file)
    assert state is not None
    assert state.missed_part == "KB-2"
    assert not Path(f"{file}.acknowledged").exists()
    file.write_text("{}")
    with pytest.raises(PartError) as caught:
        Challenges(file, Told())
    assert caught.value.code is Code.PART_CHALLENGE


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(Verdict)), max_size=30))
def test_nothing_passes_between_a_miss_and_its_acknowledgement(
    parts: list[tuple[bool, Verdict]],
) -> None:
    """Whatever comes in whatever order; and nothing but a PASS is ever changed."""
    settings = ChallengeSettings(parts=(ChallengePart(part_id="KB"),), every_parts=5)
    watch, missed = Challenges(None, Told()), False
    for number, (is_challenge, verdict) in enumerate(parts, start=1):
        said = Decision(verdict, ("why",))
        judged = watch.judge(settings, trigger(number, "KB" if is_challenge else "P"), said, ())
        missed = missed or (is_challenge and verdict is Verdict.PASS)
        if verdict is not Verdict.PASS:
            assert judged is said
        else:
            assert (judged is said) == (not missed)


def test_without_challenge_parts_nothing_is_done(tmp_path: Path) -> None:
    watch = Challenges(tmp_path / "none.json", Told())
    settings = replace(trigger(1), part_id="KB-1")
    assert watch.judge(ChallengeSettings(every_parts=1), settings, PASS, ()) is PASS
    assert watch.state is None
