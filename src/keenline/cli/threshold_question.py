"""What `keenline threshold` was asked turned into cuts, their cost and all that belongs to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import typer

from keenline.bundle import Manifest, read_bundle
from keenline.cli.score_files import Span, is_store, read_scores, read_truth
from keenline.evaluation.choosing import Choice, Limits, Promises, choose, judge, limits_of
from keenline.evaluation.cost_curve import CostCurve, cost_curve
from keenline.evaluation.costs import CostMatrix, Mode
from keenline.evaluation.judged import Rule
from keenline.evaluation.recipe_cuts import cuts_of, modes_of
from keenline.evaluation.scored import Cut, ScoredParts
from keenline.training.operating import Chosen, scored_by
from keenline.types import ANOMALY, GOOD

_COSTS = ("miss", "false_alarm", "review")


@dataclass(frozen=True, slots=True)
class Question:
    """What was typed."""

    bundle: Path
    results: str
    truth: Path | None = None
    escapes: float | None = None
    proven: bool = False
    false_alarms: float | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    prevalence: Mapping[str, float] = field(default_factory=dict)
    at: Mapping[str, str] = field(default_factory=dict)
    together: bool = False
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What was found."""

    title: str
    parts: ScoredParts
    matrix: CostMatrix
    modes: Mapping[str, Mode]
    limits: Limits
    now: Choice
    chosen: Choice
    """At the least cost, or where `--at` asked."""
    asked: bool
    """`chosen` is what `--at` asked for."""
    notes: tuple[str, ...]
    results: str
    without_score: int
    false_alarms: float | None

    @property
    def facts(self) -> dict[str, str]:
        """What was chosen by and on, for people."""
        counts = self.parts.counts()
        shares = self.matrix.shares(counts)
        listed = ", ".join(f"{n} {label}" for label, n in counts.items())
        misses = ", ".join(f"{n} {self.matrix.miss_of(n):g}" for n in self.parts.classes)
        return {
            "results": self.results,
            "parts": f"{self.parts.kind.size}, labelled {sum(counts.values())}: {listed}",
            "costs": f"false alarm {self.matrix.false_alarm:g}, review {self.matrix.review:g}, "
            f"miss: {misses or 'no class'}",
            "made": ", ".join(f"{label} {100 * share:.3g} %" for label, share in shares.items()),
        }

    def curves(self) -> list[CostCurve]:
        """One for each score."""
        return [
            cost_curve(
                name,
                self.parts,
                self.matrix,
                mode,
                now=self.now.cuts[name],
                cuts=self.chosen.cuts,
                cost=self.chosen.cost,
                limits=self.limits,
            )
            for name, mode in self.modes.items()
        ]

    def as_chosen(self, by: str) -> Chosen:
        """What is to be written."""
        cut = self.chosen.cuts[ANOMALY]
        good = self.parts.scores[ANOMALY][self.parts.of(GOOD)]
        return Chosen(
            cuts=self.chosen.cuts,
            by=by,
            on=self.results,
            counts=self.parts.counts(),
            promises=self.limits.statements,
            proves_false_alarms=self.false_alarms is not None,
            false_alarm_rate=self.false_alarms,
            good_above=int(np.count_nonzero(good > cut.low)),
        )

    def as_dict(self) -> dict[str, object]:
        """JSON values."""
        return {
            "facts": self.facts,
            "without_score": self.without_score,
            "now": _record(self.now),
            "what_if" if self.asked else "chosen": _record(self.chosen),
            "limits": {
                name: [self.limits.least.get(name), self.limits.most.get(name)]
                for name in self.modes
            },
            "promises": list(self.limits.statements),
            "notes": list(self.notes),
        }


