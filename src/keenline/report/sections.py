"""Turns a report's facts and numbers into the parts of the page that need no pictures."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import numpy as np

from keenline.evaluation.intervals import Proportion
from keenline.evaluation.metrics import roc_curve
from keenline.evaluation.summary import Evaluation
from keenline.report.charts import bound_bar, histogram, roc
from keenline.report.content import ReportContent, ReportRow
from keenline.types import GOOD, Verdict

_MEANING = {
    Verdict.PASS: ("✓", "nothing found"),
    Verdict.REVIEW: ("?", "a person decides"),
    Verdict.REJECT: ("✕", "taken out"),
    Verdict.INVALID: ("!", "not inspected, never passed"),
}
_SCALE = "0 to 100 %"
_LISTED = 1000
"""Images in the table of all images; more are counted and left to the CSV file."""


def headline(content: ReportContent) -> str:
    """The result in one sentence."""
    evaluation = content.evaluation
    if evaluation is None:
        looks = sum(row.verdict != Verdict.PASS for row in content.rows)
        return f"{looks} of {_count(len(content.rows), 'image')} did not pass."
    found, alarms = evaluation.recall_overall, evaluation.false_alarm_rate
    said = []
    if found.n:
        said.append(
            f"{found.events} of {_count(found.n, 'defective image')} found{_weakest(evaluation)}"
        )
    if alarms.n:
        said.append(f"{alarms.events} of {_count(alarms.n, 'good image')} flagged without a defect")
    return "; ".join(said) + "." if said else "No labelled image could be inspected."


def _weakest(evaluation: Evaluation) -> str:
    """The class with the lowest recall: a number over all classes never stands alone."""
    shares = [(share.value, name, share) for name, share in evaluation.recall.items() if share.n]
    if len(shares) < 2:
        return ""
    _, name, share = min(shares, key=lambda each: (each[0], each[1]))
    if share.events == share.n:
        return f", none missed of {len(shares)} classes"
    return f", fewest of {name}: {share.events} of {share.n}"


def facts(content: ReportContent) -> str:
    """Who, what, when, with which hash."""
    pairs = {"Date": content.created.strftime("%Y-%m-%d %H:%M %Z").strip()} | dict(content.facts)
    cells = (f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in pairs.items())
    return f'<dl class="facts-grid">{"".join(cells)}</dl>'


def verdict_tiles(content: ReportContent) -> str:
    """The four verdicts as large numbers."""
    tiles = []
    counts = content.verdicts
    for verdict, (sign, meaning) in _MEANING.items():
        tiles.append(
            f'<li class="tile {verdict.value.lower()}"><span class="sign" aria-hidden="true">'
            f'{sign}</span><b>{counts[verdict]}</b><span class="name">{verdict.value}</span>'
            f'<span class="meaning">{meaning}</span></li>'
        )
    return f'<ul class="tiles">{"".join(tiles)}</ul>'


def threshold_note(content: ReportContent) -> str:
    """What the threshold is and what may be said about it."""
    return (
        f'<p class="statement"><b>Threshold {content.threshold:.4g}.</b> '
        f"{escape(content.statement)}</p>"
    )


def class_table(evaluation: Evaluation) -> str:
    """Recall by defect class and the false-alarm rate, with exact bounds."""
    rows = [
        _class_row(name, share, evaluation.invalid.get(name, 0))
        for name, share in evaluation.recall.items()
    ]
    if len(rows) > 1:
        invalid = sum(count for name, count in evaluation.invalid.items() if name != GOOD)
        rows.append(_class_row("all defects", evaluation.recall_overall, invalid, "total"))
    counted = ("Inspected", "Found", "Missed", "Invalid")
    head = _head("Defect class", "Recall", "At least", _SCALE, *counted)
    recall = f"<table>{head}<tbody>{''.join(rows)}</tbody></table>" if rows else ""
    alarms = evaluation.false_alarm_rate
    counted = ("Inspected", "Flagged", "Passed", "Invalid")
    head = _head("Good images", "False alarms", "At most", _SCALE, *counted)
    counts = (alarms.n, alarms.events, alarms.n - alarms.events, evaluation.invalid.get(GOOD, 0))
    row = _rate_cells(alarms, alarms.upper95, bound_bar(alarms, upper=True), counts)
    good = f"<table>{head}<tbody><tr>{_th('good')}{row}</tr></tbody></table>"
    return (
        f'<section><h2>Recall and false alarms</h2><div class="wide">{recall}{good}</div>'
        '<p class="note">Bounds are exact (Clopper-Pearson), one-sided, at 95 % confidence; they '
        "hold when every image shows another part. INVALID images never pass, and count neither "
        "as found nor as missed.</p></section>"
    )


def metrics(evaluation: Evaluation) -> str:
    """Ranking metrics, independent of the threshold."""
    values = (
        ("Image AUROC", evaluation.image_auroc),
        ("Image average precision", evaluation.image_ap),
        ("Best possible F1", evaluation.image_f1_max),
        ("Pixel AUROC", evaluation.pixel_auroc),
        ("Pixel average precision", evaluation.pixel_ap),
        ("AU-PRO to 30 %", evaluation.au_pro),
        ("AU-PRO to 5 %", evaluation.au_pro_05),
    )
    cells = [f"<div><dt>{name}</dt><dd>{_number(value)}</dd></div>" for name, value in values]
    if evaluation.ms_per_image is not None:
        cells.append(f"<div><dt>Time per image</dt><dd>{evaluation.ms_per_image:.1f} ms</dd></div>")
    note = "" if evaluation.pixel_auroc is not None else " No masks: pixel metrics are undefined."
    return (
        f'<section><h2>Ranking</h2><dl class="facts-grid numbers">{"".join(cells)}</dl>'
        '<p class="note">How well scores separate good from defective, whatever the threshold; '
        f"1 is perfect.{note}</p></section>"
    )


def charts(content: ReportContent) -> str:
    """Histogram of scores and, with labels, the ROC curve."""
    if content.evaluation is None:
        every = _scores(content.rows)
        shown = histogram(every, np.zeros(0), content.threshold, ("all images", ""))
        return _figures("Scores", [shown])
    good = _scores(row for row in content.rows if row.label == GOOD)
    bad = _scores(row for row in content.rows if row.label not in (None, GOOD))
    figures = [histogram(good, bad, content.threshold, ("good", "defective"))]
    if good.size and bad.size:
        false_alarms, recall, _ = roc_curve(good, bad)
        limit = content.threshold
        point = (float((good > limit).mean()), float((bad > limit).mean()))
        figures.append(roc(false_alarms, recall, point))
    return _figures("Scores", figures)


def not_inspected(content: ReportContent) -> str:
    """Files skipped and images that ended as INVALID, with the reason."""
    lines = [(str(item.path), item.problem) for item in content.skipped]
    for row in content.rows:
        if row.verdict == Verdict.INVALID:
            lines.append((str(row.image), "; ".join(row.inspection.decision.reasons)))
    if not lines:
        return ""
    body = "".join(f"<tr>{_th(path)}<td>{escape(why)}</td></tr>" for path, why in lines)
    table = f'<table class="files reasons">{_head("File", "Why")}<tbody>{body}</tbody></table>'
    return (
        f'<section><h2>Not inspected <span class="count">{len(lines)}</span></h2>'
        f'<div class="wide">{table}</div></section>'
    )


def all_images(content: ReportContent) -> str:
    """Every image with its score, highest first, folded away."""
    rows = sorted(content.rows, key=lambda row: -1.0 if row.score is None else -row.score)
    body = "".join(_image_row(row) for row in rows[:_LISTED])
    head = _head("Image", "Label", "Verdict", "Score", "Regions")
    left = len(rows) - _LISTED
    note = f'<p class="note">{left} more are in the CSV and JSON files.</p>' if left > 0 else ""
    return (
        f"<details><summary>All {_count(len(rows), 'image')}, highest score first</summary>"
        f'<div class="wide"><table class="files">{head}<tbody>{body}</tbody></table></div>{note}'
        "</details>"
    )


def _image_row(row: ReportRow) -> str:
    prediction = row.inspection.prediction
    verdict = row.verdict.value
    score = "–" if prediction is None else f"{prediction.score:.4g}"
    regions = 0 if prediction is None else len(prediction.regions)
    return (
        f"<tr>{_th(str(row.image))}<td>{escape(row.label or '–')}</td>"
        f'<td><span class="verdict {verdict.lower()}">{verdict}</span></td>'
        f"<td>{score}</td><td>{regions}</td></tr>"
    )


def _class_row(name: str, share: Proportion, invalid: int, css: str = "") -> str:
    counts = (share.n, share.events, share.n - share.events, invalid)
    cells = _rate_cells(share, share.lower95, bound_bar(share, upper=False), counts)
    return f'<tr class="{css}">{_th(name)}{cells}</tr>'


def _rate_cells(share: Proportion, bound: float, bar: str, counts: tuple[int, ...]) -> str:
    rate = f"<td>{_percent(share.value)}</td><td>{_percent(bound)}</td>"
    return f'{rate}<td class="bar">{bar}</td>' + "".join(f"<td>{count}</td>" for count in counts)


def _th(text: str) -> str:
    return f'<th scope="row">{escape(text)}</th>'


def _head(*names: str) -> str:
    cells = "".join(_column(name) for name in names)
    return f"<thead><tr>{cells}</tr></thead>"


def _column(name: str) -> str:
    css = ' class="bar"' if name == _SCALE else ""
    return f'<th scope="col"{css}>{name}</th>'


def _figures(heading: str, drawings: list[str]) -> str:
    shown = "".join(f"<figure>{drawing}</figure>" for drawing in drawings if drawing)
    if not shown:
        return ""
    return f'<section><h2>{heading}</h2><div class="charts">{shown}</div></section>'


def _scores(rows: Iterable[ReportRow]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([row.score for row in rows if row.score is not None], dtype=np.float64)


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
