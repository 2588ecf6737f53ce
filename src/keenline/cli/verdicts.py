"""Inspections and evaluations turned into aligned lines and tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import median
from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from keenline.cli.terminal import Terminal
    from keenline.evaluation.intervals import Proportion
    from keenline.evaluation.summary import Evaluation
    from keenline.types import Inspection

COLOURS = {"PASS": "green", "REVIEW": "yellow", "REJECT": "red", "INVALID": "magenta"}
_ALL = "all of them"
HEADER = f"{'verdict':<8}{'score':>10}{'of limit':>10}{'regions':>9}{'ms':>8}   image"


def line(name: str, inspection: Inspection) -> Text:
    """One image; the path comes last, so that it never needs to be cut."""
    verdict = inspection.decision.verdict.value
    prediction = inspection.prediction
    if prediction is None:
        numbers = f"{'-':>10}{'-':>10}{'-':>9}{'-':>8}"
    else:
        limit = inspection.threshold
        share = f"{prediction.score / limit:.2f}" if limit > 0 else "-"
        numbers = f"{prediction.score:>#10.4g}{share:>10}{len(prediction.regions):>9}"
        numbers += f"{inspection.milliseconds:>8.1f}"
    text = Text.assemble((f"{verdict:<8}", COLOURS[verdict]), (numbers, "dim"), "   ", name)
    if verdict == "INVALID":
        # The rest of a reason repeats the path; `--json` and the report have all of it.
        why = "; ".join(reason.split("\n", 1)[0] for reason in inspection.decision.reasons)
        text.append(f"\n{'':<8}{why}", "dim")
    return text


def summary(inspections: Iterable[tuple[str, float]], threshold: float) -> Text:
    """How many of each verdict, and how long one took; from (verdict, milliseconds) pairs."""
    pairs = list(inspections)
    counts = Counter(verdict for verdict, _ in pairs)
    text = Text.assemble((f"{len(pairs)} image{'s' * (len(pairs) != 1)}", "bold"), "   ")
    for verdict, colour in COLOURS.items():
        if counts[verdict]:
            text.append(f"{counts[verdict]} {verdict}", colour).append("   ")
    times = [ms for verdict, ms in pairs if verdict != "INVALID"]
    text.append(f"threshold {threshold:.4g}", "dim")
    if times:
        text.append(f"   median {median(times):.1f} ms", "dim")
    return text


def show_evaluation(evaluation: Evaluation, terminal: Terminal) -> None:
    """Recall by class and false alarms with their bounds, then the ranking."""
    if evaluation.recall:
        shares = dict(evaluation.recall)
        if len(shares) > 1:
            shares[_ALL] = evaluation.recall_overall
        rows = [
            [name, *_counts(share), _percent(share.value), _percent(share.lower95)]
            for name, share in shares.items()
        ]
        heading = ["defect class", "inspected", "found", "missed", "recall", "at least"]
        terminal.table(heading, rows, bold=_ALL)
        terminal.say()
    alarms = evaluation.false_alarm_rate
    row = ["good", *_counts(alarms), _percent(alarms.value), _percent(alarms.upper95)]
    terminal.table(["good parts", "inspected", "flagged", "passed", "rate", "at most"], [row])
    terminal.say()
    terminal.fact("bounds", "exact, one-sided, 95 % confidence")
    for label, count in evaluation.invalid.items():
        terminal.fact("invalid", f"{count} {label}; never passed, in no rate", "magenta")
    ranking = {
        "image AUROC": evaluation.image_auroc,
        "AP": evaluation.image_ap,
        "pixel AUROC": evaluation.pixel_auroc,
        "AU-PRO": evaluation.au_pro,
    }
    words = [f"{name} {value:.4f}" for name, value in ranking.items() if value is not None]
    if words:
        terminal.fact("ranking", ", ".join(words))
    if evaluation.ms_per_image is not None:
        p95 = "" if evaluation.ms_p95 is None else f", 95 % within {evaluation.ms_p95:.1f} ms"
        terminal.fact("time", f"{evaluation.ms_per_image:.1f} ms an image{p95}")


def _counts(share: Proportion) -> tuple[str, str, str]:
    return str(share.n), str(share.events), str(share.n - share.events)


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"
