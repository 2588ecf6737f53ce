"""`keenline threshold`: chosen, asked what if, written into the bundle, refused with reasons."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Keenline
from tests.manifests import MEMBERS, manifest
from tests.store.records import result

from keenline.bundle import ClassFacts, read_bundle, write_bundle
from keenline.decision import decide
from keenline.lifecycle.readiness import with_authority
from keenline.recipe import DefectClass, Recipe
from keenline.store.database import Database
from keenline.store.results import ResultSink
from keenline.training.operating import RECORD
from keenline.types import Authority, Prediction

COLUMNS = ("image", "label", "score", "part", "class_scores")
SCRATCH = ClassFacts(
    name="scratch", images=40, parts=40, found=38, tried=40, false_alarms=0, good=60
)


def write_rows(path: Path, seed: int = 0, good: int = 80, bad: int = 40) -> Path:
    """Scores of good parts around 1 and scratched ones around 2, as float32 prints."""
    random = np.random.default_rng(seed)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(good + bad):
            is_bad = number >= good
            score = np.float32(random.normal(2 if is_bad else 1, 0.3))
            confidence = np.float32(random.beta(8, 2) if is_bad else random.beta(1, 9))
            label = "scratch" if is_bad else "good"
            scores = json.dumps({"scratch": float(confidence)})
            writer.writerow([f"{number}.png", label, float(score), "", scores])
        writer.writerow(["broken.png", "good", "", "", "{}"])
    return path


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "scores.csv")


@pytest.fixture
def part(tmp_path: Path) -> Path:
    """A bundle that may reject scratches."""
    rules = Recipe(
        classes=(
            DefectClass(name="scratch", authority=Authority.REJECT, miss_cost=20, prevalence=0.01),
        )
    )
    facts = manifest(recipe=rules, recipe_sha256=rules.sha256, classes=(SCRATCH,))
    write_bundle(tmp_path / "part.keen", facts, MEMBERS)
    return tmp_path / "part.keen"


def test_what_is_written_decides_as_it_was_counted(keenline: Keenline, part: Path, scores: Path):
    before = read_bundle(part)
    record = keenline("threshold", part, scores, "--apply", "--by", "A. Smith", "--json").record
    assert record["chosen"]["cost"] < record["now"]["cost"]
    assert record["without_score"] == 1
    after = read_bundle(part)
    assert after.manifest.threshold.value == record["chosen"]["cuts"]["anomaly"]["low"]
    assert after.manifest.recipe_sha256 == after.manifest.recipe.sha256
    assert after.members == before.members
    # Another threshold ends the authority; counted is what the class says once it has it again.
    assert (before.manifest.recipe.rejecting, after.manifest.recipe.rejecting) == (("scratch",), ())
    recipe = with_authority(after.manifest, "scratch", Authority.REJECT).recipe
    said = {"good": [0, 0, 0], "scratch": [0, 0, 0]}
    with scores.open() as file:
        for row in csv.DictReader(file):
            if row["score"]:
                prediction = Prediction(
                    float(row["score"]),
                    np.zeros((1, 1), np.float32),
                    class_scores=json.loads(row["class_scores"]),
                )
                decision = decide(
                    prediction,
                    threshold=after.manifest.threshold.value,
                    recipe=recipe,
                    training_counts=after.manifest.training_counts,
                )
                place = ("PASS", "REVIEW", "REJECT").index(decision.verdict.value)
                said[row["label"]][place] += 1
    for fate in record["chosen"]["parts"]:
        assert said[fate["label"]] == [fate[k] for k in ("passed", "reviewed", "rejected")]


def test_the_record_says_who_on_what_and_what_it_was(
    keenline: Keenline, part: Path, scores: Path, tmp_path: Path
):
    before = read_bundle(part)
    other = tmp_path / "other.keen"
    ran = keenline(
        "threshold", part, scores, "--apply", "--by", "A. Smith", "-o", other,
        "--escapes-at-most", 0.1, "--false-alarms-at-most", 0.2,
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert read_bundle(part).sha256 == before.sha256
    written = read_bundle(other).manifest
    update, withdrawn = written.updates
    assert "scratch reject -> flag: withdrawn automatically" in withdrawn
    assert "chosen by A. Smith on 120 parts (80 good, 40 scratch)" in update
    assert "anomaly 1.25 -> " in update
    assert "scratch: escapes expected to be <= 10 %" in update
    (entry,) = written.facts[RECORD]  # type: ignore[misc]
    assert entry["bundle_sha256"] == before.sha256
    assert written.threshold.kind == "guaranteed"
    assert "confirm it on other parts" in written.threshold.statement
    assert "keenline evaluate" in ran.out
    # Scores of the bundle it was are scores of this one, and are taken again.
    again = keenline("threshold", other, scores, "--apply", "--json")
    assert len(read_bundle(other).manifest.updates) == 3
    assert again.record["now"]["cuts"]["anomaly"]["low"] == written.threshold.value


def test_promises_hold_on_the_parts_they_were_made_of(keenline: Keenline, part: Path, scores: Path):
    free = keenline("threshold", part, scores, "--cost", "scratch=0.1", "--json").record
    assert free["chosen"]["parts"][1]["passed"] > 3  # a miss is cheaper than a review
    ran = keenline(
        "threshold", part, scores, "--cost", "scratch=0.1", "--escapes-at-most", 0.1, "--json"
    ).record
    assert ran["chosen"]["parts"][1]["passed"] <= 3  # (3 + 1) / 41 <= 0.1
    assert ran["chosen"]["cost"] > free["chosen"]["cost"]
    assert ran["chosen"]["cuts"]["anomaly"]["low"] <= ran["limits"]["anomaly"][1]


def test_what_if_counts_and_costs_without_choosing(keenline: Keenline, part: Path, scores: Path):
    ran = keenline(
        "threshold", part, scores, "--at", "anomaly=99", "--at", "scratch=0.4:0.6",
        "--prevalence", "scratch=0.5", "--cost", "miss=7", "--json",
    ).record  # fmt: skip
    cut = ran["what_if"]["cuts"]["scratch"]
    assert (cut["low"], cut["high"]) == (0.4, 0.6)
    good, bad = ran["what_if"]["parts"]
    with scores.open() as file:
        rows = [row for row in csv.DictReader(file) if row["score"]]
    for label, fate in (("good", good), ("scratch", bad)):
        values = [json.loads(r["class_scores"])["scratch"] for r in rows if r["label"] == label]
        assert fate["rejected"] == sum(value > 0.6 for value in values)
        assert fate["passed"] == sum(value <= 0.4 for value in values)
    cost = 0.5 * (good["reviewed"] * 0.2 + good["rejected"]) / 80
    cost += 0.5 * (bad["passed"] * 7 + bad["reviewed"] * 0.2) / 40
    assert ran["what_if"]["cost"] == pytest.approx(cost)


def test_the_report_draws_a_curve_for_each_score(
    keenline: Keenline, part: Path, scores: Path, tmp_path: Path
):
    page = tmp_path / "cost.html"
    ran = keenline("threshold", part, scores, "--report", page, "--false-alarms-at-most", 0.2)
    assert ran.code == 0
    text = page.read_text(encoding="utf-8")
    assert text.count('<path class="curve"') == 2
    assert "Expected cost over the threshold of scratch" in text
    assert "false-alarm rate &lt;= 20 %" in text
    assert "NaN" not in text


def test_a_store_is_asked_for_the_results_of_this_bundle(
    keenline: Keenline, part: Path, tmp_path: Path
):
    database = Database(f"sqlite:///{tmp_path / 'line.sqlite'}")
    sink = ResultSink(database)
    sink.deliver([*(result(n) for n in range(1, 41)), result(41, code=5400, cameras=())])
    sink.close()
    refused = keenline("threshold", part, tmp_path / "line.sqlite")
    assert refused.code == 3
    assert "41 results of other bundles" in refused.err
    ours = manifest(facts={RECORD: [{"bundle_sha256": "b" * 64}]})
    write_bundle(part, ours, MEMBERS)
    truth = tmp_path / "truth.csv"
    lines = [f"P{n:06};{'good' if n < 21 else 'dent'}" for n in range(11, 31)]
    truth.write_text("\n".join(["part_id;label", *lines, "P999999;good"]), encoding="utf-8")
    place = tmp_path / "line.sqlite"
    ran = keenline("threshold", part, place, "--truth", truth)
    assert ran.code == 0, ran.err
    assert "1 labels of truth.csv meet no result" in ran.out
    assert "20 parts, " in ran.out  # not labelled
    record = keenline("threshold", part, place, "--truth", truth, "--json").record
    # Scores are 0.4 + 0.1 n: good ones to 2.4, dents from 2.5.
    assert record["chosen"]["cuts"]["anomaly"]["low"] == pytest.approx(2.45)
    assert record["without_score"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--at", "crack=1"), "no score of crack"),
        (("--at", "scratch=0.7:0.2"), "low must not exceed high"),
        (("--cost", "miss"), "NAME=NUMBER"),
        (("--cost", "miss=-1"), "not 0 or more"),
        (("--by", "me"), "go with --apply"),
        (("--escapes-at-most", 0.01), "99 or more"),
        (("--escapes-at-most", 0.05, "--proven"), "59 or more"),
        (("--false-alarms-at-most", 0.05), "146 or more"),
    ],
)
def test_what_cannot_be_is_said(
    keenline: Keenline, part: Path, scores: Path, arguments: tuple[object, ...], words: str
):
    before = part.read_bytes()
    ran = keenline("threshold", part, scores, *arguments)
    assert ran.code in (2, 3)
    assert words in " ".join(ran.err.replace("│", " ").split())
    assert part.read_bytes() == before


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "image,score\nx.png,high\n", '{"image": 1}\n', "image,score\nx\n"]
)
def test_a_file_that_holds_no_scores_is_refused(
    keenline: Keenline, part: Path, tmp_path: Path, text: str
):
    file = tmp_path / "broken.csv"
    file.write_text(text, encoding="utf-8")
    ran = keenline("threshold", part, file, "--json")
    assert ran.code == 3
    assert ran.record["code"] == 1260
