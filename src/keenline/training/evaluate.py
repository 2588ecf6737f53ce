"""An inspector and labelled images turned into an evaluation."""

from __future__ import annotations

import numpy as np

from keenline.data.class_masks import class_masks
from keenline.data.dataset import Dataset
from keenline.data.origins import Origins
from keenline.errors import Code, DatasetError, ImageError
from keenline.evaluation.evidence import Evidence, evidence
from keenline.evaluation.judged import Rule
from keenline.evaluation.metrics import PixelMetrics
from keenline.evaluation.summary import Evaluation, summarise
from keenline.inference.inspector import Inspector
from keenline.models.base import Progress, silent
from keenline.training.judging import judged_images
from keenline.types import Inspection, Mask, Sample

_UNSAID = Origins()


def evaluate(
    inspector: Inspector,
    dataset: Dataset,
    progress: Progress = silent,
    *,
    origins: Origins = _UNSAID,
    rule: Rule = "each image",
) -> tuple[Evaluation, list[tuple[Sample, Inspection]]]:
    """Inspect every test sample and summarise.

    Of a layout with a training split, that split is left out; else all samples are used.
    `origins`: where images come from, by which the evidence is told apart; `rule`: how several
    images of one part count. Raises DatasetError when nothing is left.
    """
    samples = [sample for sample in dataset.samples if sample.split != "train"]
    if not samples:
        raise DatasetError(
            Code.DATASET_EMPTY,
            "There is nothing to evaluate",
            where=dataset.root,
            expected="images outside train/",
            got=f"{len(dataset.samples)} images, all in train/",
        )
    pixels = PixelMetrics()
    inspected = []
    for done, sample in enumerate(samples):
        progress("inspect", done, len(samples))
        inspection = inspector.inspect(sample.image)
        inspected.append((sample, inspection))
        if inspection.prediction is not None:
            mask = _truth(sample, inspection.size)
            if mask is not None:
                pixels.add(inspection.prediction.map, mask)
    progress("inspect", len(samples), len(samples))
    evaluation = summarise(
        [(sample.label, inspection) for sample, inspection in inspected],
        threshold=inspector.threshold,
        statement=inspector.manifest.threshold.statement,
        pixels=pixels if pixels.regions else None,
        evidence=_evidence(inspector, dataset, inspected, origins, rule),
    )
    return evaluation, inspected


def _evidence(
    inspector: Inspector,
    dataset: Dataset,
    inspected: list[tuple[Sample, Inspection]],
    origins: Origins,
    rule: Rule,
) -> Evidence:
    recipe = inspector.manifest.recipe
    known = origins.samples(tuple(sample for sample, _ in inspected))
    pairs = [(sample, said) for sample, (_, said) in zip(known, inspected, strict=True)]
    judged = judged_images(pairs, recipe, hashes=dataset.hashes(known), origins=origins.of)
    return evidence(
        judged,
        rule=rule,
        names_classes=bool(inspector.manifest.classes),
        unit="px" if recipe.image.pixel_size_mm is None else "mm",
    )


def _truth(sample: Sample, size: tuple[int, int]) -> Mask | None:
    """The defective pixels; None where they are not known."""
    if sample.is_good:
        return np.zeros((size[1], size[0]), bool)
    try:
        masks = class_masks(sample, size)
    except ImageError:
        # The importer has read this mask; should it be gone since, its image counts as a whole.
        return None
    return np.logical_or.reduce(list(masks.values())) if masks else None
