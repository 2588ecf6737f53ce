"""Samples turned into splits that no part, lot or identical image ever straddles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from keenline.errors import Code, TrainingError
from keenline.types import Sample

Parts = list[list[Sample]]
"""Samples by independent part; each inner list is one part (or lot) with all its images."""


_NO_LOTS: Mapping[Path, str] = MappingProxyType({})


def independent_parts(
    samples: Sequence[Sample],
    hashes: Mapping[Path, str],
    lots: Mapping[Path, str] = _NO_LOTS,
) -> Parts:
    """Group samples so that two groups share no part name, lot or byte-identical image.

    Two parts that share an identical image are one: that file was copied, and counting both
    would claim more independent evidence than there is. A sample without a part name stands for
    itself. `lots`: the lot of each image whose lot is known and counts; an empty name is none.
    Groups and their members keep the order of `samples`.
    """
    parent = list(range(len(samples)))

    def top(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[tuple[str, str], int] = {}
    for index, sample in enumerate(samples):
        keys = [("content", hashes[sample.image]), ("file", str(sample.image))]
        if sample.part:
            keys.append(("part", sample.part))
        if lots.get(sample.image):
            keys.append(("lot", lots[sample.image]))
        for key in keys:
            low, high = sorted((top(first.setdefault(key, index)), top(index)))
            parent[high] = low
    groups: defaultdict[int, list[Sample]] = defaultdict(list)
    for index, sample in enumerate(samples):
        groups[top(index)].append(sample)
    return list(groups.values())


def split_good(
    samples: Sequence[Sample], held_out: int, seed: int, hashes: Mapping[Path, str]
) -> tuple[list[Sample], list[Sample]]:
    """Split into (to learn from, held out), with `held_out` independent parts held out.

    The same samples, seed and hashes give the same split, in the order of `samples`. Raises
    TrainingError (TOO_FEW_IMAGES) unless at least one part is left to learn from.
    """
    parts = independent_parts(samples, hashes)
    if not 0 <= held_out < len(parts):
        raise TrainingError(
            Code.TOO_FEW_IMAGES,
            "There are too few good parts to hold some out",
            expected=f"more than {held_out} independent parts",
            got=f"{len(parts)} parts in {len(samples)} images",
            next="add good images, or hold out fewer parts",
        )
    order = np.random.default_rng(seed).permutation(len(parts))
    chosen = {sample.image for index in order[:held_out] for sample in parts[index]}
    return (
        [sample for sample in samples if sample.image not in chosen],
        [sample for sample in samples if sample.image in chosen],
    )


def k_folds(
    samples: Sequence[Sample], folds: int, seed: int, hashes: Mapping[Path, str]
) -> list[tuple[list[Sample], list[Sample]]]:
    """Split `folds` times into (rest, fold); every sample is in exactly one fold.

    Parts are dealt out in a seeded order, so folds differ by at most one part. Raises
    TrainingError (TOO_FEW_IMAGES) when there are fewer parts than folds, or less than two folds.
    """
    parts = independent_parts(samples, hashes)
    if not 2 <= folds <= len(parts):
        raise TrainingError(
            Code.TOO_FEW_IMAGES,
            "There are too few parts for this many folds",
            expected=f"at least 2 folds and at least {folds} independent parts",
            got=f"{len(parts)} parts in {len(samples)} images",
        )
    order = np.random.default_rng(seed).permutation(len(parts))
    fold_of = {
        sample.image: place % folds for place, index in enumerate(order) for sample in parts[index]
    }
    return [
        (
            [sample for sample in samples if fold_of[sample.image] != fold],
            [sample for sample in samples if fold_of[sample.image] == fold],
        )
        for fold in range(folds)
    ]
