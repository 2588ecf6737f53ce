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
from collections.abc import Sequence
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

TOGETHER = "together"
BACKBONES = ("mobilenet_v2", "resnet18")
ABOUT = """\
Image AUROC on validation pictures, {seeds} seeds: mean ± half the range. One choice at a time is
changed from the defaults, which are marked `*`. No test image of the accuracy table's magnetic-tile
is among these pictures, and none of kolektorsdd and cookie. All in float32.

{sets}

`against the default` is the difference from the default of the same seed, averaged over the sets
of one backbone, and in the last table of both, with its lowest and highest value among the seeds.
There a value counts as clearly better when even the lowest is above 0, as clearly worse when even
the highest is below; the differences of each set and backbone say whether one of them decides.
Three seeds agree by chance in one row of four, so differences of a few thousandths say little."""


@dataclass(frozen=True, slots=True)
class Varied:
    """One row of the table."""

    factor: str
    value: str
    choices: Choices


def rows(factors: Sequence[str]) -> list[Varied]:
    """The default, each of these choices with another value at a time, a few changed together."""
    plain = Choices()
    found = [Varied("default", "*", plain)]
    for factor in factors:
        for value, change in FACTORS[factor].items():
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
    TOGETHER: {
        "whitening 0.5, 5 neighbours": {"whitening": 0.5, "neighbours": 5},
        "whitening 0.75, 5 neighbours": {"whitening": 0.75, "neighbours": 5},
        "whitening 0.75, 3 neighbours": {"whitening": 0.75, "neighbours": 3},
        "whitening 1, 3 neighbours": {"whitening": 1.0, "neighbours": 3},
        "whitening 0.75, 3 neighbours, 2000 members": {
            "whitening": 0.75,
            "neighbours": 3,
            "members": 2000,
        },
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
    varied = rows(asked.factors)
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
        measured = pool.map(
            _measured, jobs, [folders[job[:2]] for job in jobs], itertools.repeat(varied)
        )
        for job, values in zip(jobs, measured, strict=True):
            found[job] = values
            print(*job, f"default {values[0]:.3f}", flush=True)
    whole = list(asked.factors) == list(FACTORS)
    section = "ablation" if whole else f"ablation, {', '.join(asked.factors)}"
    write_section(section, _text(found, varied, sets, start))


def _measured(job: Job, folders: tuple[Path, ...], varied: Sequence[Varied]) -> list[float]:
    """AUROC of each row, from the features of its set and backbone."""
    name, _, seed = job
    (one,) = (known for known in VALIDATION if known.name == name)
    pictures = one.pictures()
    choices = [row.choices for row in varied]
    split = one.split(pictures, seed)
    study = Study(features(folders), pictures, split, seed, choices)
    return [study.auroc(each) for each in choices]


def _text(
    found: dict[Job, list[float]],
    varied: Sequence[Varied],
    sets: Sequence[ValidationSet],
    start: Start,
) -> str:
    seeds = len({seed for _, _, seed in found})
    about = ABOUT.format(seeds=seeds, sets="\n".join(f"- {one.name}: {one.about}." for one in sets))
    parts = ["## The memory bank's defaults on validation data", about, circumstances(start)]
    names = [one.name for one in sets]
    for backbone in BACKBONES:
        header = ("choice", "value", *names, "mean", "against the default")
        parts += [f"### {backbone}", table(header, _levels(found, varied, backbone, names))]
    header = ("choice", "value", *names, *BACKBONES, "all", "lowest and highest seed")
    parts += ["### Differences from the default", table(header, _differences(found, varied, names))]
    return "\n\n".join(parts)


def _levels(
    found: dict[Job, list[float]], varied: Sequence[Varied], backbone: str, names: Sequence[str]
) -> list[list[str]]:
    lines = []
    for place, row in enumerate(varied):
        sets = [_seeds(found, place, [name], [backbone]) for name in names]
        mean = _seeds(found, place, names, [backbone])
        plain = _seeds(found, 0, names, [backbone])
        less = [a - b for a, b in zip(mean, plain, strict=True)]
        against = f"{statistics.mean(less):+.4f} ({_range(less)})" if any(less) else "-"
        lines.append([row.factor, row.value, *map(_spread, (*sets, mean)), against])
    return lines


def _differences(
    found: dict[Job, list[float]], varied: Sequence[Varied], names: Sequence[str]
) -> list[list[str]]:
    groups: list[tuple[list[str], Sequence[str]]] = [([name], BACKBONES) for name in names]
    groups += [(list(names), (backbone,)) for backbone in BACKBONES]
    groups.append((list(names), BACKBONES))
    lines = []
    for place, row in enumerate(varied):
        if row.choices == Choices():
            continue
        less: list[float] = []
        line = [row.factor, row.value]
        for group in groups:
            pairs = zip(_seeds(found, place, *group), _seeds(found, 0, *group), strict=True)
            less = [own - plain for own, plain in pairs]
            line.append(f"{statistics.mean(less):+.4f}")
        lines.append([*line, _range(less)])
    return lines


def _seeds(
    found: dict[Job, list[float]], place: int, names: Sequence[str], backbones: Sequence[str]
) -> list[float]:
    """AUROC of a row for each seed, averaged over sets and backbones."""
    cells = list(itertools.product(names, backbones))
    return [
        statistics.mean(found[*cell, seed][place] for cell in cells)
        for seed in sorted({seed for _, _, seed in found})
    ]


def _spread(values: Sequence[float]) -> str:
    return f"{statistics.mean(values):.3f} ± {(max(values) - min(values)) / 2:.3f}"


def _range(values: Sequence[float]) -> str:
    return f"{min(values):+.4f} to {max(values):+.4f}"


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--factors", nargs="*", default=list(FACTORS), choices=list(FACTORS))
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
