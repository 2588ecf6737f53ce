"""Fifty labelled defects and good images turned into the table of what classes are told apart.

One default for every set. The defaults of the class head were chosen on the half of magnetic-tile
that `accuracy.py` never tests; the column "untouched" holds the other half alone.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from datasets import DATA
from defect_measures import Pixels, certainty, spread, told_apart
from labelled_sets import magnetic_tile_fifty, untouched
from results_file import Start, circumstances, table, write_section

from keenline.data.class_masks import class_masks
from keenline.data.dataset import Dataset
from keenline.inference.enlarging import enlarge
from keenline.inference.inspector import Inspector
from keenline.training.fit import train
from keenline.training.teach import teach
from keenline.types import Prediction, Sample

ABOUT = """\
The default bundle of the good images, then `keenline teach` with the labelled ones: a small head on
the same features. AUROC tells defective images from good ones, by the highest confidence of any
class, by the anomaly score, and by both. Pixel F1 and mIoU count defective pixels of all test
images at the bundle's own confidence of 0.5. Mean ± half the range of {seeds} seeds."""
COLUMNS = (
    ("classes", "AUROC, classes", 3),
    ("anomaly", "anomaly", 3),
    ("both", "both", 3),
    ("untouched", "both, untouched", 3),
    ("f1", "pixel F1", 3),
    ("iou", "mean IoU", 3),
    ("recall", "recall", 3),
    ("alarms", "false alarms", 3),
    ("right", "class right", 3),
    ("fit", "fit s", 1),
    ("teach", "teach s", 1),
)


def main() -> None:
    asked = _asked()
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start = Start.now()
    rows = []
    tile = DATA / "magnetic-tile"
    if asked.times:
        _say_times(tile, asked.seeds, start)
        return
    ways: dict[str, Callable[[int], Dataset]] = {
        "magnetic-tile, 50 defects, 200 good": lambda seed: magnetic_tile_fifty(tile, seed),
        "magnetic-tile, half of everything": lambda seed: magnetic_tile_fifty(tile, seed, 0.5),
    }
    for name, split in ways.items():
        runs = [_tested(split(seed), seed, untouched(tile)) for seed in range(asked.seeds)]
        rows.append([name, *(spread([run[key] for run in runs], n) for key, _, n in COLUMNS)])
        print(*rows[-1], sep=" | ", flush=True)
    text = [
        "## Fifty defects",
        ABOUT.format(seeds=asked.seeds),
        circumstances(start),
        table(("set", *(title for _, title, _ in COLUMNS)), rows),
    ]
    if asked.write:
        write_section("few defects", "\n\n".join(text))


def _say_times(tile: Path, seeds: int, start: Start) -> None:
    """Only how long it takes with 50 defects, for a machine that does nothing else."""
    for seed in range(seeds):
        dataset = magnetic_tile_fifty(tile, seed)
        with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
            fitted = train(dataset, f"{folder}/part.keen", seed=seed)
            taught = teach(fitted.path, dataset, seed=seed)
        print(f"seed {seed}: fit {fitted.seconds:.1f} s, teach {taught.seconds:.1f} s", flush=True)
    print(circumstances(start))


def _tested(dataset: Dataset, seed: int, untouched: set[Path]) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        fitted = train(dataset, f"{folder}/part.keen", seed=seed)
        taught = teach(fitted.path, dataset, seed=seed)
        inspector = Inspector.open(fitted.path)
    tested = [sample for sample in dataset.samples if sample.split == "test"]
    found = measured(inspector, tested, untouched)
    return found | {"fit": fitted.seconds, "teach": taught.seconds}


def measured(inspector: Inspector, tested: list[Sample], untouched: set[Path]) -> dict[str, float]:
    """What a bundle that tells classes is worth on images it never saw, by key of `COLUMNS`."""
    pixels, found = Pixels(), []
    for sample in tested:
        inspection = inspector.inspect(sample.image)
        said = inspection.prediction
        assert said is not None, inspection.decision
        found.append((sample, said))
        size = inspection.size
        true = np.logical_or.reduce(
            [np.zeros(size[::-1], bool), *class_masks(sample, size).values()]
        )
        if sample.is_good or true.any():  # four masks of the set are empty
            pixels.add(
                enlarge(np.max(list(said.class_maps.values()), axis=0), true.shape) > 0.5, true
            )
    scores = {
        "classes": [certainty(said) for _, said in found],
        "anomaly": [said.score for _, said in found],
        "both": [_both(said, inspector.threshold) for _, said in found],
    }
    good = np.array([sample.is_good for sample, _ in found])
    mine = np.array([sample.image in untouched for sample, _ in found])
    taken = np.array([max(said.class_scores.values()) > 0.5 for _, said in found])
    right = [
        max(said.class_scores, key=said.class_scores.__getitem__) == sample.label
        for (sample, said), flagged in zip(found, taken, strict=True)
        if flagged and not sample.is_good
    ]
    return {name: told_apart(values, good) for name, values in scores.items()} | {
        "untouched": told_apart(np.array(scores["both"])[mine], good[mine]),
        "f1": pixels.f1,
        "iou": pixels.mean_iou,
        "recall": float(taken[~good].mean()),
        "alarms": float(taken[good].mean()),
        "right": float(np.mean(right)),
    }


def _both(said: Prediction, threshold: float) -> float:
    return certainty(said) + ANOMALY_WEIGHT * (said.score / threshold - 1)


ANOMALY_WEIGHT = 4.0
"""Logits for an anomaly of twice its threshold; chosen on the validation half of magnetic-tile."""


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--times", action="store_true", help="only the seconds with 50 defects")
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
