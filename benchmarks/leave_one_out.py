"""Cracks left out in turn, turned into how well a crack is found that was not learnt.

kolektorsdd: every commutator is a part of eight views, one of them with a crack. No default was
chosen on it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from dataclasses import dataclass

import numpy as np
from datasets import DATA
from labelled_sets import kolektor_all
from results_file import Start, circumstances, table, write_section

from keenline.batch import on_this_machine
from keenline.data.dataset import Dataset
from keenline.evaluation.cross_validation import Estimate
from keenline.evaluation.metrics import auroc, average_precision
from keenline.training.fit import train
from keenline.training.teach import teach
from keenline.training.validate import validate

ABOUT = """\
kolektorsdd, {defects} images with a crack and {good} without, of {parts} commutators; with masks.
Each commutator is left out in turn, and its views are judged by a class that the others taught.
Average precision and AUROC of the crack's confidence over all images. In the first rows the bank of
good parts, which embeds the images and judges the anomaly, was learnt once from all good views; in
those of `keenline validate` the whole bundle is made anew each time, threshold and all, and parts
are counted at its own confidence of 0.5. To reach: an average precision of .95."""


@dataclass(frozen=True, slots=True)
class Row:
    """One seed, one way."""

    name: str
    precision: float
    auroc: float | None = None
    estimate: Estimate | None = None

    def cells(self) -> list[str]:
        found = self.estimate
        counts = ["-", "-", "-"]
        if found is not None:
            shares = (found.recall, found.class_alarms, found.flagged)
            counts = [f"{share.events}/{share.n}" for share in shares]
        area = "-" if self.auroc is None else f"{self.auroc:.3f}"
        return [self.name, f"{self.precision:.3f}", area, *counts]


def main() -> None:
    asked = _asked()
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start = Start.now()
    dataset = kolektor_all(DATA / "kolektorsdd")
    rows = []
    for seed in range(asked.seeds):
        rows.append(_heads_alone(dataset, seed))
        print(*rows[-1].cells(), sep=" | ", flush=True)
    for seed in range(asked.whole):
        rows.append(_whole_bundles(dataset, seed, asked.jobs))
        print(*rows[-1].cells(), sep=" | ", flush=True)
    text = [
        "## Leave one part out",
        ABOUT.format(
            defects=len(dataset.defects),
            good=len(dataset.good),
            parts=len({sample.part for sample in dataset.samples}),
        ),
        circumstances(start),
        table(
            ("", "AP", "AUROC", "cracks named", "good parts named", "cracks not passed"),
            [row.cells() for row in rows],
        ),
        *_means(rows),
    ]
    if asked.write:
        write_section("leave one out", "\n\n".join(text))


def _heads_alone(dataset: Dataset, seed: int) -> Row:
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        fitted = train(dataset, f"{folder}/part.keen", seed=seed)
        taught = teach(fitted.path, dataset, seed=seed, folds=len(dataset.samples))
    scores = np.array([max(out.scores.values()) for out in taught.left_out])
    good = np.array([out.sample.is_good for out in taught.left_out])
    return Row(
        f"class left out, seed {seed}",
        average_precision(scores[good], scores[~good]),
        auroc(scores[good], scores[~good]),
    )


def _whole_bundles(dataset: Dataset, seed: int, jobs: int) -> Row:
    found = validate(dataset, seed=seed, fan_out=on_this_machine(jobs)).estimate
    assert found.average_precision is not None
    return Row(f"keenline validate, seed {seed}", found.average_precision, estimate=found)


def _means(rows: list[Row]) -> list[str]:
    said = []
    for whole, words in ((False, "The class left out"), (True, "Whole bundles")):
        values = [row.precision for row in rows if (row.estimate is not None) is whole]
        if len(values) > 1:
            half = (max(values) - min(values)) / 2
            mean = statistics.mean(values)
            said.append(f"{words}: {mean:.3f} ± {half:.3f} over {len(values)} seeds.")
    return said


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--whole", type=int, default=0, help="seeds with whole bundles, 13 each")
    parser.add_argument("--jobs", type=int, default=1, help="whole bundles made at a time")
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
