"""Real images of which some defects are labelled, split as a factory would begin: few of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from datasets import kolektor, magnetic_tile

from keenline.data.dataset import Dataset
from keenline.types import GOOD, Sample

GOOD_LEARNT = 200
DEFECTS_LEARNT = 50


def magnetic_tile_fifty(
    root: Path,
    seed: int,
    share: float | None = None,
    among: Callable[[Path], bool] = lambda _: True,
) -> Dataset:
    """50 defects, as many of each class, and 200 good to learn from; all other tiles to test.

    share: learn from this share of the tiles of every class instead, good ones included. among:
    which images to take at all. Images of one tile under several exposures share a number in their
    names, and stay together.
    """
    samples = [
        replace(sample, part=_tile(sample.image))
        for sample in magnetic_tile_all(root)
        if among(sample.image)
    ]
    rng = np.random.default_rng(seed)
    classes = sorted({sample.label for sample in samples} - {GOOD})
    learnt: set[str] = set()
    for name in (GOOD, *classes):
        mine = [sample for sample in samples if sample.label == name]
        wanted = GOOD_LEARNT if name == GOOD else DEFECTS_LEARNT // len(classes)
        if share is not None:
            wanted = round(share * len(mine))
        parts = sorted({sample.part for sample in mine})
        number = 0
        for place in rng.permutation(len(parts)):
            if number >= wanted:
                break
            if parts[place] not in learnt:
                learnt.add(parts[place])
                number += sum(sample.part == parts[place] for sample in mine)
    split = [replace(s, split="train" if s.part in learnt else "test") for s in samples]
    return Dataset(root=root, samples=tuple(split), layout="magnetic-tile")


def untouched(root: Path) -> set[Path]:
    """The test half of magnetic-tile, on which nothing was chosen."""
    return {sample.image for sample in magnetic_tile(root, 0) if sample.split == "test"}


def magnetic_tile_all(root: Path) -> list[Sample]:
    """Every tile once."""
    samples = []
    for folder in sorted(root.glob("MT_*")):
        name = folder.name.removeprefix("MT_").lower()
        for path in sorted((folder / "Imgs").glob("*.jpg")):
            mask = None if name == "free" else path.with_suffix(".png")
            samples.append(Sample(path, GOOD if name == "free" else name, mask))
    return samples


def kolektor_all(root: Path) -> Dataset:
    """Every image once, all to learn from: what is tested is left out in turn, by part."""
    samples = tuple(replace(sample, split="train") for sample in kolektor(root))
    return Dataset(root=root, samples=samples, layout="kolektorsdd")


def _tile(path: Path) -> str:
    found = re.search(r"num_(\d+)", path.name)
    return found[1] if found else path.name
