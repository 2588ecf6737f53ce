"""Real defects, and a share of synthetic ones beside them, turned into what real test images say.

For each set and seed the bank is fitted once, as many synthetic images are made as the largest
share needs, and the class head is taught once for each share. Everything that is measured is real.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from datasets import DATA, cookie
from defect_measures import Pixels, certainty, spread, told_apart
from labelled_sets import kolektor_all, magnetic_tile_fifty, untouched
from numpy.typing import NDArray
from results_file import Start, circumstances, table, write_section

from keenline.bundle import read_bundle
from keenline.data.class_masks import class_masks
from keenline.data.dataset import Dataset
from keenline.data.defect_library import cut_defects
from keenline.data.synthetic import synthesise
from keenline.data.synthetic_index import SyntheticSample, read_synthetic
from keenline.evaluation.metrics import average_precision
from keenline.inference.enlarging import enlarge
from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe
from keenline.training.fit import train
from keenline.training.lesson_samples import FOLDS as USUAL_FOLDS
from keenline.training.teach import Taught, teach

SHARES = (0.0, 0.25, 0.5)
MADE = 0.75
"""Of synthetic images, so that there are cells enough: one shows one defect, a real one several."""
FOLDS = 10
ABOUT = """\
`keenline synthesise` and `keenline teach --synthetic --share`: the head on frozen features of the
default bundle, with defects cut from the learnt images and pasted onto learnt good ones. A share is
that of synthetic cells among the defective ones of each class; where fewer could be made, the
column "synthetic" says how many there were. Measured on real images only, which nothing synthetic
was made from. AUROC and average precision (AP) by the highest confidence of any class; pixel F1,
recall and false alarms at the bundle's own confidence. Mean ± half the range of {seeds} seeds;
"change" is against 0 % of the same seed."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A set of real images."""

    name: str
    about: str
    split: Callable[[int], Dataset]
    among: Callable[[], set[Path]] | None = None
    """Images to test at all; None: all of the test split, or, without one, parts left out."""


def main() -> None:
    asked = _asked()
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start = Start.now()
    wanted = [one for one in SUBJECTS if not asked.set or one.name in asked.set]
    rows, done = [], []
    for subject in wanted:
        seeds = range(asked.seeds)
        if asked.jobs == 1:
            found = [_shares(subject.name, seed) for seed in seeds]
        else:
            with ProcessPoolExecutor(asked.jobs, mp_context=get_context("spawn")) as jobs:
                found = list(jobs.map(_shares, [subject.name] * len(seeds), seeds))
        rows += _rows(subject, found)
        done.append(f"{subject.name}: {subject.about}")
        header = ("set", "share", *(title for _, title in COLUMNS), "change of AUROC")
        text = ["## Synthetic defects beside real ones", ABOUT.format(seeds=asked.seeds)]
        text += [circumstances(start), *done, table(header, rows)]
        if asked.write:  # after each set, since the next takes a while
            write_section("synthetic share", "\n\n".join(text))


COLUMNS = (
    ("images", "synthetic"),
    ("auroc", "AUROC"),
    ("ap", "AP"),
    ("f1", "pixel F1"),
    ("recall", "recall"),
    ("alarms", "false alarms"),
)


def _rows(subject: Subject, found: list[dict[float, dict[str, float]]]) -> list[list[str]]:
    rows = []
    for share in SHARES:
        cells = []
        for key, _ in COLUMNS:
            values = [seed[share][key] for seed in found]
            known = not np.isnan(values).any()
            cells.append(spread(values, 0 if key == "images" else 3) if known else "")
        moved = [seed[share]["auroc"] - seed[0.0]["auroc"] for seed in found]
        change = f"{np.mean(moved):+.3f} ({min(moved):+.3f} to {max(moved):+.3f})" if share else ""
        rows.append([subject.name, f"{share:.0%}", *cells, change])
        print(*rows[-1], sep=" | ", flush=True)
    return rows


