"""What bundles said of images whose parts they had not seen, turned into one pooled estimate.

Each fold has a bundle of its own. Its answers are pooled before anything is counted: the mean of
estimates from ten parts each would have no bound that holds. What is counted are physical parts,
because two photographs of one scratch are one trial.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from keenline.evaluation.intervals import Proportion
from keenline.evaluation.metrics import average_precision
from keenline.types import GOOD, Verdict

STRANGE = "only strange"
"""In the confusion: no class was named, but the anomaly is above its threshold."""
NOTHING = "nothing"
"""In the confusion: no class was named, and the anomaly is not above its threshold."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One image, and what a bundle said of it that never saw its part."""

    image: Path
    part: Hashable
    """The same for all images of one physical part."""
    shows: frozenset[str]
    """The classes of defects on it; none for a good one."""
    certain: Mapping[str, float]
    """Confidence of each class that the bundle knew, 0..1."""
    limits: Mapping[str, float]
    """Confidence above which each of them is taken to be there."""
    anomaly: float
    """Score over threshold, >= 0: above 1 it is strange."""
    verdict: Verdict
    reason: str = ""
    """Of the verdict."""

    @property
    def named(self) -> list[str]:
        """The classes taken to be there, the surest first."""
        above = [name for name, score in self.certain.items() if score > self.limits[name]]
        return sorted(above, key=lambda name: (-self.certain[name], name))

    @property
    def surest(self) -> float:
        """The highest confidence of any class; 0 when the bundle knew none."""
        return max(self.certain.values(), default=0.0)


@dataclass(frozen=True, slots=True)
class ClassEstimate:
    """How well a class is told on parts that were not learnt from. Counts are parts."""

    name: str
    images: int
    parts: int
    recall: Proportion
    """Named as this class, among the parts that show it. `n` is 0 where the class had but one part:
    while that was left out nothing of the class was left to learn from."""
    precision: Proportion
    """Showing this class, among the parts that were named so. Of the mix of parts that was tried:
    where defects are rarer, it is lower."""
    flagged: Proportion
    """Not passed, for whatever reason, among the parts that show it."""
    average_precision: float | None
    """Of its confidence, images that show it against all others; None where it cannot be said."""


@dataclass(frozen=True, slots=True)
class Missed:
    """An image of a defect that was not named."""

    image: Path
    class_name: str
    confidence: float | None
    """Of that class; None when the bundle could not know it."""
    limit: float | None
    said: str
    """What it was taken for: a class, `STRANGE` or `NOTHING`."""
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Estimate:
    """What may be expected on new parts."""

    classes: tuple[ClassEstimate, ...]
    images: int
    parts: int
    recall: Proportion
    """Of any class: parts on which a class that they show was named."""
    flagged: Proportion
    """Defective parts that did not pass, for whatever reason."""
    false_alarms: Proportion
    """Good parts that did not pass."""
    class_alarms: Proportion
    """Good parts on which a class was named."""
    average_precision: float | None
    """Of the highest confidence, defective images against good ones."""
    anomaly_average_precision: float | None
    """The same for the anomaly alone."""
    confusion: Mapping[str, Mapping[str, int]]
    """Images by the class they show and what they were taken for: a class, `STRANGE`, `NOTHING`.
    An image of several classes is counted for each of them."""
    missed: tuple[Missed, ...]
    """Worst first: those that passed, and the least sure."""
    false: tuple[Judged, ...]
    """Good images that did not pass, those a class was named on first, the surest first."""
    invalid: tuple[Judged, ...]
    """Images that could not be inspected; they count nowhere else."""

    def as_dict(self) -> dict[str, object]:
        """JSON values."""
        return {
            "images": self.images,
            "parts": self.parts,
            "classes": [asdict(each) for each in self.classes],
            "recall": asdict(self.recall),
            "flagged": asdict(self.flagged),
            "false_alarms": asdict(self.false_alarms),
            "class_alarms": asdict(self.class_alarms),
            "average_precision": self.average_precision,
            "anomaly_average_precision": self.anomaly_average_precision,
            "confusion": {true: dict(row) for true, row in self.confusion.items()},
            "missed": [
                asdict(each) | {"image": str(each.image), "verdict": each.verdict.value}
                for each in self.missed
            ],
            "false_alarm_images": [
                {"image": str(each.image), "named": each.named, "anomaly": each.anomaly}
                for each in self.false
            ],
            "invalid": [{"image": str(each.image), "reason": each.reason} for each in self.invalid],
        }


