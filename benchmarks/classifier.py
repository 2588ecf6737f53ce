"""Fifteen images of each of six classes turned into the table of how well a classifier names them.

NEU-DET as it is in ../shared/data: 100 images of each of six kinds of defect on hot-rolled steel,
none of them good. The class is that of the file's name; every image is a part of its own.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from datasets import DATA
from defect_measures import spread
from results_file import Start, circumstances, table, write_section

from keenline.data.dataset import Dataset
from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe
from keenline.training.supervised.learners import learner
from keenline.training.supervised.settings import Settings
from keenline.types import Sample

LEARNT = 15
WEIGHTS = DATA.parent / "weights" / "vit_tiny_patch16_224" / "state_dict.fp16.safetensors"
EPOCHS = 25
VIT = "timm:vit_tiny_patch16_224"

WAYS: dict[str, dict[str, object]] = {
    "built-in backbone, frozen": {"frozen": True},
    "built-in backbone, all taught": {},
    "hybrid on it, 4 layers, 8 heads": {"model": "hybrid"},
    "ViT-tiny, frozen": {"frozen": True, "backbone": VIT},
}
"""By what a row of the table is called; keys of the recipe's `[learning]`, and the backbone."""

ABOUT = """\
{learnt} images of each of six classes to learn from, 85 of each to test; no good image among them,
so the bundle sends every part to review and tells which class it is. Learning took at most {epochs}
epochs. Of the ways the one with the lowest loss on images left out of the 15 is "{chosen}"; test
images decided nothing. "Sure" counts test images where the right class is above its confidence of
0.5 and no other is. Every bundle gave the images left out the verdicts of torch in both engines, or
it would not have been written. Mean ± half the range of {seeds} seeds."""


def main() -> None:
    asked = _asked()
    root = DATA / "neu-det-voc" / "JPEGImages"
    if not root.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start = Start.now()
    rows, losses = [], {}
    for name in [name for name in WAYS if not asked.only or asked.only in name]:
        runs = [_run(neu(root, seed), WAYS[name], seed) for seed in range(asked.seeds)]
        losses[name] = float(np.mean([run["loss"] for run in runs]))
        rows.append([name, *(spread([run[key] for run in runs], n) for key, _, n in COLUMNS)])
        print(*rows[-1], sep=" | ", flush=True)
    text = [
        "## Classifier",
        ABOUT.format(
            learnt=LEARNT,
            seeds=asked.seeds,
            epochs=EPOCHS,
            chosen=min(losses, key=losses.__getitem__),
        ),
        circumstances(start),
        table(("what learns", *(title for _, title, _ in COLUMNS)), rows),
    ]
    if asked.write:
        write_section("classifier", "\n\n".join(text))


COLUMNS = (
    ("loss", "loss, left out", 3),
    ("accuracy", "accuracy, tested", 4),
    ("lowest", "lowest class", 3),
    ("sure", "sure", 3),
    ("int8", "int8 kept", 2),
    ("share", "bytes of f32", 2),
    ("bundle", "bundle MB", 2),
    ("seconds", "learning s", 0),
)


def neu(root: Path, seed: int) -> Dataset:
    """`LEARNT` images of each class as split `train`, the others as `test`."""
    by_class: defaultdict[str, list[Path]] = defaultdict(list)
    for path in sorted(root.glob("*.jpg")):
        by_class[path.stem.rpartition("_")[0]].append(path)
    rng = np.random.default_rng(seed)
    samples = []
    for name, paths in sorted(by_class.items()):
        for rank, place in enumerate(rng.permutation(len(paths))):
            split = "train" if rank < LEARNT else "test"
            samples.append(Sample(paths[place], name, part=paths[place].stem, split=split))
    return Dataset(root=root, samples=tuple(samples), layout="neu-det")


def _run(dataset: Dataset, way: dict[str, object], seed: int) -> dict[str, float]:
    learning = {"model": "classifier", "epochs": EPOCHS} | way
    backbone = str(learning.pop("backbone", "keenline"))
    model = str(learning["model"])
    recipe = Recipe.model_validate(
        {"learning": learning, "detector": {"name": model, "backbone": backbone}}
    )
    weights = WEIGHTS if backbone == VIT else None
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        began = time.perf_counter()
        learnt = learner(model).load()(
            dataset,
            Path(folder) / "part.keen",
            recipe=recipe,
            settings=Settings.of(recipe.learning, weights=weights, seed=seed),
            resume=False,
            progress=lambda *_: None,
            told=lambda _: None,
        )
        took = time.perf_counter() - began
        measured = _tested(learnt.path, dataset)
        size = learnt.path.stat().st_size / 1e6
    facts, engine = learnt.bundle.manifest.facts, learnt.bundle.manifest.engine
    rounded = [note for note in learnt.notes if note.startswith("int8 takes")]
    return measured | {
        "loss": float(str(facts["validation_loss"])),
        "int8": float(engine.precision == "int8"),
        "share": float(rounded[0].split()[2].rstrip("%")) / 100 if rounded else float("nan"),
        "bundle": size,
        "seconds": took,
    }


def _tested(bundle: Path, dataset: Dataset) -> dict[str, float]:
    inspector = Inspector.open(bundle)
    right: defaultdict[str, list[bool]] = defaultdict(list)
    sure = []
    for sample in dataset.samples:
        if sample.split != "test":
            continue
        found = inspector.inspect(sample.image)
        assert found.prediction is not None
        assert found.decision.verdict.value != "PASS"
        scores = found.prediction.class_scores
        right[sample.label].append(max(scores, key=scores.__getitem__) == sample.label)
        sure.append([name for name, score in scores.items() if score > 0.5] == [sample.label])
    return {
        "accuracy": float(np.mean(np.concatenate(list(right.values())))),
        "lowest": min(float(np.mean(found)) for found in right.values()),
        "sure": float(np.mean(sure)),
    }


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="ways whose name holds this")
    parser.add_argument("--write", action="store_true", help="write the section of RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