def _shares(name: str, seed: int) -> dict[float, dict[str, float]]:
    """What each share did on real images of a set."""
    subject = next(one for one in SUBJECTS if one.name == name)
    dataset = subject.split(seed)
    found = {}
    with tempfile.TemporaryDirectory(prefix="keenline-") as place:
        folder = Path(place)
        fitted = train(dataset, folder / "part.keen", seed=seed)
        made = _made(dataset, folder / "made", seed)
        for share in SHARES:
            taught = teach(
                fitted.path,
                dataset,
                output=folder / "taught.keen",
                seed=seed,
                folds=FOLDS if subject.among is None else USUAL_FOLDS,
                synthetic=made,
                share=share,
            )
            found[share] = (
                _left_out(taught)
                if subject.among is None
                else _tested(taught.path, dataset, subject.among())
            )
            found[share]["images"] = taught.synthetic.images
            print(
                subject.name, seed, share, f"{taught.synthetic.share:.2f}", found[share], flush=True
            )
    return found


def _made(dataset: Dataset, folder: Path, seed: int) -> tuple[SyntheticSample, ...]:
    cuts = cut_defects(dataset.samples, root=dataset.root).cuts
    synthesise(dataset.samples, cuts, Recipe(), folder, share=MADE, seed=seed, root=dataset.root)
    return read_synthetic(folder)


def _tested(path: Path, dataset: Dataset, among: set[Path]) -> dict[str, float]:
    """Of the test images."""
    inspector = Inspector.open(path)
    tested = [s for s in dataset.samples if s.split == "test" and s.image in among]
    pixels, scores, taken = Pixels(), [], []
    for sample in tested:
        inspection = inspector.inspect(sample.image)
        said = inspection.prediction
        assert said is not None, inspection.decision
        scores.append(certainty(said))
        taken.append(max(said.class_scores.values()) > 0.5)
        size = inspection.size
        true = np.zeros(size[::-1], bool)
        for mask in class_masks(sample, size).values():
            true |= mask
        if sample.is_good or true.any():  # not every defective image says where
            seen = enlarge(np.max(list(said.class_maps.values()), axis=0), true.shape)
            pixels.add(seen > 0.5, true)
    good = np.array([sample.is_good for sample in tested])
    values, flagged = np.array(scores), np.array(taken)
    return _ranked(values, good) | {
        "f1": pixels.f1,
        "recall": float(flagged[~good].mean()),
        "alarms": float(flagged[good].mean()),
    }


def _left_out(taught: Taught) -> dict[str, float]:
    """Of parts that were left out of the head; there are no maps of them."""
    values = np.array([max(out.scores.values()) for out in taught.left_out])
    good = np.array([out.sample.is_good for out in taught.left_out])
    known = read_bundle(taught.path).manifest.classes
    return _ranked(values, good) | {
        "f1": float("nan"),
        "recall": sum(fact.found for fact in known) / sum(fact.tried for fact in known),
        "alarms": sum(fact.false_alarms for fact in known) / sum(fact.good for fact in known),
    }


def _ranked(values: NDArray[np.float64], good: NDArray[np.bool_]) -> dict[str, float]:
    return {
        "auroc": told_apart(values, good),
        "ap": average_precision(values[good], values[~good]),
    }


def _cookie(seed: int) -> Dataset:
    """Half of the images with a mask to learn from; the others and the test folder to test."""
    root = DATA / "cookie"
    samples = cookie(root, seed)
    marked = sorted(sample.image for sample in samples if sample.mask is not None)
    order = np.random.default_rng(seed).permutation(len(marked))
    learnt = {marked[place] for place in order[: len(marked) // 2]}
    split = tuple(replace(s, split="train") if s.image in learnt else s for s in samples)
    return Dataset(root=root, samples=split, layout="cookie")


def _cookies() -> set[Path]:
    return {sample.image for sample in cookie(DATA / "cookie", 0)}


SUBJECTS = (
    Subject(
        "cookie",
        "31 good and 16 of the 32 marked images learnt; tested on the other 16, on 8 without a "
        "mask, and on 14 good.",
        _cookie,
        _cookies,
    ),
    Subject(
        "kolektorsdd",
        f"13 cracks (a copy is left out); parts left out in {FOLDS} folds, of the head only.",
        lambda _: kolektor_all(DATA / "kolektorsdd"),
    ),
    Subject(
        "magnetic-tile",
        "50 defects of five classes and 200 good learnt; tested on those of the others that "
        "nothing was chosen on.",
        lambda seed: magnetic_tile_fifty(DATA / "magnetic-tile", seed),
        lambda: untouched(DATA / "magnetic-tile"),
    ),
)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="only this set; again for more")
    parser.add_argument("--jobs", type=int, default=1, help="seeds side by side")
    parser.add_argument("--write", action="store_true", help="put the table into RESULTS.md")
    return parser.parse_args()


if __name__ == "__main__":
    main()
