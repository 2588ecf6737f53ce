"""Turns a report's content into one HTML file that opens anywhere, offline, and prints."""

from __future__ import annotations

from collections import Counter
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

import numpy as np

from keenline.evaluation.summary import Evaluation
from keenline.report import sections
from keenline.report.cards import CardMaker, ReadImage, ReadMask, Section
from keenline.report.colour import hex_colour
from keenline.report.content import ReportContent, ReportRow
from keenline.report.evidence_sections import class_evidence, groups, naming
from keenline.report.overlay import FAINTEST, FULL
from keenline.report.writing import as_utf8, write_whole

PAGE_BYTES = 9_000_000
"""Cards stop being added here, so that the file stays below 10 MB and can be mailed."""
_CARDS = 12
"""Cards in one section at most."""


def write_report(
    content: ReportContent,
    path: Path,
    *,
    read: ReadImage,
    read_mask: ReadMask | None = None,
) -> None:
    """Write the page; the file is whole or not there.

    `read` and `read_mask` give an image or mask as it was inspected, upright, (height, width, 3) or
    (height, width); they are called for the images shown only. One that raises KeenlineError leaves
    a card without a picture. Without `read_mask` no labelled outlines are drawn.
    Raises OutputError when the file cannot be written.
    """
    write_whole(as_utf8(render(content, read=read, read_mask=read_mask)), path)


def render(content: ReportContent, *, read: ReadImage, read_mask: ReadMask | None = None) -> str:
    """The page as text; see `write_report`."""
    folder = files("keenline.report") / "templates"
    page = Template((folder / "page.html").read_text("utf-8"))
    full = _full_scale(content)
    maker = CardMaker(read, read_mask, budget=PAGE_BYTES, full=full, class_maps=content.class_maps)
    evaluation = content.evaluation
    kind = "Inspection" if evaluation is None else "Evaluation"
    numbers = [] if evaluation is None else _claims(evaluation)
    numbers.append(sections.charts(content))
    if evaluation is not None:
        numbers.append(sections.metrics(evaluation))
    return page.substitute(
        style=(folder / "page.css").read_text("utf-8"),
        kind=kind,
        title=escape(content.title),
        headline=escape(sections.headline(content)),
        facts=sections.facts(content),
        tiles=sections.verdict_tiles(content),
        threshold=sections.threshold_note(content),
        numbers="".join(numbers),
        legend=_legend(full, any(row.mask for row in content.rows) and read_mask is not None),
        cards="".join(maker.section(section, _CARDS) for section in _picked(content)),
        not_inspected=sections.not_inspected(content),
        all_images=sections.all_images(content),
    )


def _claims(evaluation: Evaluation) -> list[str]:
    """What may be said of each class: in parts where they are known, else in images."""
    evidence = evaluation.evidence
    if evidence is None:
        return [sections.class_table(evaluation)]
    return [class_evidence(evidence), naming(evidence), groups(evidence)]


def rows_shown(content: ReportContent) -> list[ReportRow]:
    """The rows that may become cards: only their findings and pictures are ever looked at."""
    return [row for section in _picked(content) for row in section.rows[:_CARDS]]


def _picked(content: ReportContent) -> list[Section]:
    rows = [row for row in content.rows if row.score is not None]
    highest = sorted(rows, key=lambda row: -(row.score or 0.0))
    lowest = highest[::-1]
    found, first = "Found", "highest scores of each class first"
    if content.evaluation is None:
        found, first = "To look at", "highest score first"
    return [
        Section(
            "Missed defects",
            "Defective parts that passed, lowest score first.",
            [row for row in lowest if row.is_miss],
        ),
        Section(
            "False alarms",
            "Good parts that were flagged, highest score first.",
            [row for row in highest if row.is_false_alarm],
        ),
        Section(
            found,
            f"Parts that were flagged or rejected, {first}.",
            _by_class([row for row in highest if row.alarmed and not row.is_false_alarm]),
        ),
    ]


def _full_scale(content: ReportContent) -> float:
    """The multiple of the threshold for the last colour: what three in four flagged images reach.

    At least `FULL`, so that a report of near misses does not shout.
    """
    peaks = [
        float(row.inspection.prediction.map.max()) / row.inspection.threshold
        for row in content.rows
        if row.alarmed and row.inspection.prediction and row.inspection.threshold > 0
    ]
    return max(FULL, float(f"{np.quantile(peaks, 0.75):.2g}")) if peaks else FULL


def _by_class(rows: list[ReportRow]) -> list[ReportRow]:
    """The first of each class, then the second of each, so that no class fills the page."""
    seen: Counter[str | None] = Counter()
    turns = []
    for row in rows:
        turns.append((seen[row.label], row))
        seen[row.label] += 1
    return [row for _, row in sorted(turns, key=lambda turn: turn[0])]


def _legend(full: float, outlined: bool) -> str:
    stops = ", ".join(hex_colour(step / 8) for step in range(9))
    truth = '<span class="key"><i class="truth-key"></i>labelled defect</span>' if outlined else ""
    toggle = (
        '<label><input type="checkbox" id="show-truth" checked> labels</label>' if outlined else ""
    )
    return (
        '<div class="legend"><span class="toggles">'
        '<label><input type="checkbox" id="show-heat" checked> heat map</label>'
        '<label><input type="checkbox" id="show-boxes" checked> boxes</label>'
        f"{toggle}</span>"
        f'<span class="key">{FAINTEST:g} <i class="scale" style="background:linear-gradient'
        f'(90deg, {stops})"></i> {full:g} × threshold or more</span>{truth}</div>'
    )
