"""Fifty marked defects turned into the table of what a U-Net taught in minutes is worth.

`keenline learn` as it is without any option but the time, measured as `few_defects.py` measures
`keenline teach`; and what torch, both engines and int8 say of the same unseen images.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import DATA
from few_defects import measured
from labelled_sets import magnetic_tile_fifty, untouched
from results_file import Start, circumstances, table, write_section

from keenline.inference.engines import ENGINES
from keenline.inference.inspector import Inspector
from keenline.learning_settings import LearningSettings
from keenline.training.supervised.finishing import Finisher, Settled
from keenline.training.supervised.judging import Judged, pixel_f1
from keenline.training.supervised.labelled_views import LabelledViews
from keenline.training.supervised.run import Run
from keenline.training.supervised.settings import Settings
from keenline.types import Sample

ABOUT = """\
`keenline learn` with its defaults and a time budget of {budget:g} minutes, seed {seed}, on
magnetic-tile: 50 marked defects and 200 good tiles to learn from, all {tested} others to test.
Defaults were chosen on the half of the tiles that "untouched" leaves out. The whole command
took {seconds:.0f} s ({processor:.0f} s of processor time; {epochs} epochs, the best {best}).
Columns as under "Fifty defects"."""

ROUNDED = """\
What it says of the {tested} "untouched" tiles, none of which it had seen; `alike` is the share
on which the anomaly and every class get the verdict that torch gives with the same limits. On the
parts left out, on which limits are found, all three are alike, or there would be no bundle. {kept}
int8 takes {share:.0%} of the bytes of float32."""

BY_CLASS = """\
By class on the same tiles, float32 and int8 with their own limits: the share of its images that are
found, and pixel F1 of them."""


class Kept(Finisher):
    """A finisher that is still there when the bundle is written, and has an int8 graph by then."""

    last: Kept

    def settled(self, views: LabelledViews) -> tuple[Settled, tuple[str, ...]]:
        done = super().settled(views)
        if "int8" not in self.tried:
            self.rounded(views)
        Kept.last = self
        return done


class KeptRun(Run):
    """`keenline learn`, keeping what it compared."""

    def finisher(self, out: LabelledViews) -> type[Finisher]:
        super().finisher(out)
        return Kept


def main() -> None:
    asked = _asked()
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start, tile = Start.now(), DATA / "magnetic-tile"
    dataset = magnetic_tile_fifty(tile, asked.seed)
    tested = [sample for sample in dataset.samples if sample.split == "test"]
    settings = Settings.of(LearningSettings(), seconds=60 * asked.minutes, seed=asked.seed)
    before = time.process_time()
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        learnt = KeptRun.learn(
            dataset,
            f"{folder}/part.keen",
            settings=settings,
            told=lambda line: print(dict(line), flush=True),
        )
        processor = time.process_time() - before
        print(*learnt.notes, f"{learnt.seconds:.0f} s", sep="\n", flush=True)
        found = measured(Inspector.open(learnt.path), tested, untouched(tile))
    print(found, flush=True)
    kept_apart = [sample for sample in tested if sample.image in untouched(tile)]
    kept = [note for note in learnt.notes if "float32" in note]
    facts = learnt.bundle.manifest.facts
    text = [
        "## A U-Net from fifty defects",
        ABOUT.format(
            budget=asked.minutes,
            seed=asked.seed,
            tested=len(tested),
            seconds=learnt.seconds,
            processor=processor,
            epochs=learnt.epochs,
            best=facts["best_epoch"],
        ),
        circumstances(start),
        table(("set", *TITLES.values()), [["50 defects", *(f"{found[k]:.3f}" for k in TITLES)]]),
        *_rounded(kept_apart, " ".join(f"{note[0].upper()}{note[1:]}." for note in kept)),
    ]
    print("\n\n".join(text), flush=True)
    if asked.write:
        write_section("segmenter", "\n\n".join(text))


TITLES = {
    "classes": "AUROC, classes",
    "anomaly": "anomaly",
    "both": "both",
    "untouched": "both, untouched",
    "f1": "pixel F1",
    "iou": "mean IoU",
    "recall": "recall",
    "alarms": "false alarms",
    "right": "class right",
}


def _rounded(tested: Sequence[Sample], kept: str) -> list[str]:
    """How alike torch and the graphs are, and what int8 loses, as pieces of text."""
    tried, torch_said = Kept.last.tried, Kept.last.judge_by_torch(tested)
    share = len(tried["int8"].graph) / len(tried["f32"].graph)
    rows: list[list[str]] = []
    by_precision: dict[str, Judged] = {}
    for precision, settled in tried.items():
        for name in ENGINES:
            said = Kept.last.judge_all(settled, tested, engine=name)
            by_precision.setdefault(precision, said)
            alike = (_verdicts(said, settled, 0.5) == _verdicts(torch_said, settled, None)).all(1)
            rows.append(
                [
                    f"{name}, {precision}",
                    f"{alike.mean():.4f}",
                    str(int((~alike).sum())),
                    f"{said.pixel_f1:.3f}",
                    f"{len(settled.graph) / 1e6:.2f}",
                ]
            )
    evidence = Kept.last.evidence
    classes = []
    for place, name in enumerate(evidence.classes):
        bears = np.array([sample.label == name for sample in tested])
        cells = [
            (float((said.classes[bears, place] > 0.5).mean()), pixel_f1(said.pixels[bears]))
            for said in (by_precision["f32"], by_precision["int8"])
        ]
        classes.append(
            [name, str(int(bears.sum()))]
            + [f"{first:.3f}" for pair in zip(*cells, strict=True) for first in pair]
        )
    return [
        ROUNDED.format(tested=len(tested), kept=kept, share=share),
        table(("graph", "alike", "tiles not", "pixel F1, map", "MB"), rows),
        BY_CLASS,
        table(("class", "images", "found, f32", "found, int8", "pixel F1, f32", "int8"), classes),
    ]


def _verdicts(said: Judged, settled: Settled, limit: float | None) -> Any:
    """(samples, 1 + classes); limit: of every class, None for the graph's own before its shift."""
    limits = settled.limits if limit is None else limit
    return np.column_stack([said.scores > settled.threshold.value, said.classes > limits])


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=9, help="time budget of `learn`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put it into RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
