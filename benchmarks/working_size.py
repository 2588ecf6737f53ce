"""Thin defects at several working sizes, turned into how well they are told from good parts.

The validation half of magnetic-tile alone, which `accuracy.py` never tests: 30 defects of one class
and 100 good tiles, with masks. The rule of `keenline train` that looks at thin marked defects more
closely (`training/working_size.py`) was made from its cracks.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from datasets import DATA
from defect_measures import told_apart
from labelled_sets import magnetic_tile_all, untouched
from results_file import Start, circumstances, table, write_section

from keenline.data.dataset import Dataset
from keenline.evaluation.metrics import average_precision
from keenline.recipe import Recipe
from keenline.training.fit import train
from keenline.training.teach import teach
from keenline.training.working_size import thinnest
from keenline.types import Sample

DEFECTS, GOOD, FOLDS = 30, 100, 5
SIZES = (128, 192, 256, 309)
"""Sides of the square of equal area; 309 is that of most tiles as they are."""
ABOUT = """\
{defects} defects of one class and {good} good tiles of the validation half of magnetic-tile, made
smaller; the class head of `keenline teach` on parts left out in {folds} folds. "Width": of the
largest circle in each defect; a quarter are thinner. A cell has 8 px. One seed, float32."""


def main() -> None:
    asked = _asked()
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start, rows = Start.now(), []
    for name in asked.classes:
        dataset = _half(DATA / "magnetic-tile", name)
        known = thinnest(dataset.defects)
        assert known is not None, "they all have masks"
        width, side = known
        for size in asked.sizes:
            precision, area = _told(dataset, size)
            cells = (name, size, f"{width * size / side:.1f}", f"{precision:.3f}", f"{area:.3f}")
            rows.append([str(cell) for cell in cells])
            print(*rows[-1], sep=" | ", flush=True)
    text = [
        "## Working size and thin defects",
        ABOUT.format(defects=DEFECTS, good=GOOD, folds=FOLDS),
        circumstances(start),
        table(("class", "size", "width, px", "AP", "AUROC"), rows),
    ]
    if asked.write:
        write_section("working size", "\n\n".join(text))


def _half(root: Path, name: str) -> Dataset:
    never, rng = untouched(root), np.random.default_rng(0)
    mine = [sample for sample in magnetic_tile_all(root) if sample.image not in never]
    good = [sample for sample in mine if sample.is_good]
    bad = [sample for sample in mine if sample.label == name]
    samples = (*_drawn(good, GOOD, rng), *_drawn(bad, DEFECTS, rng))
    return Dataset(root=root, samples=samples, layout="magnetic-tile")


def _drawn(samples: list[Sample], number: int, rng: np.random.Generator) -> tuple[Sample, ...]:
    return tuple(samples[place] for place in rng.permutation(len(samples))[:number])


def _told(dataset: Dataset, size: int) -> tuple[float, float]:
    """Average precision and AUROC of the class, each part left out once."""
    table = {"image": {"size": size}, "detector": {"precision": "f32"}}
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        fitted = train(dataset, f"{folder}/part.keen", recipe=Recipe.model_validate(table))
        taught = teach(fitted.path, dataset, folds=FOLDS)
    scores = np.array([max(out.scores.values()) for out in taught.left_out])
    good = np.array([out.sample.is_good for out in taught.left_out])
    return average_precision(scores[good], scores[~good]), told_apart(scores, good)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", nargs="*", default=["crack", "blowhole"])
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
