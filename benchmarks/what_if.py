"""Measures how long choosing a threshold takes on many stored results, and asking what if."""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from results_file import Start, circumstances, table, write_section

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.manifests import MEMBERS, manifest  # noqa: E402
from tests.store.records import result  # noqa: E402

from keenline.bundle import ClassFacts, write_bundle  # noqa: E402
from keenline.cli.threshold_question import Question, answer  # noqa: E402
from keenline.evaluation.choosing import judge  # noqa: E402
from keenline.recipe import DefectClass, Recipe  # noqa: E402
from keenline.store.database import Database  # noqa: E402
from keenline.store.results import ResultSink  # noqa: E402
from keenline.training.operating import RECORD  # noqa: E402
from keenline.types import Authority, Result  # noqa: E402

CLASSES = ("crack", "dent", "pit")
ROUNDS = 3
os.environ.setdefault("OMP_NUM_THREADS", "1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=int, default=100_000)
    parser.add_argument("--write", action="store_true", help="keep the table in RESULTS.md")
    asked = parser.parse_args()
    start = Start.now()
    with tempfile.TemporaryDirectory(dir=ROOT) as name:
        folder = Path(name)
        text = _measured(folder, asked.results)
    text = "\n\n".join(["## Choosing a threshold", text, circumstances(start)])
    print(text)
    if asked.write:
        write_section("what if", text)


def _measured(folder: Path, count: int) -> str:
    bundle, store, scores, truth = _made(folder, count)
    at = {"anomaly": "1.4", "crack": "0.4:0.7"}
    questions = {
        "CSV of evaluate, all labelled: what if": Question(bundle, str(scores), at=at),
        "CSV of evaluate, all labelled: least cost": Question(bundle, str(scores)),
        "store, 1000 labelled: what if": Question(bundle, str(store), truth=truth, at=at),
        "store, 1000 labelled: least cost": Question(bundle, str(store), truth=truth),
    }
    rows = []
    for name, question in questions.items():
        inside = _median(lambda question=question: answer(question))  # type: ignore[misc]
        whole = _median(lambda question=question: _command(question))  # type: ignore[misc]
        rows.append([name, f"{inside:.2f} s", f"{whole:.2f} s"])
    read = answer(questions["CSV of evaluate, all labelled: what if"])
    again = _median(lambda: judge(read.parts, read.matrix, read.chosen.cuts))
    rows.append(["already read, all labelled: what if", f"{again:.3f} s", "–"])
    head = [f"{count} results, four scores each", "reading and judging", "whole command"]
    size = (
        f"Seconds of processor time, median of {ROUNDS}; one thread. The store is "
        f"{store.stat().st_size / 1e6:.0f} MB of SQLite."
    )
    return f"{table(head, rows)}\n\n{size}"


def _command(question: Question) -> None:
    words = [sys.executable, "-m", "keenline", "threshold", str(question.bundle), question.results]
    words += ["--truth", str(question.truth)] if question.truth else []
    words += [word for name, value in question.at.items() for word in ("--at", f"{name}={value}")]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    subprocess.run([*words, "--json"], env=environment, check=True, capture_output=True)


def _median(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        begin = _processor_seconds()
        work()
        times.append(_processor_seconds() - begin)
    return statistics.median(times)


def _processor_seconds() -> float:
    """Of this process and of those it ended: what a busy machine does not lengthen much."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _made(folder: Path, count: int) -> tuple[Path, Path, Path, Path]:
    """A bundle, a store and a CSV file with `count` scored parts, and labels for 1000 of them."""
    rules = Recipe(
        classes=tuple(
            DefectClass(name=name, authority=Authority.REJECT, prevalence=0.002) for name in CLASSES
        )
    )
    known = tuple(
        ClassFacts(name=name, images=40, parts=40, found=40, tried=40, false_alarms=0, good=60)
        for name in CLASSES
    )
    facts = manifest(
        recipe=rules, recipe_sha256=rules.sha256, classes=known,
        facts={RECORD: [{"bundle_sha256": "b" * 64}]},
    )  # fmt: skip
    write_bundle(folder / "part.keen", facts, MEMBERS)
    random = np.random.default_rng(0)
    kinds = random.choice(4, count, p=[0.94, 0.02, 0.02, 0.02])
    anomaly = random.lognormal(np.where(kinds > 0, 0.5, 0.0), 0.2).astype(np.float32)
    confident = random.beta(1, 9, (count, 3))
    bad = np.flatnonzero(kinds)
    confident[bad, kinds[bad] - 1] = random.beta(6, 2, bad.size)
    labels = np.array(["good", *CLASSES])[kinds]
    named = [dict(zip(CLASSES, map(float, row), strict=True)) for row in confident.round(6)]
    with (folder / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "label", "verdict", "score", "threshold", "class_scores"])
        for number in range(count):
            row = [f"{number}.png", labels[number], "PASS", float(anomaly[number]), 1.25]
            writer.writerow([*row, json.dumps(named[number])])
    database = Database(f"sqlite:///{folder / 'line.sqlite'}")
    sink = ResultSink(database)
    for first in range(0, count, 500):
        sink.deliver(
            [
                _result(number, float(anomaly[number]), named[number])
                for number in range(first, min(count, first + 500))
            ]
        )
    sink.close()
    lines = [f"P{number:06},{labels[number]}" for number in (*range(700), *map(int, bad[:300]))]
    (folder / "truth.csv").write_text("\n".join(["part_id,label", *lines]))
    names = ("part.keen", "line.sqlite", "scores.csv", "truth.csv")
    return tuple(folder / name for name in names)  # type: ignore[return-value]


def _result(number: int, score: float, named: dict[str, float]) -> Result:
    made = result(number, regions=0)
    views = tuple(replace(view, score=score, class_scores=named) for view in made.views)
    return replace(made, views=views)


if __name__ == "__main__":
    main()
