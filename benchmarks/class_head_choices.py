"""The class head with other values than its defaults, on validation images alone.

Half of magnetic-tile, the half that no benchmark tests: 50 of its defects and 200 of its good tiles
are learnt, its other tiles measured.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from datasets import DATA
from labelled_sets import magnetic_tile_fifty, untouched
from numpy.typing import NDArray
from results_file import Start, circumstances, table, write_section

from keenline.bundle import GRAPH
from keenline.data.class_masks import class_masks
from keenline.data.dataset import Dataset
from keenline.data.reading import read_image
from keenline.evaluation.metrics import auroc, f1_max
from keenline.inference.class_outputs import LEAST
from keenline.inference.engine import Engine
from keenline.inference.engines import open_engine
from keenline.inference.framing import Framing
from keenline.models.base import silent
from keenline.models.class_head import CELLS, ClassHead, cells_graph
from keenline.training.fit import train
from keenline.training.head_fit import NETWORKS, PENALTY, STEPS, UNITS, fit_head
from keenline.training.labelled_cells import Cells, draw_cells
from keenline.types import GOOD, Sample

SHARES = (0.0005, 0.002, 0.01, 0.05)
ABOUT = """\
Validation tiles only: 50 defects and 200 good tiles learnt, {tested} others tested, {seeds} seeds.
AUROC by the mean logit of the strongest share of cells named above the column; F1 of cells at the
threshold best for it. The default is the first row, and 0.2 %."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to teach a head."""

    name: str
    units: int = UNITS
    penalty: float = PENALTY
    steps: int = STEPS
    networks: int = NETWORKS
    mirrored: bool = True


CHOICES = (
    Choice("default"),
    Choice("16 units", units=16),
    Choice("256 units", units=256),
    Choice("penalty 0.1", penalty=0.1),
    Choice("penalty 20", penalty=20.0),
    Choice("500 steps", steps=500),
    Choice("2000 steps", steps=2000),
    Choice("3 networks", networks=3),
    Choice("5 networks", networks=5),
    Choice("3 networks of 32", networks=3, units=32),
    Choice("3 networks, 500 steps", networks=3, steps=500),
    Choice("3 networks, penalty 0.5", networks=3, penalty=0.5),
    Choice("3 networks, penalty 2", networks=3, penalty=2.0),
    Choice("not mirrored", mirrored=False),
)


@dataclass(frozen=True, slots=True)
class Seen:
    """A tested tile: its cells, and which of them are defective."""

    cells: NDArray[np.float32]
    defective: NDArray[np.bool_]
    is_good: bool


def main() -> None:
    asked = _asked()
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start = Start.now()
    lessons = [_lesson(seed) for seed in range(asked.seeds)]
    rows = []
    for choice in CHOICES:
        found = np.array([_measured(choice, *lesson) for lesson in lessons])
        rows.append([choice.name, *(f"{value:.3f}" for value in found.mean(axis=0))])
        print(*rows[-1], sep=" | ", flush=True)
    tested = round(statistics.mean(len(lesson[2]) for lesson in lessons))
    header = ("head", *(f"AUROC, {share:.2%}" for share in SHARES), "F1 of cells")
    text = [
        "## What the class head is taught with",
        ABOUT.format(seeds=asked.seeds, tested=tested),
        circumstances(start),
        table(header, rows),
    ]
    write_section("class head choices", "\n\n".join(text))


def _lesson(seed: int) -> tuple[dict[bool, Cells], Sequence[str], list[Seen], int]:
    """Cells to learn from, mirrored and not, the classes, and the tested tiles."""
    root = DATA / "magnetic-tile"
    never = untouched(root)
    every = magnetic_tile_fifty(root, seed, among=lambda image: image not in never)
    classes = sorted(set(every.classes) - {GOOD})
    learnt = [sample for sample in every.samples if sample.split == "train"]
    tested = [sample for sample in every.samples if sample.split == "test"]
    with tempfile.TemporaryDirectory(prefix="keenline-") as folder:
        bundle = train(Dataset(root, tuple(learnt)), f"{folder}/part.keen", seed=seed).bundle
    framing = Framing(bundle.manifest.framing)
    graph = cells_graph(onnx.load_from_string(bundle.members[GRAPH]), None).SerializeToString()
    engine = open_engine(graph, name="openvino", precision=bundle.manifest.engine.precision)
    cells = {
        mirrored: draw_cells(
            learnt,
            classes,
            engine,
            framing,
            mirrored=mirrored,
            rng=np.random.default_rng(seed),
            progress=silent,
        )[0]
        for mirrored in (False, True)
    }
    return cells, classes, [seen(sample, engine, framing) for sample in tested], seed


def seen(sample: Sample, engine: Engine, framing: Framing) -> Seen:
    """The cells of a tile as the engine, of a graph that answers with `CELLS`, sees it."""
    image = read_image(sample.image)
    found = engine.run(framing.frame(image).views)[CELLS][0]
    covered = np.zeros(image.shape, np.uint8)
    for mask in class_masks(sample, image.shape[1::-1]).values():
        covered[mask] = 255
    view = framing.frame(covered).views[0, ..., 0] / 255
    rows, columns = view.shape[0] // found.shape[1], view.shape[1] // found.shape[2]
    share = view[: rows * found.shape[1], : columns * found.shape[2]]
    share = share.reshape(found.shape[1], rows, found.shape[2], columns).mean(axis=(1, 3))
    return Seen(found.reshape(len(found), -1).T, share.ravel() >= 0.5, sample.is_good)


def _measured(
    choice: Choice, cells: dict[bool, Cells], classes: Sequence[str], tested: list[Seen], seed: int
) -> list[float]:
    head: ClassHead = fit_head(
        cells[choice.mirrored],
        classes,
        seed=seed,
        units=choice.units,
        penalty=choice.penalty,
        steps=choice.steps,
        networks=choice.networks,
    )
    shares = [np.clip(head.probabilities(one.cells), LEAST, 1 - LEAST) for one in tested]
    good = np.array([one.is_good for one in tested])
    found = []
    for top in SHARES:
        scores = np.array([top_logit(share, top) for share in shares])
        found.append(auroc(scores[good], scores[~good]))
    any_class = np.concatenate([share.max(axis=1) for share in shares])
    true = np.concatenate([one.defective for one in tested])
    return [*found, f1_max(any_class[~true], any_class[true])[0]]


def top_logit(share: NDArray[np.float32], top: float) -> float:
    """Mean logit of the strongest share `top` of the cells, of the surest class."""
    number = max(1, int(np.ceil(len(share) * top)))
    logits = np.log(share / (1 - share))
    return float(np.sort(logits, axis=0)[-number:].mean(axis=0).max())


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
