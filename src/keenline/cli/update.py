"""`keenline update`: more good images turned into a bundle that knows them too."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.changes import follow, foretell
from keenline.cli.failures import failing_calmly
from keenline.cli.options import BundlePath, Json, require_writable
from keenline.cli.terminal import Terminal
from keenline.cli.train import describe, show_news, show_threshold

if TYPE_CHECKING:
    from keenline.data.dataset import Dataset
    from keenline.training.update import Updated


def update(
    bundle: BundlePath,
    good: Annotated[
        Path,
        typer.Option("--good", help="A folder of good images to add.", metavar="DIR"),
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
    as_json: Json = False,
) -> None:
    """Add good images to a bundle without learning again.

    Use it for good parts that were flagged. The bundle is replaced in one step, or not at all.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        from keenline.bundle import read_bundle

        before = read_bundle(bundle)  # a broken one is said before the images are read
        require_writable(output or bundle)
        foretell(before, bundle, output, terminal)
        with terminal.waiting(f"reading {good}"):
            from keenline.data.importers import open_dataset
            from keenline.training import update as learning

            dataset = open_dataset(good)
        describe(dataset, terminal)
        with terminal.steps() as progress:
            updated = learning.update(bundle, dataset, output=output, progress=progress)
        after = follow(updated.path, "learnt", before=before.sha256, terminal=terminal)
        updated = replace(updated, bundle=after)
        if as_json:
            terminal.emit(_record(updated))
        else:
            _conclude(updated, dataset, terminal)


def _conclude(updated: Updated, dataset: Dataset, terminal: Terminal) -> None:
    terminal.fact("added", f"{updated.added} patches of {len(dataset.good)} good images")
    show_news(dataset, updated.notes, updated.skipped, terminal)
    show_threshold(updated.bundle, terminal)
    terminal.fact("bundle", str(updated.path), "bold")
    terminal.fact("", f"sha256 {updated.bundle.sha256[:12]}")


def _record(updated: Updated) -> dict[str, object]:
    return {
        "bundle": str(updated.path),
        "sha256": updated.bundle.sha256,
        "added": updated.added,
        "threshold": updated.bundle.manifest.threshold.model_dump(mode="json"),
        "updates": list(updated.bundle.manifest.updates),
        "notes": list(updated.notes),
        "skipped": [
            {"path": str(file.path), "problem": file.error.what, "code": int(file.error.code)}
            for file in updated.skipped
        ],
    }
