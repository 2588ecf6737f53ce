"""Turns chosen thresholds into one HTML file: what they cost, what becomes of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from keenline.evaluation.choosing import Choice
from keenline.evaluation.cost_curve import CostCurve
from keenline.evaluation.scored import Fates
from keenline.report.cost_chart import cost_chart
from keenline.report.pdf import write_page
from keenline.report.plain_page import figures, paragraph, plain_page, section, table
from keenline.types import GOOD

_MEANING = (
    "Flagged parts are reviewed or rejected: recall of a class, false alarms of good parts. Bounds "
    "are exact, one-sided, at 95 % confidence, and hold for thresholds that were fixed beforehand."
)
_CURVES = (
    "Each score alone, the others as chosen. Thresholds on grey ground are ruled out by what was "
    "promised; parts in a blue band are reviewed."
)


@dataclass(frozen=True, slots=True)
class ThresholdContent:
    """What the page says."""

    title: str
    facts: Mapping[str, str]
    """In the order to be printed."""
    now: Choice
    chosen: Choice
    curves: Sequence[CostCurve]
    promises: Sequence[str]
    notes: Sequence[str]
    """What the reader should know; one sentence each."""


def write_threshold_page(content: ThresholdContent, path: Path) -> None:
    """Write the page, as PDF where `path` ends so; raises as `write_page` does."""
    sections = [section("What becomes of the parts", _table(content), note=_MEANING)]
    if content.promises:
        sections.insert(0, section("Promised", *map(paragraph, content.promises)))
    drawings = figures(cost_chart(curve) for curve in content.curves)
    sections.append(section("Cost over the threshold", drawings, note=_CURVES))
    if content.notes:
        sections.append(section("To know", *map(paragraph, content.notes)))
    page = plain_page(
        kind="Operating point",
        title=content.title,
        headline=f"Expected cost of a part: {content.chosen.cost:.4g} at the chosen thresholds, "
        f"{content.now.cost:.4g} at today's.",
        facts=content.facts,
        sections=sections,
        footer="Thresholds chosen on a set of parts look better on it than on others: confirm them "
        "on parts that were not used here.",
    )
    write_page(page, path)


def _table(content: ThresholdContent) -> str:
    before = {fate.label: fate for fate in content.now.fates}
    head = ("", "Parts", "Pass", "Review", "Reject", "Flagged", "Bound", "Flagged today")
    return table(head, (_row(fate, before[fate.label]) for fate in content.chosen.fates))


def _row(fate: Fates, before: Fates) -> list[str]:
    share = fate.flagged
    bound = f"at most {100 * share.upper95:.1f} %"
    if fate.label != GOOD:
        bound = f"at least {100 * share.lower95:.1f} %"
    counts = map(str, (fate.n, fate.passed, fate.reviewed, fate.rejected))
    shares = (f"{100 * (each.value or 0):.1f} %" for each in (share, before.flagged))
    flagged, today = shares
    return [fate.label, *counts, flagged, bound, today]
