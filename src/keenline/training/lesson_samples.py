"""A labelled dataset turned into samples to teach with, in folds that no part straddles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from keenline.bundle import Manifest
from keenline.data.dataset import Dataset, Skipped
from keenline.data.reading import probe
from keenline.errors import Code, DatasetError, ImageError
from keenline.inference.framing import Framing
from keenline.inference.region_of_interest import roi_mask
from keenline.models.patches import inspected
from keenline.training.good_parts import framed_roi
from keenline.types import GOOD, Sample

FOLDS = 5
"""Times that a share of the parts is left out, to see how well the classes do on new parts."""


def usable_samples(
    labelled: Dataset, framing: Framing, *, good_needed: bool = True
) -> tuple[list[Sample], tuple[Skipped, ...]]:
    """The samples to teach with: those of the training split where there is one.

    good_needed: whether it takes good images to tell defects from, or defects are only told from
    one another. Raises DatasetError: DATASET_NO_DEFECT, DATASET_NO_GOOD.
    """
    usable, skipped = [], []
    for sample in labelled.learnable:
        try:
            facts = probe(sample.image)
            if not framing.fits(facts.width, facts.height):
                raise framing.wrong_size(facts.width, facts.height, where=sample.image)
            usable.append(sample)
        except ImageError as error:
            skipped.append(Skipped(sample.image, error))
    counts = Counter(sample.is_good for sample in usable)
    if not counts[False]:
        measuring = sum(not s.is_good for s in labelled.samples if s.split == "test")
        raise DatasetError(
            Code.DATASET_NO_DEFECT,
            "There are no defects to learn from",
            where=labelled.root,
            expected="labelled images of defects that fit the bundle",
            got=f"{counts[True]} good images"
            + (f", and {measuring} defects in test/, which are for measuring" if measuring else ""),
            next="add labelled defects, in a folder named after their class or in a label file",
        )
    if good_needed and counts[True] < 2:
        raise DatasetError(
            Code.DATASET_NO_GOOD,
            "There are too few good images to tell defects from",
            where=labelled.root,
            expected="at least 2 good images beside the defects; 50 are better",
            got=f"{counts[True]} good images, {counts[False]} of defects",
            next="add the good images that the bundle was learnt from",
        )
    return usable, tuple(skipped)


def classes_of(sample: Sample) -> frozenset[str]:
    """The classes a sample shows; none for a good one."""
    if sample.is_good:
        return frozenset()
    return frozenset(mark.class_name for mark in sample.marks) or frozenset((sample.label,))


def dealt(
    samples: Sequence[Sample],
    parts: NDArray[np.int64],
    classes: Sequence[str],
    seed: int,
    folds: int = FOLDS,
) -> NDArray[np.int64]:
    """The fold of each sample, (samples,), 0 to `folds` - 1, or less where there are fewer parts.

    All images of a part are in one fold. The parts of each class are dealt out in a seeded order,
    the rarest class first, so each fold has its share of every class.
    """
    rng = np.random.default_rng(seed)
    shown: dict[int, set[str]] = {int(part): set() for part in parts}
    for sample, part in zip(samples, parts, strict=True):
        shown[int(part)] |= classes_of(sample)
    counts = Counter(name for names in shown.values() for name in names)
    order = sorted(classes, key=lambda name: (counts[name], name))
    folds = min(folds, len(shown))
    fold_of: dict[int, int] = {}
    dealt_so_far = 0
    for name in (*order, GOOD):
        bearing = [
            part
            for part, names in shown.items()
            if part not in fold_of and (name in names or (name == GOOD and not names))
        ]
        for place in rng.permutation(len(bearing)):
            fold_of[bearing[place]] = dealt_so_far % folds
            dealt_so_far += 1
    return np.array([fold_of[int(part)] for part in parts])


def highest(scores: NDArray[np.float64], parts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The highest score of each part, (parts,)."""
    return np.array([scores[parts == part].max() for part in np.unique(parts)])


def inspected_cells(manifest: Manifest, graph: onnx.ModelProto) -> NDArray[np.float32] | None:
    """Which cells of the map are inspected, 1 or 0, where the graph itself must know it.

    None when all are, and where images differ in size or are tiled: then the scorer knows.
    """
    facts = manifest.framing
    roi = roi_mask(manifest.recipe.inspect, facts.width, facts.height)
    if roi is None or not facts.fixed_size or facts.tile is not None:
        return None
    maps = next(output for output in graph.graph.output if output.name == "map")
    grid = [side.dim_value for side in maps.type.tensor_type.shape.dim][1:]
    inside = inspected(framed_roi(roi, Framing(facts))[0], 0, (grid[0], grid[1]))
    return inside.astype(np.float32)
