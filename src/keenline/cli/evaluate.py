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
    from keenline.data.origins import Origins
    from keenline.evaluation.judged import Rule
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
    provenance: Annotated[
        Path | None,
        typer.Option(
            "--provenance",
            help="A table of where images come from (part, lot, line, session, light); else "
            "provenance.csv in DATA, if any.",
            metavar="FILE.csv",
        ),
    ] = None,
    views_together: Annotated[
        bool,
        typer.Option(
            "--views-together",
            help="The images of one part are views judged as one: one alarm finds it.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Inspect labelled images and state recall and false alarms with exact bounds.

    Claims count parts, not images, for each class, lot, line, shift, light and size. Of an MVTec AD
    layout everything in test is inspected and train is left out.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        files = Files(report, csv, parquet)
        files.check()
        with terminal.waiting(f"reading {data}"):
            from keenline.data.importers import open_dataset
            from keenline.data.origins import origins_of
            from keenline.inference.inspector import Inspector

            inspector = Inspector.open(bundle, engine=engine, threads=threads)
            dataset = open_dataset(data, part_pattern=part_pattern)
            origins = origins_of(data, dataset, provenance)
            dataset = replace(
                dataset,
                samples=origins.samples(dataset.samples),
                notes=dataset.notes + origins.notes,
            )
        describe(dataset, terminal)
        show_threshold(inspector.bundle, terminal)
        terminal.say()
        evaluation, tested = show_evaluated(
            bundle,
            inspector,
            dataset,
            files,
            terminal,
            origins=origins,
            rule="together" if views_together else "each image",
        )
        if as_json:
            terminal.emit(_record(bundle, inspector, tested, evaluation))


def show_evaluated(
    bundle: Path,
    inspector: Inspector,
    dataset: Dataset,
    files: Files,
    terminal: Terminal,
    *,
    origins: Origins | None = None,
    rule: Rule = "each image",
) -> tuple[Evaluation, Dataset]:
    """Inspect `dataset`, say how it went and write `files`.

    The answer names what was inspected: the dataset without the samples that were left out.
    """
    from keenline.data.origins import Origins
    from keenline.training.evaluate import evaluate as evaluated

    with terminal.steps() as progress:
        evaluation, inspected = evaluated(
            inspector, dataset, progress, origins=origins or Origins(), rule=rule
        )
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
