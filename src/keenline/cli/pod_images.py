"""A bundle and images with marked defects turned into defects found and missed, with a size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.cli.options import EngineName
    from keenline.data.hit_table import DefectHit


@dataclass(frozen=True, slots=True)
class Looked:
    """What looking for every defect gave."""

    hits: tuple[DefectHit, ...]
    unit: str
    """`mm`, or `px` where nobody says how large a pixel is."""
    facts: dict[str, str]
    notes: tuple[str, ...]


def hits_on_images(
    bundle: Path,
    data: Path,
    *,
    measure: str,
    join: int,
    pixel_size: float | None,
    engine: EngineName | None,
    threads: int,
    part_pattern: str | None,
    terminal: Terminal,
) -> Looked:
    """Inspect every image with a marked defect that was not learnt from.

    Raises as `Inspector.open` and `open_dataset` do.
    """
    with terminal.waiting(f"reading {data}"):
        from keenline.data.defect_sizes import SizeMeasure, defects_of
        from keenline.data.hit_table import DefectHit
        from keenline.data.importers import open_dataset
        from keenline.inference.defect_hits import is_found, marked_places
        from keenline.inference.inspector import CERTAIN, Inspector

        inspector = Inspector.open(bundle, engine=engine, threads=threads)
        dataset = open_dataset(data, part_pattern=part_pattern)
    recipe = inspector.manifest.recipe
    limits = {known.name: known.threshold for known in recipe.classes}
    scale = pixel_size or recipe.image.pixel_size_mm
    samples = [each for each in dataset.defects if each.split != "train"]
    hits: list[DefectHit] = []
    invalid = unmarked = several = 0
    with terminal.steps() as progress:
        for done, sample in enumerate(samples):
            progress("inspect", done, len(samples))
            inspection = inspector.inspect(sample.image)
            if inspection.prediction is None:
                invalid += 1
                continue
            defects = defects_of(sample, inspection.size, join=join)
            unmarked += not defects
            several += len(defects) > 1
            marked = marked_places(inspection, limits, CERTAIN)
            for defect in defects:
                size = defect.size(SizeMeasure(measure)) * (scale or 1.0)
                name = str(sample.image.relative_to(dataset.root))
                hits.append(DefectHit(defect.class_name, size, is_found(marked, defect.mask), name))
        progress("inspect", len(samples), len(samples))
    facts = {
        "Bundle": f"{bundle.name}, sha256 {inspector.bundle.sha256[:12]}",
        "Images": f"{data.resolve().name}, sha256 {dataset.sha256[:12]}",
        "Size": f"{measure}, {f'{scale:g} mm a pixel' if scale else 'in pixels'}",
    }
    return Looked(
        tuple(hits), "mm" if scale else "px", facts, _notes(invalid, unmarked, several, scale)
    )


def _notes(invalid: int, unmarked: int, several: int, scale: float | None) -> tuple[str, ...]:
    said: Sequence[tuple[int | bool, str]] = (
        (scale is None, "sizes are in pixels: the recipe has no image.pixel_size_mm"),
        (unmarked, f"defective images without a marked place, left out: {unmarked}"),
        (invalid, f"INVALID images, left out: {invalid}"),
        (
            several,
            (
                f"images with more than one defect: {several}; defects of one image are less "
                "independent than the bound takes them to be"
            ),
        ),
    )
    return tuple(words for so, words in said if so)
