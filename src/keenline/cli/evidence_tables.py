"""Evidence of each defect class turned into aligned tables for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from keenline.cli.terminal import Terminal
    from keenline.evaluation.evidence import ClassEvidence, Evidence
    from keenline.evaluation.intervals import Proportion

_ALL = "all of them"
_SHOWN = 24
"""Lots, shifts, lights and sizes that are listed; more are left to the report and --json."""


def show_evidence(evidence: Evidence | None, terminal: Terminal) -> None:
    """Recall by class, false alarms, then what the evidence hides or does not cover.

    All classes together are one row below the classes, never a number of their own.
    """
    if evidence is None:
        return
    if evidence.classes:
        heading, rows = _class_rows(evidence)
        terminal.table(heading, rows, bold=_ALL)
        terminal.say()
    alarms = evidence.false_alarm_rate
    row = ["good", *_counts(alarms), percent(alarms.value), percent(alarms.upper95)]
    terminal.table(["good parts", "parts", "flagged", "passed", "rate", "at most"], [row])
    terminal.say()
    terminal.fact("bounds", f"exact, one-sided, 95 % confidence; {_units(evidence)}")
    for known in evidence.classes:
        terminal.fact("to claim", f"{known.name}: {known.needed.sentence}")
    for one in evidence.hidden:
        terminal.fact("hidden", one.sentence, "yellow")
    for note in evidence.notes:
        terminal.fact("not covered", note)
    _show_strata(evidence, terminal)


def percent(value: float | None) -> str:
    """A share, 0..1, for people; a hyphen where it is not defined."""
    return "-" if value is None else f"{100 * value:.1f} %"


def _class_rows(evidence: Evidence) -> tuple[list[str], list[list[str]]]:
    heading = ["defect class", "parts", "found", "missed", "recall", "at least"]
    named = evidence.classes[0].recognised is not None
    if named:
        heading += ["named", "precision", "named if good", "at most"]
    rows = [
        [known.name, *_recall(known.recall), *(_naming(known) if named else ())]
        for known in evidence.classes
    ]
    if len(rows) > 1:
        dashes = [""] * 4 if named else []
        rows.append([_ALL, *_recall(evidence.recall_overall), *dashes])
    return heading, rows


def _recall(share: Proportion) -> tuple[str, ...]:
    return (*_counts(share), percent(share.value), percent(share.lower95))


def _naming(known: ClassEvidence) -> Iterator[str]:
    for share in (known.recognised, known.precision, known.false_alarm_rate):
        yield percent(share.value if share else None)
    yield percent(known.false_alarm_rate.upper95 if known.false_alarm_rate else None)


def _counts(share: Proportion) -> tuple[str, str, str]:
    return str(share.n), str(share.events), str(share.n - share.events)


def _units(evidence: Evidence) -> str:
    if evidence.images == evidence.parts:
        return f"of {evidence.parts} parts, one image each"
    if evidence.rule == "together":
        return f"of {evidence.parts} parts; their {evidence.images} images are judged together"
    return (
        f"of {evidence.parts} parts with {evidence.images} images; a part counts as missed when "
        "one image that shows the defect passed (--views-together: when all did)"
    )


def _show_strata(evidence: Evidence, terminal: Terminal) -> None:
    rows = [
        [f"{known.name}, {each.dimension} {each.value}", *_recall(each.share)]
        for known in evidence.classes
        for each in known.strata
    ]
    rows += [
        [
            f"good, {each.dimension} {each.value}",
            *_counts(each.share),
            percent(each.share.value),
            percent(each.share.upper95),
        ]
        for each in evidence.good_strata
    ]
    if not rows:
        return
    strata = [*evidence.good_strata, *(each for known in evidence.classes for each in known.strata)]
    only_sizes = all(each.dimension == "size" for each in strata)
    if only_sizes or len(rows) > _SHOWN:
        name = "by size" if only_sizes else "by origin"
        terminal.fact(name, f"{len(rows)} groups; the report and --json have them")
        return
    terminal.say()
    heading = ["by origin and size", "parts", "flagged", "passed", "rate", "bound"]
    terminal.table(heading, rows)
    terminal.say()
