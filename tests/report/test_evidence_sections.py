"""The page says of each class what the evidence says, and never all classes alone."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.report.synthetic import content, read

from keenline.evaluation.evidence import Evidence, evidence
from keenline.evaluation.judged import JudgedImage
from keenline.report.evidence_sections import class_evidence, groups, naming
from keenline.report.html import render
from keenline.types import Verdict


def told(*, names_classes: bool = True) -> Evidence:
    judged = [
        JudgedImage(f"g{k}", Verdict.REVIEW if k < 2 else Verdict.PASS, origin={"lot": "A"})
        for k in range(60)
    ]
    for name, missed, light in (("dent <b>", 0, "coaxial"), ("pit", 14, "dark-field")):
        shown = frozenset({name})
        judged += [
            JudgedImage(
                f"{name}{k}",
                Verdict.PASS if k < missed else Verdict.REJECT,
                shown,
                shown if k % 5 else frozenset(),
                {"light": light, "lot": "A"},
                {name: float(k)},
            )
            for k in range(36)
        ]
    return evidence(judged, names_classes=names_classes, unit="mm")


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_each_class_has_its_bound_and_what_it_still_takes() -> None:
    page = words(class_evidence(told()))
    assert "dent &lt;b&gt; 100.0 % 92.0 % 36 36 0 0" in page
    assert "pit 61.1 % 46.0 % 36 22 14 0" in page
    assert "all defects 80.6 %" in page
    assert "good 3.3 % 10.1 % 60 2 58 0" in page
    assert "61.1 % observed is no more than 95 %" in page
    assert "23 more without a miss to claim 95 %" in page
    assert "132 parts, 132 images" in page


def test_names_are_shown_only_where_classes_are_told_apart() -> None:
    assert "dent &lt;b&gt; 77.8 %" in words(naming(told()))
    assert naming(told(names_classes=False)) == ""


def test_what_the_whole_hides_is_on_top_of_the_groups() -> None:
    page = words(groups(told()))
    warned = "all defects of class pit: 14 of 36 missed, elsewhere 0 of 36"
    assert 0 < page.index(warned) < page.index("Every group")
    assert "Not covered: all images are of one lot, A" in page
    assert "above" in page
    assert groups(evidence([])) == ""


def test_the_report_prefers_parts_to_images() -> None:
    plain = content()
    assert plain.evaluation is not None
    page = render(replace(plain, evaluation=replace(plain.evaluation, evidence=told())), read=read)
    assert "Until 95 % recall can be claimed" in page
    assert "Until 95 % recall can be claimed" not in render(plain, read=read)