def answer(question: Question) -> Answer:
    """Read, choose, and say what would become of the parts.

    Raises BundleError, DatasetError (SCORES_UNUSABLE, THRESHOLD_IMPOSSIBLE), StoreError, and
    BadParameter for a cost or score that is not known.
    """
    bundle = read_bundle(question.bundle)
    manifest = bundle.manifest
    span = Span(question.since, question.until, question.limit)
    scores, source = read_scores(question.results, scored_by(bundle), span)
    notes: list[str] = []
    if question.truth is not None:
        scores, unmatched = scores.labelled_by(read_truth(question.truth))
        if unmatched:
            notes.append(f"{unmatched} labels of {question.truth.name} meet no result")
    modes = modes_of(
        manifest.recipe, [known.name for known in manifest.classes], manifest.training_counts
    )
    matrix = _matrix(manifest, question)
    rule: Rule = "together" if question.together or is_store(question.results) else "each image"
    parts = scores.scored_parts(list(modes), matrix.miss, rule)
    now = cuts_of(manifest.recipe, manifest.threshold.value, modes)
    limits = limits_of(
        parts,
        list(modes),
        Promises(
            question.escapes, "proven" if question.proven else "expected", question.false_alarms
        ),
    )
    asked = _asked(question.at, now, modes)
    chosen = (
        judge(parts, matrix, asked)
        if question.at
        else choose(parts, matrix, modes, limits=limits, now=now)
    )
    notes += _notes(manifest, parts, matrix, chosen)
    return Answer(
        title=manifest.recipe.part or question.bundle.stem,
        parts=parts,
        matrix=matrix,
        modes=modes,
        limits=limits,
        now=judge(parts, matrix, now),
        chosen=chosen,
        asked=bool(question.at),
        notes=tuple(notes),
        results=source,
        without_score=scores.without_score,
        false_alarms=question.false_alarms,
    )


def _matrix(manifest: Manifest, question: Question) -> CostMatrix:
    matrix = CostMatrix.of(manifest.recipe)
    own = {name: cost for name, cost in question.costs.items() if name not in _COSTS}
    every = question.costs.get("miss")
    miss = dict(matrix.miss) if every is None else dict.fromkeys(matrix.miss, every)
    return replace(
        matrix,
        miss=miss | own,
        other_miss=matrix.other_miss if every is None else every,
        false_alarm=question.costs.get("false_alarm", matrix.false_alarm),
        review=question.costs.get("review", matrix.review),
        prevalence=dict(matrix.prevalence or {}) | dict(question.prevalence),
    )


def _asked(
    at: Mapping[str, str], now: Mapping[str, Cut], modes: Mapping[str, Mode]
) -> dict[str, Cut]:
    cuts = dict(now)
    for name, text in at.items():
        if name not in modes:
            raise typer.BadParameter(
                f"no score of {name}; there are {', '.join(modes)}", param_hint="--at"
            )
        first, _, second = text.partition(":")
        try:
            low = float(first)
            high = float(second) if second else low
            cuts[name] = Cut(low, np.inf if modes[name] == "flag" else high)
        except ValueError as error:
            raise typer.BadParameter(f"{name}={text}: {error}", param_hint="--at") from error
    return cuts


def _notes(manifest: Manifest, parts: ScoredParts, matrix: CostMatrix, chosen: Choice) -> list[str]:
    notes = []
    unsaid = [name for name in parts.classes if name not in (matrix.prevalence or {})]
    if unsaid:
        notes.append(
            f"how often {', '.join(unsaid)} is made was not said, so its share of these parts "
            "counts; say --prevalence, or prevalence in the recipe"
        )
    counts = parts.counts()
    if not counts[GOOD]:
        notes.append("no good part is labelled: false alarms cost nothing here")
    elif not parts.classes:
        notes.append("no defect is labelled: a miss costs nothing here")
    near = _near(manifest, parts, chosen)
    if near:
        notes.append(
            f"{near} parts score so near a chosen threshold that another engine may judge them "
            "differently"
        )
    return notes


def _near(manifest: Manifest, parts: ScoredParts, chosen: Choice) -> int:
    """Parts within the difference between engines that was measured when the bundle was made."""
    reach = manifest.engine.largest_score_difference * manifest.threshold.value
    distance = np.abs(parts.scores[ANOMALY] - chosen.cuts[ANOMALY].low)
    return int(np.count_nonzero(distance <= reach))


def _record(choice: Choice) -> dict[str, object]:
    return {
        "cost": choice.cost,
        "cuts": {
            name: {"low": cut.low, "high": None if np.isinf(cut.high) else cut.high}
            for name, cut in choice.cuts.items()
        },
        "parts": [fate.as_dict() for fate in choice.fates],
    }
