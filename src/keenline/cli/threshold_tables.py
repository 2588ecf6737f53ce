"""An answer of `keenline threshold` turned into aligned lines and tables for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from keenline.cli.evidence_tables import percent
from keenline.types import GOOD

if TYPE_CHECKING:
    from keenline.cli.terminal import Terminal
    from keenline.cli.threshold_question import Answer
    from keenline.evaluation.scored import Cut, Fates


def show_answer(found: Answer, terminal: Terminal) -> None:
    """What it was chosen on and by, the thresholds, and what becomes of each class."""
    for label, words in found.facts.items():
        terminal.fact(label, words)
    if found.without_score:
        terminal.fact("invalid", f"{found.without_score} without a score, left out", "magenta")
    terminal.say()
    name = "what if" if found.asked else "chosen"
    rows = [
        [score, mode, _words(found.now.cuts[score]), _words(found.chosen.cuts[score])]
        for score, mode in found.modes.items()
    ]
    costs = f"{found.now.cost:.4g}", f"{found.chosen.cost:.4g}"
    rows.append(["cost of a part", "", *costs])
    terminal.table(["threshold of", "may", "now", name], rows, bold="cost of a part")
    terminal.say()
    before = {fate.label: fate for fate in found.now.fates}
    heading = ["parts", "", "pass", "review", "reject", "flagged", "bound", "flagged now"]
    terminal.table(heading, [_row(fate, before[fate.label]) for fate in found.chosen.fates])
    unlabelled = int((~found.parts.labelled).sum())
    if unlabelled:
        flagged = found.parts.verdicts(found.chosen.cuts)[~found.parts.labelled] > 0
        terminal.fact("unlabelled", f"{unlabelled} parts, {int(flagged.sum())} of them flagged")
    terminal.say()
    for promise in found.limits.statements:
        terminal.fact("promised", promise)
    for note in found.notes:
        terminal.fact("note", note, "yellow")
    if not found.asked:
        words = "chosen on these parts, on which they look better than on others: "
        terminal.fact("confirm", words + "keenline evaluate on parts that were not used here")


def _row(fate: Fates, before: Fates) -> list[str]:
    share = fate.flagged
    bound = f"<= {percent(share.upper95)}" if fate.label == GOOD else f">= {percent(share.lower95)}"
    counts = map(str, (fate.n, fate.passed, fate.reviewed, fate.rejected))
    return [fate.label, *counts, percent(share.value), bound, percent(before.flagged.value)]


def _words(cut: Cut) -> str:
    if math.isinf(cut.high) or cut.high == cut.low:
        return f"{cut.low:.4g}"
    return f"{cut.low:.4g} to {cut.high:.4g}"
