"""Turns judged images into what may be said of each defect class: rates of parts, with bounds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

from keenline.evaluation.claims import Needed, needed
from keenline.evaluation.intervals import Proportion
from keenline.evaluation.judged import (
    JudgedImage,
    Rule,
    alarmed,
    classes_in,
    defective,
    good,
    is_good,
    parts_of,
    said_rightly,
)
from keenline.evaluation.size_bands import UNKNOWN, Bands
from keenline.evaluation.strata import Compared, Hidden, Stratum, hidden
from keenline.types import GOOD

ALL = "all defects"
DIMENSIONS = ("lot", "line", "shift", "light")
"""Origins by which outcomes are compared, besides the size of the defect."""

CLAIM = 0.95


@dataclass(frozen=True, slots=True)
class ClassEvidence:
    """What may be said of one defect class. A proportion counts parts, each bound is exact."""

    name: str
    images: int
    """That show the class."""
    invalid: int
    """Parts of the class that could not be judged; in no rate."""
    recall: Proportion
    """Parts of the class that did not pass, for whatever reason."""
    recognised: Proportion | None
    """Parts of the class on which this class was named. None: no class is told apart."""
    precision: Proportion | None
    """Of the parts on which the class was named, those that show it. It depends on how many good
    and defective parts were inspected: another mix gives another precision."""
    false_alarm_rate: Proportion | None
    """Good parts on which the class was named."""
    needed: Needed
    """Until a recall of 95 % can be claimed."""
    strata: tuple[Stratum, ...]
    """Recall by origin and size."""

    def as_dict(self) -> dict[str, object]:
        """JSON values."""
        return {
            "name": self.name,
            "images": self.images,
            "invalid": self.invalid,
            "recall": asdict(self.recall),
            "recognised": _json(self.recognised),
            "precision": _json(self.precision),
            "false_alarm_rate": _json(self.false_alarm_rate),
            "needed": self.needed.as_dict(),
            "strata": [stratum.as_dict() for stratum in self.strata],
        }


@dataclass(frozen=True, slots=True)
class Evidence:
    """What may be said of each class, of good parts, and where the whole hides something."""

    rule: Rule
    parts: int
    images: int
    classes: tuple[ClassEvidence, ...]
    recall_overall: Proportion
    """Over all classes; never to be shown without them."""
    false_alarm_rate: Proportion
    """Good parts that did not pass."""
    good_invalid: int
    good_strata: tuple[Stratum, ...]
    precision: Proportion
    """Of the parts that did not pass, those that show any defect; see `ClassEvidence.precision`."""
    hidden: tuple[Hidden, ...]
    notes: tuple[str, ...]
    """What the evidence does not cover; one sentence each."""

    def of(self, name: str) -> ClassEvidence:
        """The evidence of one class; raises KeyError for one that was not inspected."""
        for known in self.classes:
            if known.name == name:
                return known
        raise KeyError(name)

    def as_dict(self) -> dict[str, object]:
        """JSON values."""
        return {
            "rule": self.rule,
            "parts": self.parts,
            "images": self.images,
            "classes": [known.as_dict() for known in self.classes],
            "recall_overall": asdict(self.recall_overall),
            "false_alarm_rate": asdict(self.false_alarm_rate),
            "good_invalid": self.good_invalid,
            "good_strata": [stratum.as_dict() for stratum in self.good_strata],
            "precision": asdict(self.precision),
            "hidden": [one.as_dict() for one in self.hidden],
            "notes": list(self.notes),
        }


def evidence(
    judged: Iterable[JudgedImage],
    *,
    rule: Rule = "each image",
    names_classes: bool = False,
    claim: float = CLAIM,
    unit: str = "px",
) -> Evidence:
    """Everything that may be said of the classes in `judged`.

    A part counts under every class that it shows. A defective part's good images count nowhere
    (with `together`, they may find it). `names_classes`: whether the model tells classes apart;
    without it only recall and the false alarms of good parts are defined. `claim`: the recall of
    which is said how many more parts it takes. `unit`: of the sizes, for people.
    """
    images = list(judged)
    parts = parts_of(images)
    classes = tuple(
        _Class(name, images, rule, unit).evidence(names_classes, claim)
        for name in classes_in(images)
    )
    whole = good(parts, rule)
    flawless = [image for part in parts.values() if is_good(part) for image in part]
    good_strata = tuple(
        Stratum(dimension, value, good(parts_of(chosen), rule).share)
        for dimension, value, chosen in _by_origin(flawless)
    )
    by_class = [Stratum("class", each.name, each.recall) for each in classes]
    compared = [
        Compared(ALL, tuple(by_class)),
        *(group for each in classes for group in _dimensions(each.name, each.strata)),
        *_dimensions(GOOD, good_strata),
    ]
    return Evidence(
        rule=rule,
        parts=len(parts),
        images=len(images),
        classes=classes,
        recall_overall=defective(parts, _shows_any, rule).share,
        false_alarm_rate=whole.share,
        good_invalid=whole.invalid,
        good_strata=good_strata,
        precision=said_rightly(parts, alarmed, _shows_any).share,
        hidden=hidden(compared),
        notes=_notes(images),
    )


class _Class:
    """One class among parts."""

    def __init__(self, name: str, images: Sequence[JudgedImage], rule: Rule, unit: str) -> None:
        self._name, self._rule = name, rule
        self._parts = parts_of(images)
        self._images = [image for image in images if name in image.classes]
        sizes = [image.sizes[name] for image in self._images if name in image.sizes]
        self._bands = Bands.of(sizes, unit)

    def evidence(self, names_classes: bool, claim: float) -> ClassEvidence:
        outcome = defective(self._parts, self._shows, self._rule)
        recognised = precision = alarms = None
        if names_classes:
            recognised = defective(self._parts, self._shows, self._rule, self._says).share
            precision = said_rightly(self._parts, self._says, self._shows).share
            alarms = good(self._parts, self._rule, self._says).share
        return ClassEvidence(
            name=self._name,
            images=len(self._images),
            invalid=outcome.invalid,
            recall=outcome.share,
            recognised=recognised,
            precision=precision,
            false_alarm_rate=alarms,
            needed=needed(outcome.flagged, outcome.judged, claim),
            strata=tuple(stratum for stratum in self._strata() if stratum.share.n),
        )

    def _strata(self) -> Iterator[Stratum]:
        for dimension, value, chosen in _by_origin(self._images):
            share = defective(parts_of(chosen), self._shows, self._rule).share
            yield Stratum(dimension, value, share)
        for band in self._bands.names:
            chosen = [i for i in self._images if self._bands.band(i.sizes.get(self._name)) == band]
            share = defective(parts_of(chosen), self._shows, self._rule).share
            yield Stratum("size", band, share)

    def _shows(self, image: JudgedImage) -> bool:
        return self._name in image.classes

    def _says(self, image: JudgedImage) -> bool:
        return self._name in image.named


def _shows_any(image: JudgedImage) -> bool:
    return bool(image.classes)


def _by_origin(
    images: Sequence[JudgedImage],
) -> Iterator[tuple[str, str, list[JudgedImage]]]:
    """Images by each value of each origin that anybody said anything of."""
    for dimension in DIMENSIONS:
        values = {image.origin.get(dimension) or UNKNOWN for image in images}
        if values != {UNKNOWN}:
            for value in sorted(values):
                chosen = [i for i in images if (i.origin.get(dimension) or UNKNOWN) == value]
                yield dimension, value, chosen


def _dimensions(what: str, strata: Sequence[Stratum]) -> list[Compared]:
    """The strata of one kind of parts as they are to be compared: within each dimension."""
    names = dict.fromkeys(stratum.dimension for stratum in strata)
    return [
        Compared(what, tuple(s for s in strata if s.dimension == name), what == GOOD)
        for name in names
    ]


def _notes(images: Sequence[JudgedImage]) -> tuple[str, ...]:
    """Origins of which there is one value only, or none."""
    notes = []
    for dimension in DIMENSIONS:
        values = {image.origin.get(dimension) or UNKNOWN for image in images}
        if len(values) == 1 and values != {UNKNOWN}:
            words = f"all images are of one {dimension}, {values.pop()}"
            notes.append(f"{words}: nothing is known of others")
    if images and not any(any(image.origin.values()) for image in images):
        notes.append("nobody said which lot, line, shift or light: rates may differ between them")
    return tuple(notes)


def _json(share: Proportion | None) -> dict[str, object] | None:
    return None if share is None else asdict(share)
