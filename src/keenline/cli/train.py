"""`keenline train`: a folder of good images turned into a bundle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.changes import follow
from keenline.cli.failures import failing_calmly
from keenline.cli.options import (
    Json,
    LearntEngine,
    LearntPrecision,
    Output,
    PartPattern,
    RecipeFile,
    Seed,
    Side,
    effective_recipe,
    require_writable,
)
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.bundle import Bundle
    from keenline.data.dataset import Dataset, Skipped
    from keenline.training.fit import Trained


def train(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of images, in any layout.", metavar="DATA", show_default=False
        ),
    ],
    output: Output,
    recipe: RecipeFile = None,
    detector: Annotated[
        str | None,
        typer.Option("--detector", help="memory_bank or classical.", metavar="NAME"),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone", help="keenline, filterbank, onnx:PATH or timm:NAME.", metavar="NAME"
        ),
    ] = None,
    size: Side = None,
    engine: LearntEngine = None,
    precision: LearntPrecision = None,
    seed: Seed = 0,
    part_pattern: PartPattern = None,
    as_json: Json = False,
) -> None:
    """Learn a part from good images and write a bundle.

    What is said here overrides the recipe. Of an MVTec AD layout only train/good is read.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        wanted = effective_recipe(
            recipe,
            detector=detector,
            backbone=backbone,
            engine=engine,
            precision=precision,
            size=size,
        )
        require_writable(output)
        with terminal.waiting(f"reading {data}"):
            from keenline.data.importers import open_dataset
            from keenline.training import fit

            dataset = open_dataset(data, part_pattern=part_pattern)
        describe(dataset, terminal)
        with terminal.steps() as progress:
            trained = fit.train(dataset, output, recipe=wanted, seed=seed, progress=progress)
        follow(trained.path, "learnt", before="", terminal=terminal)
        if as_json:
            terminal.emit(_record(trained, dataset))
        else:
            conclude(trained, dataset, terminal)
            terminal.next_step("keenline", "inspect", str(trained.path), "IMAGES")


def describe(dataset: Dataset, terminal: Terminal) -> None:
    """Say what was found in the folder, before learning from it."""
    from keenline.types import GOOD

    terminal.fact("data", f"{dataset.root} ({dataset.layout})")
    for split in sorted({sample.split for sample in dataset.samples}, reverse=True):
        labels = Counter(sample.label for sample in dataset.samples if sample.split == split)
        ordered = sorted(labels, key=lambda label: (label != GOOD, label))
        counts = ", ".join(f"{labels[label]} {label}" for label in ordered)
        terminal.fact(split or "images", counts)
    repeated = dataset.duplicates()
    if repeated:
        copies = sum(len(group) - 1 for group in repeated)
        first = " = ".join(str(sample.image.relative_to(dataset.root)) for sample in repeated[0])
        terminal.fact("duplicates", f"{copies} equal to another image, such as {first}", "yellow")
    for note in dataset.notes:
        terminal.fact("note", note)
    terminal.skipped((str(file.path), file.error.what) for file in dataset.skipped)
    terminal.say()


def conclude(trained: Trained, dataset: Dataset, terminal: Terminal) -> None:
    """Say what was learnt and how far it may be trusted."""
    manifest = trained.bundle.manifest
    held = manifest.training.held_out_parts
    terminal.fact(
        "learnt",
        f"{manifest.training.images} images of {manifest.training.parts} parts"
        + (f", {held} of them held out" if held else "")
        + f", in {trained.seconds:.1f} s",
    )
    show_news(dataset, trained.notes, trained.skipped, terminal)
    show_threshold(trained.bundle, terminal)
    terminal.fact("engine", f"{manifest.engine.name}, {manifest.engine.precision}")
    size = trained.path.stat().st_size
    words = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    terminal.fact("bundle", f"{trained.path} ({words})", "bold")
    terminal.fact("", f"sha256 {trained.bundle.sha256[:12]}")


def show_news(
    dataset: Dataset, notes: Sequence[str], skipped: Sequence[Skipped], terminal: Terminal
) -> None:
    """Say what learning found out that reading the folder had not."""
    for note in notes:
        if note not in dataset.notes:
            terminal.fact("note", note)
    told = {file.path for file in dataset.skipped}
    terminal.skipped((str(file.path), file.error.what) for file in skipped if file.path not in told)


def show_threshold(bundle: Bundle, terminal: Terminal) -> None:
    """Say the threshold and, in its own words, what may be claimed of it."""
    threshold = bundle.manifest.threshold
    terminal.fact("threshold", f"{threshold.value:.4g}", "bold")
    terminal.fact("", threshold.statement)


def _record(trained: Trained, dataset: Dataset) -> dict[str, object]:
    manifest = trained.bundle.manifest
    skipped = {file.path: file.error for file in (*dataset.skipped, *trained.skipped)}
    return {
        "bundle": str(trained.path),
        "sha256": trained.bundle.sha256,
        "bytes": trained.path.stat().st_size,
        "detector": manifest.detector,
        "threshold": manifest.threshold.model_dump(mode="json"),
        "training": manifest.training.model_dump(mode="json"),
        "engine": manifest.engine.model_dump(mode="json"),
        "recipe_sha256": manifest.recipe_sha256,
        "layout": dataset.layout,
        "classes": dataset.classes,
        "duplicates": [[str(s.image) for s in group] for group in dataset.duplicates()],
        "seconds": round(trained.seconds, 3),
        "notes": list(dict.fromkeys((*dataset.notes, *trained.notes))),
        "skipped": [
            {"path": str(path), "problem": error.what, "code": int(error.code)}
            for path, error in skipped.items()
        ],
    }
