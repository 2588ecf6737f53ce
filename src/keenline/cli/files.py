"""Inspections turned into the files that were asked for: report, CSV and Parquet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from keenline import __version__
from keenline.cli.options import require_parquet, require_writable
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.data.dataset import Dataset
    from keenline.evaluation.summary import Evaluation
    from keenline.inference.inspector import Inspector
    from keenline.report.content import ReportContent, ReportRow
    from keenline.types import Image, Inspection, Mask, Sample


@dataclass(frozen=True, slots=True)
class Files:
    """Which files to write; None: not asked for."""

    report: Path | None = None
    csv: Path | None = None
    parquet: Path | None = None

    @property
    def wanted(self) -> bool:
        """Whether any file was asked for."""
        return any((self.report, self.csv, self.parquet))

    def check(self) -> None:
        """Raise OutputError or EnvironmentMissing before the work rather than after it."""
        require_writable(self.report, self.csv, self.parquet)
        if self.report is not None and self.report.suffix.lower() == ".pdf":
            raise typer.BadParameter("a report with pictures is HTML, which a browser prints")
        require_parquet(self.parquet)

    def write(self, content: ReportContent, inspector: Inspector, terminal: Terminal) -> None:
        """Write them and say where they are; raises OutputError."""
        from keenline.report.html import write_report
        from keenline.report.tables import write_csv, write_parquet

        if self.report:
            with terminal.waiting("writing the report"):
                reader = _Reader(inspector)
                write_report(
                    _explained(content, inspector, reader),
                    self.report,
                    read=reader.image,
                    read_mask=reader.mask,
                )
            terminal.fact("report", str(self.report), "bold")
        if self.csv:
            write_csv(content, self.csv)
            terminal.fact("scores", str(self.csv), "bold")
        if self.parquet:
            write_parquet(content, self.parquet)
            terminal.fact("scores", str(self.parquet), "bold")


PLACED = "confidence at each place"
"""What maps of classes are where a bundle does not say otherwise."""


def content_of(
    bundle: Path,
    inspector: Inspector,
    rows: Sequence[ReportRow],
    *,
    dataset: Dataset | None = None,
    evaluation: Evaluation | None = None,
) -> ReportContent:
    """What the report says, with what an auditor needs to find everything again."""
    from keenline.report.content import ReportContent, Skipped

    manifest = inspector.manifest
    skipped = () if dataset is None else dataset.skipped
    return ReportContent(
        title=manifest.recipe.part or bundle.stem,
        created=datetime.now(UTC),
        rows=tuple(rows),
        threshold=inspector.threshold,
        statement=manifest.threshold.statement,
        facts=_facts(bundle, inspector, dataset),
        evaluation=evaluation,
        class_maps=str(manifest.facts.get("maps", PLACED)) if manifest.classes else "",
        skipped=tuple(Skipped(file.path, file.error.what) for file in skipped),
    )


def labelled_rows(inspected: Iterable[tuple[Sample, Inspection]]) -> list[ReportRow]:
    """Rows of images that somebody labelled."""
    from keenline.report.content import ReportRow

    return [
        ReportRow(sample.image, inspection, label=sample.label, mask=sample.mask, part=sample.part)
        for sample, inspection in inspected
    ]


def _facts(bundle: Path, inspector: Inspector, dataset: Dataset | None) -> dict[str, str]:
    manifest = inspector.manifest
    training = manifest.training
    facts = {
        "Bundle": f"{bundle.name}, sha256 {inspector.bundle.sha256[:12]}",
        "Stage": manifest.stage,
        "Detector": manifest.detector
        + (f", {manifest.backbone.name}" if manifest.backbone is not None else ""),
        "Engine": f"{inspector.engine_version}, {manifest.engine.precision}",
        "Learnt from": f"{training.images} "
        + ("images" if manifest.classes and manifest.taught is None else "good images")
        + _origin(training.data_sha256, training.dataset_version),
    }
    if manifest.taught is not None:
        taught = manifest.taught
        facts["Classes from"] = f"{taught.images} images of {taught.parts} parts" + _origin(
            taught.data_sha256, taught.dataset_version
        )
    facts |= {
        "Recipe": f"sha256 {manifest.recipe_sha256[:12]}",
    }
    if dataset is not None:
        facts["Inspected"] = f"{dataset.root.resolve().name}, sha256 {dataset.sha256[:12]}"
    return facts | {"Keenline": __version__}


def _origin(sha256: str, version: str) -> str:
    return f", sha256 {sha256[:12]}" + (f", dataset version {version[:12]}" if version else "")


class _Reader:
    """Reads images as they were inspected; remembers the last, which the card shows next."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector
        self._last: tuple[Path, Image] | None = None

    def image(self, path: Path) -> Image:
        if self._last is None or self._last[0] != path:
            self._last = path, self._inspector.read(path)
        return self._last[1]

    def mask(self, path: Path) -> Mask:
        from keenline.data.reading import probe, read_mask

        facts = probe(path)
        return read_mask(path, (facts.width, facts.height))


def _explained(content: ReportContent, inspector: Inspector, reader: _Reader) -> ReportContent:
    """The same with findings for the images that become cards; explaining all takes too long."""
    from keenline.errors import ImageError
    from keenline.report.content import Finding
    from keenline.report.html import rows_shown

    found: dict[Path, tuple[Finding, ...]] = {}
    for row in rows_shown(content):
        prediction = row.inspection.prediction
        if prediction is None or not prediction.regions:
            continue
        try:
            image = reader.image(row.image)
        except ImageError:
            continue  # the card says so itself
        explained = inspector.explain(image, prediction.regions)
        rest = prediction.regions[len(explained) :]
        found[row.image] = (
            *(Finding(*each) for each in explained),
            *(Finding(region) for region in rest),
        )
    rows = (replace(row, findings=found.get(row.image, ())) for row in content.rows)
    return replace(content, rows=tuple(rows))
