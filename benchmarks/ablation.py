"""Validation pictures turned into the table of what each default of the memory bank is worth.

One choice at a time is changed from the present default. Test images are never looked at: see
validation.py. Features are kept in .bench/ablation and used again.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

from ablation_bank import Choices, Study
from ablation_features import features, keep_features
from datasets import DATA, WEIGHTS
from results_file import Start, circumstances, table, write_section
from validation import VALIDATION, ValidationSet

from keenline.models.backbones import open_backbone

BACKBONES = ("mobilenet_v2", "resnet18")
ABOUT = """\
Image AUROC on validation pictures, {seeds} seeds: mean ± half the range. One choice at a time is
changed from the defaults, which are marked `*`. No test image of the accuracy table's magnetic-tile
is among these pictures, and none of kolektorsdd and cookie. All in float32.

{sets}

`against the default` is the difference from the default of the same seed, averaged over the sets
of one backbone or of both, with its lowest and highest value among the seeds: a choice is clearly
better when the lowest is above 0 for both backbones, clearly worse when the highest is below."""


@dataclass(frozen=True, slots=True)
class Varied:
    """One row of the table."""

    factor: str
    value: str
    choices: Choices


def rows() -> list[Varied]:
    """The default first, then each choice with one other value at a time."""
    plain = Choices()
    found = [Varied("default", "*", plain)]
    for factor, values in FACTORS.items():
        for value, change in values.items():
            varied = replace(plain, **change)  # type: ignore[arg-type]
            found.append(Varied(factor, value + " *" * (varied == plain), varied))
    return found


FACTORS: dict[str, dict[str, dict[str, object]]] = {
    "scales": {
        "1": {"scales": (1.0,)},
        "1, 1/2": {"scales": (1.0, 0.5)},
        "1, 2/3": {"scales": (1.0, 2 / 3)},
        "1, 1/2, 1/4": {"scales": (1.0, 0.5, 0.25)},
    },
    "added are": {
        "maps": {"sum_of_maps": True},
        "scores of each scale": {"sum_of_maps": False},
    },
    "top fraction": {
        "maximum": {"fraction": 0.0},
        "0.3 %": {"fraction": 0.003},
        "1 %": {"fraction": 0.01},
        "3 %": {"fraction": 0.03},
    },
    "whitening": {f"{power:g}": {"whitening": power} for power in (0.0, 0.25, 0.5, 0.75, 1.0)},
    "ridge": {f"{ridge:g}": {"ridge": ridge} for ridge in (0.001, 0.01, 0.1)},
    "dimensions": {
        "64": {"dimensions": 64},
        "128": {"dimensions": 128},
        "all (128, 384)": {"dimensions": 10_000},
    },
    "3x3 local mean": {"off": {"local_mean": False}, "on": {"local_mean": True}},
    "brightness ± 20 %": {"off": {"brightness": False}, "on": {"brightness": True}},
    "candidates": {f"{n}": {"candidates": n} for n in (10_000, 20_000, 40_000)},
    "selection": {"random": {"greedy": False}, "greedy": {"greedy": True}},
    "members": {f"{n}": {"members": n} for n in (500, 1000, 2000)},
    "neighbours of the reach": {
        "none: nearest member": {"neighbours": 0},
        **{f"{n}": {"neighbours": n} for n in (3, 5, 10, 20)},
    },
}

Job = tuple[str, str, int]
"""Set, backbone and seed."""


def main() -> None:
    asked = _asked()
    if not DATA.is_dir():
        print("skipped: the real images are expected in ../shared/data, which is not there")
        return
    start = Start.now()
    sets = [one for one in VALIDATION if one.is_here]
    jobs = list(itertools.product([one.name for one in sets], BACKBONES, range(asked.seeds)))
    folders = {}
    for one, name in itertools.product(sets, BACKBONES):
        backbone = open_backbone(f"onnx:{WEIGHTS / name / 'features.onnx'}")
        folders[one.name, name] = keep_features(one.pictures(), backbone)
        print(f"features of {one.name}, {name}", flush=True)
    found: dict[Job, list[float]] = {}
    # Workers are fresh processes; each takes one core.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    with ProcessPoolExecutor(asked.workers, get_context("spawn")) as pool:
        measured = pool.map(_measured, jobs, [folders[job[:2]] for job in jobs])
        for job, values in zip(jobs, measured, strict=True):
            found[job] = values
            print(*job, f"default {values[0]:.3f}", flush=True)
    write_section("ablation", _text(found, sets, start, asked.seeds))


def _measured(job: Job, folders: tuple[Path, ...]) -> list[float]:
    """AUROC of each row, from the features of its set and backbone."""
    name, _, seed = job
    (one,) = (known for known in VALIDATION if known.name == name)
    pictures = one.pictures()
    varied = [row.choices for row in rows()]
    split = one.split(pictures, seed)
    study = Study(features(folders), pictures, split, seed, varied)
    return [study.auroc(choices) for choices in varied]


def _text(
    found: dict[Job, list[float]], sets: Sequence[ValidationSet], start: Start, seeds: int
) -> str:
    about = ABOUT.format(seeds=seeds, sets="\n".join(f"- {one.name}: {one.about}." for one in sets))
    parts = ["## The memory bank's defaults on validation data", about, circumstances(start)]
    names = [one.name for one in sets]
    for backbone in BACKBONES:
        header = ("choice", "value", *names, "mean", "against the default")
        lines = _rows(found, [(backbone, name) for name in names])
        parts += [f"### {backbone}", table(header, lines)]
    header = ("choice", "value", *BACKBONES, "mean", "against the default")
    both = list(itertools.product(BACKBONES, names))
    lines = _rows(found, both, lambda backbone, _: backbone)
    parts += ["### Both, averaged over the sets", table(header, lines)]
    return "\n\n".join(parts)


def _rows(
    found: dict[Job, list[float]],
    cells: Sequence[tuple[str, str]],
    column: Callable[[str, str], str] = lambda _, name: name,
) -> list[list[str]]:
    """A line for each row; cells (backbone, set) of one column are averaged for each seed."""
    seeds = sorted({seed for _, _, seed in found})
    columns = list(dict.fromkeys(column(*cell) for cell in cells))

    def means(place: int, wanted: Sequence[tuple[str, str]]) -> list[float]:
        return [
            statistics.mean(found[name, backbone, seed][place] for backbone, name in wanted)
            for seed in seeds
        ]

    lines = []
    for place, row in enumerate(rows()):
        line = [row.factor, row.value]
        for title in columns:
            line.append(_spread(means(place, [c for c in cells if column(*c) == title])))
        own, plain = means(place, cells), means(0, cells)
        line.append(_spread(own))
        lines.append([*line, _difference([a - b for a, b in zip(own, plain, strict=True)])])
    return lines


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.3f} ± {(max(values) - min(values)) / 2:.3f}"


def _difference(values: Sequence[float]) -> str:
    if not any(values):
        return "-"
    return f"{statistics.mean(values):+.4f} ({min(values):+.4f} to {max(values):+.4f})"


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
