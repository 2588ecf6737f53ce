"""An acceptance turned into a page that an auditor can read alone, on paper too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from keenline.evaluation.evidence import Evidence
from keenline.report.evidence_sections import class_evidence, groups, naming
from keenline.report.plain_page import paragraph, plain_page, section


@dataclass(frozen=True, slots=True)
class AcceptanceContent:
    """What the page says, in the order in which it says it."""

    title: str
    facts: Mapping[str, str]
    outcomes: Sequence[tuple[str, str, str, bool]]
    """Criterion, what was asked, what was found, whether it is met."""
    about: Mapping[str, str]
    """What people wrote into the criteria; only what they did write."""
    history: Sequence[tuple[str, str, str, str]]
    """What happened to the sealed set: when, what, who, why."""
    to_be_known: Sequence[str]
    """What limits what may be concluded; one sentence each."""
    evidence: Evidence
    time: Mapping[str, str]
    identity: Mapping[str, str]
    """Hashes, keys and files by which everything is found again."""
    criteria: str
    """The locked criteria."""


def acceptance_page(content: AcceptanceContent) -> str:
    """The page as text."""
    parts = [section("Criteria", _worded(_HEAD, map(_row, content.outcomes)), note=_BOUNDS)]
    if content.to_be_known:
        known = (paragraph(f"{each}.") for each in content.to_be_known)
        parts.append(section("To be known", *known))
    if content.about:
        parts.append(section("What was agreed", _pairs(content.about)))
    parts.append(section("The sealed set", _worded(_HISTORY, content.history), note=_ORDER))
    parts.append(class_evidence(content.evidence))
    parts += [naming(content.evidence), groups(content.evidence)]
    parts.append(section("Time of an image", _pairs(content.time)))
    parts.append(section("To find everything again", _pairs(content.identity), note=_SIGNED))
    parts.append(section("The criteria as they were locked", _verbatim(content.criteria)))
    parts.append(section("Signatures", _lines_to_sign()))
    return plain_page(
        kind="Acceptance",
        title=content.title,
        headline=headline([(name, met) for name, _, _, met in content.outcomes]),
        facts=content.facts,
        sections=[part for part in parts if part],
        footer=_FOOTER,
    )


def headline(outcomes: Sequence[tuple[str, bool]]) -> str:
    """The answer in one sentence, from each criterion and whether it is met."""
    missed = [name for name, met in outcomes if not met]
    if not missed:
        return f"Accepted: all {len(outcomes)} criteria are met."
    names = "; ".join(missed[:_NAMED]) + ("; and others" if len(missed) > _NAMED else "")
    return f"Refused: {len(missed)} of {len(outcomes)} criteria are not met ({names})."


_NO = "NO"

_LONGEST = 30

_NAMED = 3  # criteria in the headline; all are in the table

_HEAD = ("Criterion", "Asked for", "Found", "Met")
_HISTORY = ("When (UTC)", "What", "Who", "Why")
_BOUNDS = (
    "A rate counts parts. Its bound is exact (Clopper-Pearson), one-sided, at 95 % confidence: the "
    "true rate is worse than the bound in at most one of twenty such acceptances. Parts that could "
    "not be judged never pass and are in no rate; they are counted on their own."
)
_ORDER = (
    "Each line of the log holds the hash of the line before it, so lines cannot be changed, moved "
    "or put in between. That criteria stand above the opening proves that they were locked before."
)
_SIGNED = (
    "keenline acceptance check REPORT.json checks the signature of the report beside this page. It "
    "proves that the holder of the key signed these numbers; whose key it is must be noted "
    "elsewhere. Times are those of the computer's clock."
)
_FOOTER = (
    "An acceptance speaks for the bundle, the light and the kinds of defects that it names. It "
    "ends with any change of the bundle, its thresholds, the camera, the lens or the light."
)


def _row(outcome: tuple[str, str, str, bool]) -> tuple[str, str, str, str]:
    criterion, asked, found, met = outcome
    return criterion, asked, found, "yes" if met else _NO


def _pairs(pairs: Mapping[str, str]) -> str:
    return _worded((), pairs.items())


def _worded(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of sentences: to the left, and wrapped."""
    columns = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(_cell(cell) for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    above = f"<thead><tr>{columns}</tr></thead>" if head else ""
    return (
        f'<div class="wide"><table class="files reasons">{above}<tbody>{body}</tbody></table></div>'
    )


def _cell(text: str) -> str:
    if text == _NO:
        return f"<td><b>{_NO}</b></td>"
    # A hash is broken anywhere rather than let the page run off the paper; a word is not.
    is_long = any(len(word) > _LONGEST for word in text.split())
    style = ' style="overflow-wrap:anywhere"' if is_long else ""
    return f"<td{style}>{escape(text)}</td>"


def _verbatim(text: str) -> str:
    return f'<pre class="problem">{escape(text)}</pre>'


def _lines_to_sign() -> str:
    cell = '<td style="height:52px;width:37%"></td>'
    rows = "".join(
        f'<tr><th scope="row">{role}</th>{cell}{cell}</tr>' for role in ("Supplier", "Customer")
    )
    head = '<th scope="col"></th><th scope="col">Name, date</th><th scope="col">Signature</th>'
    return (
        f'<div class="wide"><table class="files reasons"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
