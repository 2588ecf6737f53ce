"""A validation written as a page, with pictures of the parts that were missed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from keenline import __version__

if TYPE_CHECKING:
    from keenline.data.dataset import Dataset
    from keenline.recipe import Recipe
    from keenline.training.validate import Validated
    from keenline.types import Image, Mask


def write_validation(
    path: Path, dataset: Dataset, recipe: Recipe, seed: int, halves: Sequence[Validated]
) -> None:
    """Write the page; raises OutputError, EnvironmentMissing (EXTRA_MISSING)."""
    from keenline.report.pdf import write_page
    from keenline.report.validation_page import Half, validation_page

    samples = {sample.image: sample for sample in dataset.samples}

    def look(image: Path) -> tuple[Image, list[Mask]]:
        from keenline.data.class_masks import class_masks
        from keenline.data.reading import read_image

        pixels = read_image(image)
        marked = class_masks(samples[image], (pixels.shape[1], pixels.shape[0]))
        return pixels, list(marked.values())

    facts = {
        "Date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "Images": f"{dataset.root.name}, sha256 {dataset.sha256[:12]}",
        "Version": dataset.version[:12],
        "Recipe": f"sha256 {recipe.sha256[:12]}",
        "Detector": recipe.detector.name,
        "Seed": str(seed),
        "Keenline": __version__,
    }
    shown = [
        Half(
            "On parts left out in turn" if place == 0 else "On the held-out set",
            _how(found),
            found.estimate,
            found.notes,
        )
        for place, found in enumerate(halves)
    ]
    told = {name: value for name, value in facts.items() if value}
    page = validation_page(shown, f"What to expect of {dataset.root.name}", told, look)
    write_page(page, path)


def _how(found: Validated) -> str:
    bundles = "1 bundle" if found.folds == 1 else f"{found.folds} bundles"
    estimate = found.estimate
    return (
        f"{found.how}: {estimate.images} images of {estimate.parts} parts, none of them learnt by "
        f"the bundle that judged it; {bundles}, in {found.seconds:.0f} s."
    )
