"""Inspections and evaluations turned into aligned lines and tables for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from statistics import median
from typing import TYPE_CHECKING

from rich.text import Text

from keenline.cli.evidence_tables import show_evidence

if TYPE_CHECKING:
    from keenline.cli.terminal import Terminal
    from keenline.evaluation.summary import Evaluation
    from keenline.types import Inspection

COLOURS = {"PASS": "green", "REVIEW": "yellow", "REJECT": "red", "INVALID": "magenta"}
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
    """What may be said of each class and of good parts, then the ranking."""
    show_evidence(evaluation.evidence, terminal)
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
