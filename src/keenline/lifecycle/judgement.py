"""Locked criteria and what was measured turned into accepted or refused, criterion by criterion."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from keenline.evaluation.evidence import ClassEvidence, Evidence
from keenline.evaluation.intervals import Proportion
from keenline.evaluation.knapp import knapp
from keenline.lifecycle.criteria import ClassCriterion, Criteria


@dataclass(frozen=True, slots=True)
class Measured:
    """What an acceptance run found."""

    evidence: Evidence
    milliseconds: Sequence[float]
    """Decoded image to verdict, of each image that could be judged."""
    alarms: Mapping[str, Sequence[bool]]
    """By the part that the provenance names: of each of its images, whether it was not passed."""
    lights: Mapping[str, int]
    """Images by light set-up; "" where nobody said."""
    station: str
    """Name of the computer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One criterion and whether it is met."""

    criterion: str
    asked: str
    found: str
    met: bool

    def as_dict(self) -> dict[str, object]:
        """JSON values."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """The reason."""
        return f"{self.criterion}: {self.found}; asked for {self.asked}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Every criterion with its outcome."""

    outcomes: tuple[Outcome, ...]

    @property
    def accepted(self) -> bool:
        """Whether every criterion is met."""
        return all(each.met for each in self.outcomes)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it is refused; empty when it is accepted."""
        return tuple(each.sentence for each in self.outcomes if not each.met)


def judge(criteria: Criteria, measured: Measured) -> Judgement:
    """Every criterion against what was measured; pure."""
    return Judgement(tuple(_outcomes(criteria, measured)))


def quantile(values: Sequence[float], share: float) -> float | None:
    """The least value that this share of the values does not exceed; None without a value."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def _outcomes(criteria: Criteria, measured: Measured) -> Iterator[Outcome]:
    known = {each.name: each for each in measured.evidence.classes}
    for asked in criteria.classes:
        yield from _of_class(asked, known.get(asked.name))
    most = criteria.good.false_alarms
    if most is not None:
        yield _at_most("good parts: false alarms", most, measured.evidence.false_alarm_rate)
    yield _invalid(criteria.invalid_parts, measured.evidence)
    if criteria.time.milliseconds is not None:
        yield _time(criteria.time.milliseconds, criteria.time.share, measured.milliseconds)
    if criteria.environment.light:
        yield _light(criteria.environment.light, measured.lights)
    if criteria.environment.station:
        same = measured.station == criteria.environment.station
        yield Outcome("station", criteria.environment.station, measured.station, same)
    if criteria.knapp.units:
        yield _knapp(criteria, measured.alarms)


def _of_class(asked: ClassCriterion, found: ClassEvidence | None) -> Iterator[Outcome]:
    if asked.recall is not None:
        yield _at_least(f"{asked.name}: recall", asked.recall, found.recall if found else None)
    if asked.recognised is not None:
        share = found.recognised if found else None
        yield _at_least(f"{asked.name}: recognised", asked.recognised, share)
    if asked.false_alarms is not None:
        share = found.false_alarm_rate if found else None
        yield _at_most(f"{asked.name}: false alarms", asked.false_alarms, share)


def _at_least(criterion: str, least: float, share: Proportion | None) -> Outcome:
    asked = f"at least {_percent(least)}, proven at 95 %"
    if share is None:
        return Outcome(criterion, asked, "not measured: the bundle does not name it", False)
    found = f"{_percent(share.lower95)} proven, {share.events} of {share.n} parts"
    return Outcome(criterion, asked, found, share.lower95 >= least)


def _at_most(criterion: str, most: float, share: Proportion | None) -> Outcome:
    asked = f"at most {_percent(most)}, proven at 95 %"
    if share is None:
        return Outcome(criterion, asked, "not measured: the bundle does not name it", False)
    found = f"{_percent(share.upper95)} not excluded, {share.events} of {share.n} parts"
    return Outcome(criterion, asked, found, share.upper95 <= most)


def _invalid(most: int, evidence: Evidence) -> Outcome:
    count = evidence.good_invalid + sum(each.invalid for each in evidence.classes)
    return Outcome("parts that could not be judged", f"at most {most}", f"{count}", count <= most)


def _time(most: float, share: float, milliseconds: Sequence[float]) -> Outcome:
    found = quantile(milliseconds, share)
    asked = f"{_percent(share)} of images within {most:g} ms"
    if found is None:
        return Outcome("time of an image", asked, "no image could be judged", False)
    words = f"{_percent(share)} within {found:.1f} ms, of {len(milliseconds)} images"
    return Outcome("time of an image", asked, words, found <= most)


def _light(asked: str, lights: Mapping[str, int]) -> Outcome:
    found = ", ".join(f"{name or 'not said'}: {n} images" for name, n in sorted(lights.items()))
    return Outcome("light", asked, found, set(lights) == {asked})


def _knapp(criteria: Criteria, alarms: Mapping[str, Sequence[bool]]) -> Outcome:
    views: defaultdict[str, Sequence[bool]] = defaultdict(tuple, alarms)
    asked = "machine at least as efficient as people in the reject zone"
    few = [u.part for u in criteria.knapp.units if len(views[u.part]) < criteria.knapp.views]
    if few:
        words = f"fewer than {criteria.knapp.views} images of {', '.join(few[:5])}"
        return Outcome("Knapp", asked, words, False)
    found = knapp(criteria.knapp.humans, views, criteria.knapp.reject_zone)
    if found.human is None or found.machine is None:
        return Outcome("Knapp", asked, "no unit is in the reject zone", False)
    words = (
        f"machine {_percent(found.machine)}, people {_percent(found.human)}, "
        f"{found.units} units in the zone"
    )
    if found.weaker:
        words += f"; less sure than people on {', '.join(found.weaker[:5])}"
    return Outcome("Knapp", asked, words, found.holds)


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
