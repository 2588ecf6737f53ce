"""`keenline evaluate`: labelled images turned into recall, false alarms and their bounds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.files import Files, content_of, labelled_rows
from keenline.cli.options import (
    BundlePath,
    Csv,
    Json,
    OtherEngine,
    Parquet,
    PartPattern,
    Report,
    Threads,
)
from keenline.cli.terminal import Terminal
from keenline.cli.train import describe, show_threshold
from keenline.cli.verdicts import show_evaluation

if TYPE_CHECKING:
    from keenline.data.dataset import Dataset
    from keenline.evaluation.summary import Evaluation
    from keenline.inference.inspector import Inspector


def evaluate(
    bundle: BundlePath,
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of labelled images, in any layout.", metavar="DATA", show_default=False
        ),
    ],
    report: Report = None,
    csv: Csv = None,
    parquet: Parquet = None,
    engine: OtherEngine = None,
    threads: Threads = 0,
    part_pattern: PartPattern = None,
    as_json: Json = False,
) -> None:
    """Inspect labelled images and state recall and false alarms with exact bounds.

    Of an MVTec AD layout everything in test is inspected and train is left out.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        files = Files(report, csv, parquet)
        files.check()
        with terminal.waiting(f"reading {data}"):
            from keenline.data.importers import open_dataset
            from keenline.inference.inspector import Inspector

            inspector = Inspector.open(bundle, engine=engine, threads=threads)
            dataset = open_dataset(data, part_pattern=part_pattern)
        describe(dataset, terminal)
        show_threshold(inspector.bundle, terminal)
        terminal.say()
        evaluation = show_evaluated(bundle, inspector, dataset, files, terminal)
        if as_json:
            terminal.emit(_record(bundle, inspector, dataset, evaluation))


def show_evaluated(
    bundle: Path, inspector: Inspector, dataset: Dataset, files: Files, terminal: Terminal
) -> Evaluation:
    """Inspect `dataset`, say how it went and write `files`."""
    from keenline.training.evaluate import evaluate as evaluated

    with terminal.steps() as progress:
        evaluation, inspected = evaluated(inspector, dataset, progress)
    if not terminal.as_json:
        show_evaluation(evaluation, terminal)
    if files.wanted:
        rows = labelled_rows(inspected)
        content = content_of(bundle, inspector, rows, dataset=dataset, evaluation=evaluation)
        files.write(content, inspector, terminal)
    return evaluation


def _record(
    bundle: Path, inspector: Inspector, dataset: Dataset, evaluation: Evaluation
) -> dict[str, object]:
    return evaluation.as_dict() | {
        "bundle": str(bundle),
        "bundle_sha256": inspector.bundle.sha256,
        "data": str(dataset.root),
        "data_sha256": dataset.sha256,
        "layout": dataset.layout,
        "notes": list(dataset.notes),
        "skipped": [
            {"path": str(file.path), "problem": file.error.what, "code": int(file.error.code)}
            for file in dataset.skipped
        ],
    }
