"""An estimate on parts that were not learnt from, turned into a page with the parts it missed."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from keenline.errors import KeenlineError
from keenline.evaluation.claims import needed
from keenline.evaluation.cross_validation import NOTHING, STRANGE, Estimate, Judged, Missed
from keenline.evaluation.intervals import Proportion
from keenline.report.charts import bound_bar
from keenline.report.overlay import outline_layer, shrink
from keenline.report.plain_page import paragraph, plain_page, section, table
from keenline.types import Image, Mask

LONGEST = 360
"""Pixels of a picture's longer side."""
MOST = 24
"""Pictures in one section; the others are counted."""

_SCALE = "0 to 100 %"
_FOOTER = (
    "Bounds are exact (Clopper-Pearson), one-sided, at 95 % confidence, and count parts, not "
    "images. They are those of the way of learning, not of one bundle: each part was judged by a "
    "bundle that had not seen it. They hold for parts like these, taken like these. Precision is "
    "of the mix of parts that was tried: where defects are rarer, it is lower."
)


@dataclass(frozen=True, slots=True)
class Half:
    """One estimate: of parts left out in turn, or of held-out ones."""

    heading: str
    how: str
    """A sentence of how it came about."""
    estimate: Estimate
    notes: Sequence[str]


Look = Callable[[Path], tuple[Image, Sequence[Mask]]]
"""An image as it lies on the disk, (height, width, 3), and what is marked on it, (height, width).
May raise KeenlineError: the picture is then left out, with the reason."""


def validation_page(
    halves: Sequence[Half], title: str, facts: Mapping[str, str], look: Look
) -> str:
    """The page as text; `halves`: at least one."""
    parts = [each for half in halves for each in _half(half, look)]
    return plain_page(
        kind="Validation",
        title=title,
        headline=_headline(halves[-1].estimate),
        facts=facts,
        sections=parts,
        footer=_FOOTER,
    )


def _headline(estimate: Estimate) -> str:
    named, alarms = estimate.recall, estimate.false_alarms
    told = "No defective part could be tried"
    if named.n:
        least = _limit(named)
        told = f"{_count(named)} defective parts named (at least {least})"
    if not alarms.n:
        return f"{told}; no good part was tried."
    most = _limit(alarms, upper=True)
    return f"{told}; {_count(alarms)} good parts did not pass (at most {most})."


def _half(half: Half, look: Look) -> Iterator[str]:
    estimate = half.estimate
    known = "".join(paragraph(f"{note}.") for note in half.notes)
    yield section(half.heading, paragraph(half.how), known, _classes(estimate))
    yield section("All classes together", _together(estimate), note=_of_the_anomaly(estimate))
    claims = [
        paragraph(f"{each.name}: {needed(each.recall.events, each.recall.n).sentence}.")
        for each in estimate.classes
    ]
    if claims:
        yield section("Until 95 % recall can be claimed", *claims)
    yield section("What images were taken for", _confusion(estimate), note=_TAKEN)
    if estimate.missed:
        cards = [_missed(each, look) for each in estimate.missed[:MOST]]
        yield _pictures("Missed", len(estimate.missed), _MISSED, cards)
    if estimate.false:
        cards = [_false(each, look) for each in estimate.false[:MOST]]
        yield _pictures("Good parts that did not pass", len(estimate.false), _FALSE, cards)
    if estimate.invalid:
        rows = [(each.image.as_posix(), each.reason) for each in estimate.invalid]
        yield section("Not inspected", table(("Image", "Why"), rows))


_TAKEN = (
    f"Images, by what they show and what they were taken for; {STRANGE}: no class was named, but "
    f"the anomaly is above its threshold; {NOTHING}: neither."
)
_MISSED = (
    "Images of a defect that was not named, the worst first: those that passed, the least sure."
)
_FALSE = "Those on which a class was named first, the surest first."


def _classes(estimate: Estimate) -> str:
    head = (
        "Class",
        "Parts",
        "Recall",
        "At least",
        _SCALE,
        "Precision",
        "At least",
        "Not passed",
        "AP",
    )
    rows = []
    for each in estimate.classes:
        average = each.average_precision
        cells = (
            str(each.parts), _count(each.recall), _limit(each.recall), None,
            _count(each.precision), _limit(each.precision), _count(each.flagged),
            "–" if average is None else f"{average:.3f}",
        )  # fmt: skip
        rows.append(_row(each.name, cells, bound_bar(each.recall, upper=False)))
    return _table(head, rows)


