"""`keenline teach`: labelled defects turned into classes that a bundle tells apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.changes import follow, foretell
from keenline.cli.failures import failing_calmly
from keenline.cli.options import BundlePath, Json, PartPattern, require_writable
from keenline.cli.terminal import Terminal
from keenline.cli.train import describe, show_news

if TYPE_CHECKING:
    from keenline.bundle import ClassFacts
    from keenline.data.dataset import Dataset
    from keenline.training.teach import Taught


def teach(
    bundle: BundlePath,
    labelled: Annotated[
        Path,
        typer.Option(
            "--labelled", help="A folder of good images and labelled defects.", metavar="DIR"
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write another bundle instead of replacing this one.",
            metavar="FILE.keen",
        ),
    ] = None,
    synthetic: Annotated[
        Path | None,
        typer.Option(
            "--synthetic",
            help="Also learn from what synthesise wrote here; never measured on.",
            metavar="DIR",
        ),
    ] = None,
    share: Annotated[
        float,
        typer.Option(
            "--share",
            min=0,
            max=0.9,
            help="Share of synthetic defects among those learnt of each class, at most.",
        ),
    ] = 0.5,
    mostly_synthetic: Annotated[
        bool,
        typer.Option("--mostly-synthetic", help="Insist on a share above 0.5."),
    ] = False,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="The same seed and images teach the same.")
    ] = 0,
    part_pattern: PartPattern = None,
    as_json: Json = False,
) -> None:
    """Teach a bundle to tell classes of defects apart.

    What it learnt from good parts stays, and goes on asking for a review of anything strange. The
    classes of an earlier lesson are replaced. Of a layout with a training split only that is read.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        from keenline.bundle import read_bundle

        before = read_bundle(bundle)  # a broken one is said before the images are read
        require_writable(output or bundle)
        foretell(before, bundle, output, terminal)
        with terminal.waiting(f"reading {labelled}"):
            from keenline.data.importers import open_dataset
            from keenline.data.synthetic_index import read_synthetic
            from keenline.training import teach as teaching

            dataset = open_dataset(labelled, part_pattern=part_pattern)
            made = () if synthetic is None else read_synthetic(synthetic)
        describe(dataset, terminal)
        with terminal.steps() as progress:
            taught = teaching.teach(
                bundle,
                dataset,
                output=output,
                seed=seed,
                synthetic=made,
                share=share,
                mostly_synthetic=mostly_synthetic,
                progress=progress,
            )
        after = follow(taught.path, "learnt", before=before.sha256, terminal=terminal)
        taught = replace(taught, bundle=after)
        if as_json:
            terminal.emit(_record(taught, dataset))
        else:
            _conclude(taught, dataset, terminal)
            terminal.next_step("keenline", "inspect", str(taught.path), "IMAGES")


def _conclude(taught: Taught, dataset: Dataset, terminal: Terminal) -> None:
    classes = taught.bundle.manifest.classes
    terminal.fact("taught", f"{len(classes)} classes, in {taught.seconds:.1f} s")
    for known in classes:
        terminal.fact("", words_of(known))
    if taught.confirmed_misses:
        from keenline.training.confirmed_misses import MISS_WEIGHT

        terminal.fact(
            "misses",
            f"{taught.confirmed_misses} images of parts that had passed; their defects weighed "
            f"{MISS_WEIGHT:g} times as much",
        )
    if taught.synthetic.images:
        terminal.fact(
            "synthetic",
            f"{taught.synthetic.images} images learnt from too, "
            f"{100 * taught.synthetic.share:.0f} % of the defective cells",
        )
    show_news(dataset, taught.notes, taught.skipped, terminal)
    terminal.fact("bundle", str(taught.path), "bold")
    terminal.fact("", f"sha256 {taught.bundle.sha256[:12]}")


def words_of(known: ClassFacts) -> str:
    from keenline.evaluation.claims import needed
    from keenline.evaluation.intervals import Proportion

    if not known.tried:
        return f"{known.name}: {known.parts} part, too few to be measured"
    found = Proportion.of(known.found, known.tried)
    alarms = "no good part to raise a false alarm on"
    if known.good:
        most = Proportion.of(known.false_alarms, known.good).upper95
        alarms = (
            f"{known.false_alarms} false alarms in {known.good} good parts "
            f"(at most {100 * most:.1f} %)"
        )
    return (
        f"{known.name}: {known.found} of {known.tried} left-out parts found "
        f"(recall at least {100 * found.lower95:.0f} %), {alarms}; "
        f"{needed(known.found, known.tried).sentence}"
    )


def _record(taught: Taught, dataset: Dataset) -> dict[str, object]:
    skipped = {(file.path, str(file.error)): file.error for file in dataset.skipped}
    skipped |= {(file.path, str(file.error)): file.error for file in taught.skipped}
    return {
        "bundle": str(taught.path),
        "sha256": taught.bundle.sha256,
        "classes": [known.model_dump(mode="json") for known in taught.bundle.manifest.classes],
        "synthetic": taught.synthetic.images,
        "confirmed_misses": taught.confirmed_misses,
        "synthetic_share": round(taught.synthetic.share, 4),
        "updates": list(taught.bundle.manifest.updates),
        "seconds": round(taught.seconds, 3),
        "notes": list(dict.fromkeys((*dataset.notes, *taught.notes))),
        "skipped": [
            {"path": str(path), "problem": error.what, "code": int(error.code)}
            for (path, _), error in skipped.items()
        ],
    }
