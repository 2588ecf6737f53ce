"""A study of appraisers turned into a page and JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from keenline.evaluation.attribute_study import (
    EFFECTIVENESS,
    FALSE_ALARM,
    MISS,
    Appraiser,
    AttributeStudy,
    Share,
    words_of,
)
from keenline.evaluation.kappa import Kappa
from keenline.report.plain_page import paragraph, plain_page, section, table

HEAD = ("Appraiser", "Verdict", "Effectiveness", "Misses", "False alarms")
_PAIRS = (
    "Pair",
    "Kappa (Cohen)",
    "Says",
    "Both reject",
    "Only the first rejects",
    "Only the second rejects",
    "Both accept",
)
_WITHIN = ("Appraiser", "Parts judged alike each time", "Kappa (Fleiss)")
_TRUTH = (
    "Appraiser",
    "Kappa (Cohen)",
    "Rightly rejected",
    "False alarms",
    "Misses",
    "Rightly accepted",
)
_FOOTER = (
    "Attribute agreement by AIAG, Measurement Systems Analysis, 4th ed. 2010. Effectiveness: parts "
    "of which every trial is right. Misses: trials that accept a part to be rejected; false alarms "
    "the other way round. Ratings are those of the value; the interval (Wilson, two-sided, 95 %) "
    "says how well it is known, and of misses and false alarms takes each trial to be independent, "
    "as AIAG does, so that it is too narrow where the trials of one part are alike."
)


def study_page(
    study: AttributeStudy, title: str, facts: Mapping[str, str], notes: Sequence[str]
) -> str:
    """The page as text."""
    parts = [section("Appraisers", table(HEAD, map(row_of, study.appraisers)), note=_limits())]
    if notes:
        parts.append(section("To be known", *(paragraph(f"{note}.") for note in notes)))
    pairs = [
        (
            " and ".join(pair.names),
            kappa_words(pair.kappa),
            words_of(pair.kappa),
            *_counts(pair.table),
        )
        for pair in study.pairs
    ]
    if pairs:
        parts.append(section("Between appraisers", table(_PAIRS, pairs), paragraph(across(study))))
    within = [
        (each.name, share_words(each.within), kappa_words(each.within_kappa))
        for each in study.appraisers
    ]
    parts.append(section("Within appraisers", table(_WITHIN, within)))
    truth = [
        (each.name, kappa_words(each.against_reference), *_counts(each.table))
        for each in study.appraisers
    ]
    parts.append(section("Trials against the reference", table(_TRUTH, truth)))
    return plain_page(
        kind="Attribute agreement study",
        title=title,
        headline=headline(study),
        facts=facts,
        sections=parts,
        footer=_FOOTER,
    )


def headline(study: AttributeStudy) -> str:
    """The verdicts in one sentence."""
    return "; ".join(f"{each.name}: {each.rating}" for each in study.appraisers) + "."


def row_of(each: Appraiser) -> tuple[str, ...]:
    """One appraiser as cells under `HEAD`."""
    return (
        each.name,
        each.rating.value,
        share_words(each.effectiveness),
        share_words(each.miss),
        share_words(each.false_alarm),
    )


def share_words(share: Share) -> str:
    """Value, interval and rating."""
    if share.value is None:
        return "–"
    span = f"{100 * share.lower95:.1f} to {100 * share.upper95:.1f}"
    rated = "" if share.rating is None else f" {share.rating}"
    return f"{100 * share.value:.1f} % ({span}){rated}"


def study_record(study: AttributeStudy) -> dict[str, object]:
    """JSON values."""
    return {
        "parts": study.parts,
        "appraisers": [asdict(each) | {"rating": each.rating.value} for each in study.appraisers],
        "pairs": [asdict(pair) for pair in study.pairs],
        "fleiss": None if study.fleiss is None else asdict(study.fleiss),
        "system": asdict(study.system),
        "system_right": asdict(study.system_right),
    }


def across(study: AttributeStudy) -> str:
    """How far everybody agrees, in a sentence."""
    said = (
        ""
        if study.fleiss is None
        else f"All together: kappa (Fleiss) {kappa_words(study.fleiss)}. "
    )
    return (
        f"{said}Everybody always said the same of {study.system.events} of {study.parts} parts, "
        f"and what the reference says of {study.system_right.events}."
    )


def _limits() -> str:
    def words(limits: tuple[float, float], sign: str) -> str:
        return f"{sign} {100 * limits[0]:g} % acceptable, {sign} {100 * limits[1]:g} % marginal"

    return (
        f"Effectiveness {words(EFFECTIVENESS, 'from')}; misses {words(MISS, 'to')}; false alarms "
        f"{words(FALSE_ALARM, 'to')}. The verdict is the worst of the three. Kappa from 0.75 is "
        "good, from 0.9 preferred."
    )


def kappa_words(kappa: Kappa) -> str:
    """Kappa and its interval."""
    if kappa.value is None or kappa.lower95 is None or kappa.upper95 is None:
        return "–"
    return f"{kappa.value:.2f} ({kappa.lower95:.2f} to {kappa.upper95:.2f})"


def _counts(counts: tuple[tuple[int, int], tuple[int, int]]) -> tuple[str, ...]:
    return tuple(str(count) for row in counts for count in row)
