"""Criteria are judged by the bounds that the counts give, and nothing slips past them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keenline.errors import Code, LifecycleError
from keenline.evaluation.evidence import Evidence, evidence
from keenline.evaluation.judged import JudgedImage
from keenline.evaluation.knapp import Human, knapp
from keenline.lifecycle.criteria import Criteria, load_criteria
from keenline.lifecycle.criteria_templates import TEMPLATES, template
from keenline.lifecycle.judgement import Measured, judge, quantile
from keenline.lifecycle.reach import SealedParts, reach, unasked
from keenline.types import Verdict

DENT = frozenset({"dent"})


def seen(
    found: int = 29, missed: int = 0, good: int = 29, alarms: int = 0, invalid: int = 0
) -> Evidence:
    """Of that many parts, each seen once."""
    images = [JudgedImage(f"f{n}", Verdict.REVIEW, DENT, DENT) for n in range(found)]
    images += [JudgedImage(f"m{n}", Verdict.PASS, DENT) for n in range(missed)]
    images += [JudgedImage(f"g{n}", Verdict.PASS) for n in range(good)]
    images += [JudgedImage(f"a{n}", Verdict.REVIEW) for n in range(alarms)]
    images += [JudgedImage(f"i{n}", Verdict.INVALID, DENT) for n in range(invalid)]
    return evidence(images, names_classes=True)


def criteria(**more: Any) -> Criteria:
    asked = {
        "title": "test",
        "classes": [{"name": "dent", "recall": 0.9}],
        "good": {"false_alarms": 0.1},
    }
    return Criteria.model_validate(asked | more)


def measured(found: Evidence, **more: Any) -> Measured:
    return replace(Measured(found, [10.0], {}, {"": 1}, "press-4"), **more)


@pytest.mark.parametrize(
    ("counts", "missed"),
    [
        # The handbook's table: 29 parts without an error prove 90 %, 46 with one, 61 with two.
        ({}, []),
        ({"found": 28}, ["dent: recall"]),
        ({"found": 45, "missed": 1}, []),
        ({"found": 44, "missed": 1}, ["dent: recall"]),
        ({"good": 59, "alarms": 2}, []),
        ({"good": 58, "alarms": 2}, ["good parts: false alarms"]),
        ({"invalid": 1}, ["parts that could not be judged"]),
        ({"found": 0, "good": 0}, ["dent: recall", "good parts: false alarms"]),
    ],
)
def test_a_criterion_is_met_exactly_where_its_bound_is(
    counts: dict[str, int], missed: list[str]
) -> None:
    judged = judge(criteria(), measured(seen(**counts)))
    assert [each.criterion for each in judged.outcomes if not each.met] == missed
    assert judged.accepted is (not missed)
    assert len(judged.reasons) == len(missed)


def test_a_class_that_nobody_showed_or_named_is_not_met() -> None:
    asked = criteria(classes=[{"name": "rust", "recall": 0.5, "false_alarms": 0.5}])
    judged = judge(asked, measured(seen()))
    assert [each.met for each in judged.outcomes[:2]] == [False, False]


@pytest.mark.parametrize(
    ("asked", "facts", "met"),
    [
        ({"time": {"milliseconds": 50}}, {"milliseconds": [50.0] * 99 + [900.0]}, True),
        ({"time": {"milliseconds": 50}}, {"milliseconds": [50.0] * 98 + [51.0] * 2}, False),
        ({"time": {"milliseconds": 50, "share": 1.0}}, {"milliseconds": [1.0, 50.1]}, False),
        ({"time": {"milliseconds": 50}}, {"milliseconds": []}, False),
        ({"environment": {"light": "ring"}}, {"lights": {"ring": 9}}, True),
        ({"environment": {"light": "ring"}}, {"lights": {"ring": 9, "": 1}}, False),
        ({"environment": {"light": "ring"}}, {"lights": {"bar": 9}}, False),
        ({"environment": {"station": "press-4"}}, {}, True),
        ({"environment": {"station": "press-5"}}, {}, False),
    ],
)
def test_time_and_environment_are_judged_too(
    asked: dict[str, Any], facts: dict[str, Any], met: bool
) -> None:
    assert judge(criteria(**asked), measured(seen(), **facts)).accepted is met


def test_a_quantile_is_a_value_that_was_measured() -> None:
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile(range(1, 101), 0.99) == 99
    assert quantile([], 0.5) is None


# Knapp


def test_the_machine_is_compared_in_the_reject_zone_only() -> None:
    people = [Human("a", 30, 30), Human("b", 21, 30), Human("c", 20, 30)]
    found = knapp(people, {"a": [True] * 30, "b": [True] * 21 + [False] * 9})
    assert (found.units, found.human, found.machine) == (2, 0.85, 0.85)
    assert found.holds
    worse = knapp(people, {"a": [True] * 29 + [False], "b": [True] * 21 + [False] * 9})
    assert not worse.holds
    assert worse.weaker == ("a",)
    assert not knapp(people[2:], {}).holds  # nothing in the zone proves nothing


def test_knapp_takes_its_views(tmp_path: Path) -> None:
    units = [{"part": "a", "rejected": 27, "views": 30}]
    asked = criteria(knapp={"units": units})
    views = [True] * 27 + [False] * 3
    assert judge(asked, measured(seen(), alarms={"a": views})).accepted
    assert not judge(asked, measured(seen(), alarms={"a": [False, *views[1:]]})).accepted
    assert not judge(asked, measured(seen(), alarms={"a": [True] * 29})).accepted
    assert not judge(asked, measured(seen(), alarms={})).accepted


# Before the set is opened


def test_what_cannot_be_reached_is_known_from_counts() -> None:
    parts = SealedParts(good=28, classes={"dent": 61, "rust": 3}, images=92, views={}, lights={})
    dent, good = reach(criteria(), parts)
    assert (dent.needs, dent.has, dent.errors_allowed, dent.possible) == (29, 61, 2, True)
    assert (good.needs, good.has, good.errors_allowed, good.possible) == (29, 28, None, False)
    assert unasked(criteria(), parts) == ("rust",)


# The file


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_criteria_for_the_classes_of_the_set(name: Any, tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text(template(name, ["dent", 'a "quoted" name']), encoding="utf-8")
    found = load_criteria(file)
    assert [each.name for each in found.classes] == ["dent", 'a "quoted" name']
    assert found.standard
    assert bool(found.knapp.units) is (name == "knapp")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "title is missing"),
        ('title = "x"', "a bundle that passes nothing would do"),
        ('title = "x"\n[good]\nfalse_alarms = 0.1', "a bundle that passes everything would do"),
        ('title = "x"\n[good]\nfalse_alarm = 0.1', "line 3: good.false_alarm"),
        (
            'title = "x"\n[good]\nfalse_alarms = 0.1\n[[classes]]\nname = "a"\nrecall = 1.0',
            "line 6: classes[0].recall",
        ),
        (
            'title = "x"\n[good]\nfalse_alarms = 0.1\n'
            + '[[classes]]\nname = "a"\nrecall=0.9\n' * 2,
            "class a is named 2 times",
        ),
        (
            'title = "x"\n[good]\nfalse_alarms = 0.1\n[[classes]]\nname = "a"',
            "neither recall nor recognised",
        ),
        ("\x00", "is not TOML"),
    ],
)
def test_criteria_that_ask_for_nothing_or_the_impossible(
    text: str, fault: str, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(LifecycleError) as caught:
        load_criteria(tmp_path / "c.toml")
    assert caught.value.code is Code.ACCEPTANCE_CRITERIA
    assert fault in str(caught.value)
