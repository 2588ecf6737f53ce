"""Turns evidence into the parts of the page that say what may be claimed of each class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from keenline.evaluation.evidence import ClassEvidence, Evidence
from keenline.evaluation.intervals import Proportion
from keenline.evaluation.strata import Stratum
from keenline.report.charts import bound_bar
from keenline.report.plain_page import paragraph
from keenline.types import GOOD

_SCALE = "0 to 100 %"


def class_evidence(evidence: Evidence) -> str:
    """Recall by class and false alarms in parts, with exact bounds and what they still take."""
    rows = [_row(known.name, known.recall, known.invalid) for known in evidence.classes]
    if len(rows) > 1:
        invalid = sum(known.invalid for known in evidence.classes)
        rows.append(_row("all defects", evidence.recall_overall, invalid, css="total"))
    head = ("Recall", "At least", _SCALE, "Parts", "Found", "Missed", "Invalid")
    tables = _table(("Defect class", *head), rows) if rows else ""
    good = _row("good", evidence.false_alarm_rate, evidence.good_invalid, upper=True)
    head = ("False alarms", "At most", _SCALE, "Parts", "Flagged", "Passed", "Invalid")
    tables += _table(("Good parts", *head), [good])
    needed = "".join(
        paragraph(f"{known.name}: {known.needed.sentence}.") for known in evidence.classes
    )
    return (
        f'<section><h2>Recall and false alarms</h2><div class="wide">{tables}</div>'
        f"<h3>Until 95 % recall can be claimed</h3>{needed}{_note(evidence)}</section>"
    )


def naming(evidence: Evidence) -> str:
    """How often each class is called by its name; empty when no class is told apart."""
    known = [each for each in evidence.classes if each.recognised is not None]
    if not known:
        return ""
    head = (
        "Defect class",
        "Named",
        "At least",
        "Precision",
        "At least",
        "Named if good",
        "At most",
    )
    body = [_naming_row(each) for each in known]
    return (
        f'<section><h2>Classes by name</h2><div class="wide">{_table(head, body)}</div>'
        '<p class="note">Precision depends on how many good and defective parts were inspected: on '
        "a line where defects are rare it is lower.</p></section>"
    )


def groups(evidence: Evidence) -> str:
    """Recall and false alarms by lot, line, shift, light and size, and what the whole hides."""
    warned = "".join(f'<p class="statement">{escape(one.sentence)}.</p>' for one in evidence.hidden)
    notes = "".join(paragraph(f"Not covered: {note}.") for note in evidence.notes)
    kinds: list[tuple[str, Sequence[Stratum]]] = [
        (known.name, known.strata) for known in evidence.classes
    ]
    kinds.append((GOOD, evidence.good_strata))
    tables = "".join(_strata(name, strata) for name, strata in kinds if strata)
    folded = f"<details><summary>Every group</summary>{tables}</details>" if tables else ""
    body = warned + notes + folded
    if not body:
        return ""
    return f"<section><h2>By lot, shift, light and size</h2>{body}</section>"


def _strata(name: str, strata: Sequence[Stratum]) -> str:
    is_good = name == GOOD
    rows = [
        _row(f"{each.dimension} {each.value}", each.share, None, upper=is_good) for each in strata
    ]
    rate = ("False alarms", "At most") if is_good else ("Recall", "At least")
    counted = ("Parts", "Flagged", "Passed") if is_good else ("Parts", "Found", "Missed")
    return f'<div class="wide">{_table((name, *rate, _SCALE, *counted), rows)}</div>'


def _row(
    name: str, share: Proportion, invalid: int | None, *, upper: bool = False, css: str = ""
) -> str:
    bound = share.upper95 if upper else share.lower95
    cells = [_percent(share.value), _percent(bound)]
    counts: list[int] = [share.n, share.events, share.n - share.events]
    if invalid is not None:
        counts.append(invalid)
    body = "".join(f"<td>{cell}</td>" for cell in cells)
    body += f'<td class="bar">{bound_bar(share, upper=upper)}</td>'
    body += "".join(f"<td>{count}</td>" for count in counts)
    return f'<tr class="{css}"><th scope="row">{escape(name)}</th>{body}</tr>'


def _naming_row(known: ClassEvidence) -> str:
    cells = []
    for share, upper in (
        (known.recognised, False),
        (known.precision, False),
        (known.false_alarm_rate, True),
    ):
        if share is None:
            cells += ["–", "–"]
        else:
            cells += [_percent(share.value), _percent(share.upper95 if upper else share.lower95)]
    body = "".join(f"<td>{cell}</td>" for cell in cells)
    return f'<tr><th scope="row">{escape(known.name)}</th>{body}</tr>'


def _table(head: Iterable[str], rows: Iterable[str]) -> str:
    columns = "".join(
        f'<th scope="col"{" class=bar" if name == _SCALE else ""}>{escape(name)}</th>'
        for name in head
    )
    return f"<table><thead><tr>{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _note(evidence: Evidence) -> str:
    rule = "a part counts as missed when one image that shows the defect passed"
    if evidence.rule == "together":
        rule = "the images of one part are judged together"
    return (
        f'<p class="note">{evidence.parts} parts, {evidence.images} images; {rule}. Found: the '
        "part did not pass. Bounds are exact, one-sided, at 95 % confidence. INVALID parts never "
        "pass, and count neither as found nor as missed.</p>"
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"