def pooled(judged: Iterable[Judged]) -> Estimate:
    """One estimate over the images of all folds, in any order."""
    every = sorted(judged, key=lambda each: each.image)
    valid = [each for each in every if each.verdict is not Verdict.INVALID]
    defective = [each for each in valid if each.shows]
    good = [each for each in valid if not each.shows]
    classes = sorted(set().union(*(each.shows for each in every)))
    return Estimate(
        classes=tuple(_of_class(name, valid) for name in classes),
        images=len(every),
        parts=len({each.part for each in every}),
        recall=_share(
            [each for each in defective if each.shows & each.certain.keys()],
            lambda each: any(name in each.shows for name in each.named),
        ),
        flagged=_share(defective, _did_not_pass),
        false_alarms=_share(good, _did_not_pass),
        class_alarms=_share(good, lambda each: bool(each.named)),
        average_precision=_ranked(good, defective, lambda each: each.surest),
        anomaly_average_precision=_ranked(good, defective, lambda each: each.anomaly),
        confusion=_confusion(valid, classes),
        missed=tuple(_missed(defective)),
        false=tuple(
            sorted(
                filter(_did_not_pass, good),
                key=lambda each: (not each.named, -each.surest, each.image),
            )
        ),
        invalid=tuple(each for each in every if each.verdict is Verdict.INVALID),
    )


def _of_class(name: str, valid: Sequence[Judged]) -> ClassEstimate:
    showing = [each for each in valid if name in each.shows]
    known = [each for each in valid if name in each.certain]
    others = [each for each in known if name not in each.shows]
    named = {each.part for each in valid if name in each.named}
    right = named & {each.part for each in showing}
    return ClassEstimate(
        name=name,
        images=len(showing),
        parts=len({each.part for each in showing}),
        recall=_share([e for e in showing if name in e.certain], lambda each: name in each.named),
        precision=Proportion.of(len(right), len(named)),
        flagged=_share(showing, _did_not_pass),
        average_precision=_ranked(
            others, [e for e in showing if name in e.certain], lambda each: each.certain[name]
        ),
    )


def _share(judged: Sequence[Judged], holds: Callable[[Judged], bool]) -> Proportion:
    """Of the parts of these images, those of which some image does."""
    found: defaultdict[Hashable, bool] = defaultdict(bool)
    for each in judged:
        found[each.part] |= holds(each)
    return Proportion.of(sum(found.values()), len(found))


def _did_not_pass(judged: Judged) -> bool:
    return judged.verdict is not Verdict.PASS


def _ranked(
    low: Sequence[Judged], high: Sequence[Judged], score: Callable[[Judged], float]
) -> float | None:
    if not (low and high):
        return None
    return average_precision([score(each) for each in low], [score(each) for each in high])


def _confusion(valid: Sequence[Judged], classes: Sequence[str]) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in (*classes, GOOD)}
    for each in valid:
        for name in each.shows or (GOOD,):
            counts[name][_taken_for(each, name)] += 1
    # A bundle may name a class that none of these images shows.
    known = sorted({*classes}.union(*(each.certain for each in valid)))
    columns = (*known, STRANGE, NOTHING)
    return {true: {said: counts[true][said] for said in columns} for true in counts}


def _taken_for(judged: Judged, true: str) -> str:
    named = judged.named
    if true in named:
        return true
    if named:
        return named[0]
    return STRANGE if judged.anomaly > 1 else NOTHING


def _missed(defective: Sequence[Judged]) -> list[Missed]:
    found = [
        Missed(
            image=each.image,
            class_name=name,
            confidence=each.certain.get(name),
            limit=each.limits.get(name),
            said=_taken_for(each, name),
            verdict=each.verdict,
        )
        for each in defective
        for name in sorted(each.shows)
        if name not in each.named
    ]
    return sorted(
        found,
        key=lambda missed: (
            missed.verdict is not Verdict.PASS,
            missed.confidence or 0.0,
            missed.image,
        ),
    )
