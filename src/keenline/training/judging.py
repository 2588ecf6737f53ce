"""Inspected samples turned into judged images: what each truly shows and what was said of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from keenline.data.dataset_version import Provenance
from keenline.data.defect_size import defect_lengths
from keenline.data.splits import independent_parts
from keenline.errors import ImageError
from keenline.evaluation.judged import JudgedImage
from keenline.recipe import Recipe
from keenline.training.lesson_samples import classes_of
from keenline.types import Inspection, Sample

_UNSAID = Provenance()


def judged_images(
    inspected: Sequence[tuple[Sample, Inspection]],
    recipe: Recipe,
    *,
    hashes: Mapping[Path, str],
    origins: Mapping[Path, Provenance],
) -> Iterator[JudgedImage]:
    """One judged image for each inspected sample.

    Images that share a part name or their content are of one part. Sizes are in mm where the
    recipe states the size of a pixel, else in pixels. A class is named when its score is above the
    recipe's threshold.
    """
    samples = [sample for sample, _ in inspected]
    parts = {
        sample.image: f"{number}"
        for number, group in enumerate(independent_parts(samples, hashes))
        for sample in group
    }
    for sample, inspection in inspected:
        yield JudgedImage(
            part=parts[sample.image],
            verdict=inspection.decision.verdict,
            classes=classes_of(sample),
            named=named_classes(inspection, recipe),
            origin=_origin(origins.get(sample.image, _UNSAID)),
            sizes=_sizes(sample, inspection, recipe),
        )


def named_classes(inspection: Inspection, recipe: Recipe) -> frozenset[str]:
    """The classes whose score is above their threshold."""
    if inspection.prediction is None:
        return frozenset()
    limits = {defect.name: defect.threshold for defect in recipe.classes}
    scores = inspection.prediction.class_scores
    return frozenset(name for name, score in scores.items() if score > limits.get(name, 0.5))


def _origin(said: Provenance) -> dict[str, str]:
    return {"lot": said.lot, "line": said.line, "shift": said.session, "light": said.light}


def _sizes(sample: Sample, inspection: Inspection, recipe: Recipe) -> dict[str, float]:
    if sample.is_good or inspection.size == (0, 0):
        return {}
    try:
        return defect_lengths(sample, inspection.size, recipe.image.pixel_size_mm)
    except ImageError:
        # The importer has read this mask; should it be gone since, its size is not known.
        return {}
