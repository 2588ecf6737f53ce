"""`keenline pod`: defects found and missed turned into the size that is found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline import __version__
from keenline.cli.failures import failing_calmly
from keenline.cli.options import (
    Json,
    OtherEngine,
    PageReport,
    PartPattern,
    Threads,
    require_pdf,
    require_writable,
)
from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.data.hit_table import DefectHit
    from keenline.evaluation.pod import Pod


class LinkName(StrEnum):
    """Which distribution the curve follows."""

    AUTO = "auto"
    LOGIT = "logit"
    PROBIT = "probit"


class ScaleName(StrEnum):
    """What of the size the curve is made of."""

    AUTO = "auto"
    LINEAR = "linear"
    LOG = "log"


class Measure(StrEnum):
    """What the size of a defect is."""

    LENGTH = "length"
    DIAMETER = "diameter"


_HEAD = ("class", "defects", "found", "a50", "a90", "a90/95")


def pod(
    source: Annotated[
        Path,
        typer.Argument(
            help="A bundle, or a table of sizes and hits (CSV).",
            metavar="BUNDLE|HITS.csv",
            show_default=False,
        ),
    ],
    data: Annotated[
        Path | None,
        typer.Argument(
            help="With a bundle: images with marked defects.", metavar="[DATA]", show_default=False
        ),
    ] = None,
    measure: Annotated[
        Measure, typer.Option("--size", help="Greatest length, or diameter of the same area.")
    ] = Measure.LENGTH,
    join: Annotated[
        int,
        typer.Option("--join", min=0, help="Places of a mask this many pixels apart are one."),
    ] = 0,
    pixel_size: Annotated[
        float | None,
        typer.Option("--pixel-size-mm", min=1e-9, help="Instead of the recipe's.", metavar="MM"),
    ] = None,
    unit: Annotated[
        str | None, typer.Option("--unit", help="Of the sizes of a table; mm.", metavar="NAME")
    ] = None,
    link: Annotated[LinkName, typer.Option("--link", help="Which curve.")] = LinkName.AUTO,
    scale: Annotated[ScaleName, typer.Option("--scale", help="Of a or of ln a.")] = ScaleName.AUTO,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="Write each defect, its size and hit.", metavar="FILE"),
    ] = None,
    report: PageReport = None,
    engine: OtherEngine = None,
    threads: Threads = 0,
    part_pattern: PartPattern = None,
    as_json: Json = False,
) -> None:
    """Say which size of defect is found: probability of detection, a50, a90 and a90/95 by class.

    A claim that the defects do not carry (fewer than 60, no curve, outside the sizes tried) is
    refused with the reason.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        require_writable(report, csv)
        require_pdf(report)
        of_a_table = source.suffix.lower() == ".csv"
        if of_a_table != (data is None):
            raise typer.BadParameter("give a bundle and images, or a CSV file alone")
        if of_a_table and (pixel_size is not None or measure is not Measure.LENGTH or join):
            raise typer.BadParameter("--size, --join and --pixel-size-mm: of images only")
        if not of_a_table and unit is not None:
            raise typer.BadParameter("--unit: of a table only")
        facts = {"Date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "Keenline": __version__}
        notes: Sequence[str] = ()
        if data is None:
            from keenline.data.hit_table import read_hits

            hits: Sequence[DefectHit] = read_hits(source)
            named = unit or "mm"
            facts["Table"] = source.name
        else:
            from keenline.cli.pod_images import hits_on_images

            looked = hits_on_images(
                source,
                data,
                measure=measure.value,
                join=join,
                pixel_size=pixel_size,
                engine=engine,
                threads=threads,
                part_pattern=part_pattern,
                terminal=terminal,
            )
            hits, named, notes = looked.hits, looked.unit, looked.notes
            facts |= looked.facts
        pods = _by_class(hits, link, scale, named, source if data is None else data)
        _write(hits, pods, named, csv, report, data or source, facts, notes)
        if as_json:
            from keenline.report.pod_page import pod_record

            classes = {name: pod_record(each) for name, each in pods.items()}
            terminal.emit({"unit": named, "classes": classes, "facts": facts, "notes": list(notes)})
            return
        _show(pods, named, notes, terminal)
        for path, what in ((report, "report"), (csv, "hits")):
            if path is not None:
                terminal.fact(what, str(path), "bold")


def _by_class(
    hits: Sequence[DefectHit], link: LinkName, scale: ScaleName, unit: str, where: Path
) -> dict[str, Pod]:
    from keenline.errors import Code, DatasetError
    from keenline.evaluation.pod import probability_of_detection

    if not hits:
        raise DatasetError(
            Code.POD_TARGETS,
            "There is no defect with a size",
            where=where,
            next="mark defects with masks, boxes or polygons (docs/labels.md)",
        )
    by_class: defaultdict[str, list[DefectHit]] = defaultdict(list)
    for hit in hits:
        by_class[hit.class_name].append(hit)
    return {
        name: probability_of_detection(
            [hit.size for hit in group],
            [hit.hit for hit in group],
            link=link.value,
            scale=scale.value,
            unit=unit,
        )
        for name, group in sorted(by_class.items())
    }


def _write(
    hits: Sequence[DefectHit],
    pods: dict[str, Pod],
    unit: str,
    csv: Path | None,
    report: Path | None,
    of: Path,
    facts: dict[str, str],
    notes: Sequence[str],
) -> None:
    from keenline.data.hit_table import hits_text
    from keenline.report.pdf import write_page
    from keenline.report.pod_page import pod_page
    from keenline.report.writing import as_utf8, write_whole

    if csv is not None:
        write_whole(as_utf8(hits_text(hits)), csv)
    if report is not None:
        page = pod_page(pods, unit, f"Which defects are found: {of.resolve().stem}", facts, notes)
        write_page(page, report)


def _show(pods: dict[str, Pod], unit: str, notes: Sequence[str], terminal: Terminal) -> None:
    from keenline.report.pod_page import row_of

    terminal.table(_HEAD, [row_of(one_line(name), pod, unit)[:6] for name, pod in pods.items()])
    terminal.say()
    for name, pod in pods.items():
        for reason in pod.refusals:
            terminal.fact("no a90/95", f"{one_line(name)}: {reason}", "yellow")
        for note in pod.notes:
            terminal.fact("note", f"{one_line(name)}: {note}", "yellow")
    for note in notes:
        terminal.fact("note", note)
