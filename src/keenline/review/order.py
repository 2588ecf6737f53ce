"""Stored results turned into the order in which a person should look at them, with the reasons."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from keenline.random_sample import draw, is_drawn
from keenline.store.remarks import Review
from keenline.types import ANOMALY, Result, ShadowAnswer, Verdict, View

_ALARMS = (Verdict.REJECT, Verdict.REVIEW)


class Why(IntEnum):
    """Why a person is asked, the most urgent first."""

    MISS = 0
    """Passed, and somebody or another bundle names a defect on it."""
    UNCERTAIN = 1
    """A class score lies in the band in which the model cannot tell."""
    NOVEL = 2
    """Unlike the good parts, and no class comes near."""
    ANOMALY = 3
    """Unlike the good parts."""
    DISAGREEMENT = 4
    """Flagged, and the quality control or another bundle finds nothing."""
    FLAGGED = 5
    """Its verdict is REVIEW for another reason."""
    AUDIT = 6
    """Passed, and was drawn at random."""

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Why.MISS: "possible miss",
    Why.UNCERTAIN: "uncertain",
    Why.NOVEL: "novel",
    Why.ANOMALY: "anomaly",
    Why.DISAGREEMENT: "disagreement",
    Why.FLAGGED: "flagged",
    Why.AUDIT: "random PASS audit",
}


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """What is asked for, and how often."""

    band: tuple[float, float] = (0.4, 0.6)
    """Class scores, 0..1, between which the model counts as uncertain; both ends included."""
    audit_share: float = 0.02
    """Share of the PASS parts that is audited, 0..1; no more than the share whose images are
    kept, or some of them cannot be looked at."""
    audit_every: int = 5
    """Every so many results one is an audit, so that urgent ones never keep the audits waiting."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One result that a person should look at."""

    result: Result
    reasons: tuple[tuple[Why, str], ...]
    """Each reason with its detail, the most urgent first."""

    @property
    def why(self) -> Why:
        return self.reasons[0][0]

    @property
    def words(self) -> str:
        """`possible miss: quality control says scratch; uncertain: ...`."""
        return "; ".join(f"{why.words}: {detail}" for why, detail in self.reasons)


@dataclass(frozen=True, slots=True)
class Said:
    """What is said of results already, by `result_id`."""

    reviews: Mapping[str, Sequence[Review]] = field(default_factory=dict)
    """Oldest first."""
    answers: Mapping[str, Sequence[ShadowAnswer]] = field(default_factory=dict)


def in_order(results: Iterable[Result], said: Said, settings: OrderSettings) -> list[Asked]:
    """Those of `results` that ask for a person and that none has reviewed, in the order of need.

    The most urgent reason decides; every `audit_every`-th place goes to an audit while there are
    any. The order of the audits is that of their draw, in which neither the station nor the image
    has a say. INVALID results were not inspected and are not asked for.
    """
    urgent: list[tuple[Why, float, Asked]] = []
    audits: list[tuple[int, Asked]] = []
    for result in results:
        reviews = said.reviews.get(result.result_id, ())
        if any(review.role == "review" for review in reviews):
            continue
        answers = said.answers.get(result.result_id, ())
        reasons = _reasons(result, reviews, answers, settings)
        if not reasons:
            continue
        asked = Asked(result, tuple((why, detail) for why, _, detail in reasons))
        if asked.why is Why.AUDIT:
            audits.append((draw(result.result_id), asked))
        else:
            why, need, _ = reasons[0]
            urgent.append((why, -need, asked))
    urgent.sort(key=lambda entry: (entry[0], entry[1], entry[2].result.result_id))
    audits.sort(key=lambda entry: entry[0])
    return _woven([each[2] for each in urgent], [each[1] for each in audits], settings.audit_every)


def named_classes(result: Result) -> frozenset[str]:
    """The defect classes that the station named, the anomaly apart."""
    found = {region.class_name for view in result.views for region in view.regions}
    return frozenset(found - {ANOMALY})


def is_alarm(verdict: Verdict) -> bool:
    """Whether a part was taken off for a defect, or for somebody to look."""
    return verdict in _ALARMS


def _reasons(
    result: Result,
    reviews: Sequence[Review],
    answers: Sequence[ShadowAnswer],
    settings: OrderSettings,
) -> list[tuple[Why, float, str]]:
    """Each reason with how much it needs a person within its kind, and its detail."""
    verdict = result.decision.verdict
    if verdict is Verdict.INVALID:
        return []
    found = [*_against(verdict, reviews, answers), *_of_scores(result, settings)]
    if verdict is Verdict.REVIEW and not any(why < Why.DISAGREEMENT for why, _, _ in found):
        found.append((Why.FLAGGED, 0.0, "; ".join(result.decision.reasons)))
    if verdict is Verdict.PASS and is_drawn(result.result_id, settings.audit_share):
        share = f"{100 * settings.audit_share:g} % of the PASS parts"
        found.append((Why.AUDIT, 0.0, f"drawn among {share}"))
    return sorted(found, key=lambda reason: (reason[0], -reason[1]))


def _against(
    verdict: Verdict, reviews: Sequence[Review], answers: Sequence[ShadowAnswer]
) -> list[tuple[Why, float, str]]:
    """Who says something else than the station."""
    found: list[tuple[Why, float, str]] = []
    others = [
        (2.0, review.judgement == "defect", f"quality control ({review.reviewer})", review.classes)
        for review in reviews
        if review.judgement != "unclear"
    ]
    others += [
        (1.0, is_alarm(answer.verdict), f"bundle {answer.bundle_sha256[:8]}", answer.classes)
        for answer in answers
        if answer.verdict is not Verdict.INVALID
    ]
    for need, alarms, who, classes in others:
        if alarms and not is_alarm(verdict):
            # A class that is named is more than "unlike the good parts".
            words = ", ".join(classes) or "unlike the good parts"
            found.append((Why.MISS, need + bool(classes), f"{who} says {words}"))
        elif is_alarm(verdict) and not alarms:
            found.append((Why.DISAGREEMENT, need, f"{who} finds nothing"))
    return found


def _of_scores(result: Result, settings: OrderSettings) -> list[tuple[Why, float, str]]:
    found: list[tuple[Why, float, str]] = []
    low, high = settings.band
    for view in result.views:
        for name, score in view.class_scores.items():
            if low <= score <= high:
                nearness = 1 - abs(score - (low + high) / 2)
                found.append((Why.UNCERTAIN, nearness, f"{name} {score:.3g} on {view.camera}"))
        ratio = _over(view)
        if ratio > 1:
            tells = view.class_scores
            is_novel = bool(tells) and max(tells.values()) < low
            detail = f"score {ratio:.3g} times the threshold on {view.camera}"
            found.append((Why.NOVEL if is_novel else Why.ANOMALY, ratio, detail))
    return found


def _over(view: View) -> float:
    if view.score is None or not view.threshold:
        return 0.0
    return view.score / view.threshold


def _woven(urgent: list[Asked], audits: list[Asked], every: int) -> list[Asked]:
    woven: list[Asked] = []
    rest, sample = iter(urgent), iter(audits)
    for place in range(1, len(urgent) + len(audits) + 1):
        first, second = (sample, rest) if place % every == 0 else (rest, sample)
        chosen = next(first, None) or next(second, None)
        assert chosen is not None
        woven.append(chosen)
    return woven
