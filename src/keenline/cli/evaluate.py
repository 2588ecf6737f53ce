"""`keenline evaluate`: labelled images turned into recall, false alarms and their bounds."""

from __future__ import annotations

from dataclasses import replace
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
        evaluation, tested = show_evaluated(bundle, inspector, dataset, files, terminal)
        if as_json:
            terminal.emit(_record(bundle, inspector, tested, evaluation))


def show_evaluated(
    bundle: Path, inspector: Inspector, dataset: Dataset, files: Files, terminal: Terminal
) -> tuple[Evaluation, Dataset]:
    """Inspect `dataset`, say how it went and write `files`.

    The answer names what was inspected: the dataset without the samples that were left out.
    """
    from keenline.training.evaluate import evaluate as evaluated

    with terminal.steps() as progress:
        evaluation, inspected = evaluated(inspector, dataset, progress)
    tested = replace(dataset, samples=tuple(sample for sample, _ in inspected))
    if not terminal.as_json:
        show_evaluation(evaluation, terminal)
    if files.wanted:
        rows = labelled_rows(inspected)
        content = content_of(bundle, inspector, rows, dataset=tested, evaluation=evaluation)
        files.write(content, inspector, terminal)
    return evaluation, tested


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