def _together(estimate: Estimate) -> str:
    said = (
        ("Defective parts of which a class was named", estimate.recall, False),
        ("Defective parts that did not pass", estimate.flagged, False),
        ("Good parts that did not pass", estimate.false_alarms, True),
        ("Good parts on which a class was named", estimate.class_alarms, True),
    )
    rows = []
    for name, share, upper in said:
        bound = "at most" if upper else "at least"
        limit = f"{bound} {_limit(share, upper=upper)}" if share.n else "–"
        value = "–" if share.value is None else f"{100 * share.value:.1f} %"
        rows.append(_row(name, (_count(share), value, limit, None), bound_bar(share, upper=upper)))
    return _table(("", "Parts", "Share", "95 % bound", _SCALE), rows)


def _of_the_anomaly(estimate: Estimate) -> str:
    if estimate.average_precision is None:
        return ""
    told = f"Average precision of the surest class: {estimate.average_precision:.3f}"
    anomaly = estimate.anomaly_average_precision
    return told + ("." if anomaly is None else f"; of the anomaly alone: {anomaly:.3f}.")


def _confusion(estimate: Estimate) -> str:
    columns = list(next(iter(estimate.confusion.values()), {}))
    rows = [
        (true, *(str(row[said] or "–") for said in columns))
        for true, row in estimate.confusion.items()
    ]
    return table(("Shown", *columns), rows)


def _missed(missed: Missed, look: Look) -> str:
    told = f"taken for {missed.said}; {missed.verdict.value}"
    if missed.confidence is None or missed.limit is None:
        told = f"the class could not be known; {told}"
    else:
        told = f"{missed.confidence:.3f}, needed above {missed.limit:.3g}; {told}"
    return _card(missed.image, missed.class_name, told, look)


def _false(judged: Judged, look: Look) -> str:
    told = f"anomaly {judged.anomaly:.2f} x threshold; {judged.verdict.value}"
    return _card(judged.image, ", ".join(judged.named) or "only strange", told, look)


def _card(path: Path, name: str, told: str, look: Look) -> str:
    try:
        image, masks = look(path)
        picture = f'<img src="{_picture(image, masks)}" alt="{escape(path.name, quote=True)}">'
    except KeenlineError as problem:
        picture = paragraph(f"No picture: {problem.what}")
    where = escape(f"{path.parent.name}/{path.name}")
    return (
        f'<article class="card"><div class="stage">{picture}</div><h3>{escape(name)}</h3>'
        f'<p class="note">{where}</p>{paragraph(told)}</article>'
    )


def _picture(image: Image, masks: Sequence[Mask]) -> str:
    small = shrink(image, LONGEST)
    picture = Pillow.fromarray(np.ascontiguousarray(small)).convert("RGBA")
    if masks:
        layer = outline_layer(np.logical_or.reduce(masks), (small.shape[0], small.shape[1]))
        picture.alpha_composite(Pillow.fromarray(layer))
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "jpeg", quality=82)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _pictures(heading: str, count: int, explanation: str, cards: Sequence[str]) -> str:
    left = f"{count - len(cards)} more not shown." if count > len(cards) else ""
    body = f'<div class="cards">{"".join(cards)}</div>'
    return section(f"{heading}: {count}", paragraph(explanation), body, note=left)


def _row(name: str, cells: Sequence[str | None], bar: str) -> str:
    """`cells`: text, None where the bar stands."""
    body = "".join(
        f'<td class="bar">{bar}</td>' if cell is None else f"<td>{escape(cell)}</td>"
        for cell in cells
    )
    return f'<tr><th scope="row">{escape(name)}</th>{body}</tr>'


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    columns = "".join(
        f'<th scope="col"{" class=bar" if name == _SCALE else ""}>{escape(name)}</th>'
        for name in head
    )
    return (
        f'<div class="wide"><table><thead><tr>{columns}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _count(share: Proportion) -> str:
    return f"{share.events} of {share.n}" if share.n else "–"


def _limit(share: Proportion, *, upper: bool = False) -> str:
    bound = share.upper95 if upper else share.lower95
    return f"{100 * bound:.1f} %" if share.n else "–"
