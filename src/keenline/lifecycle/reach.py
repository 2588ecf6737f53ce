"""Criteria and a list of sealed samples turned into what each criterion takes and what is there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from keenline.data.dataset_version import SEALED, DatasetVersion
from keenline.data.keenset import folder_of, read_version
from keenline.data.origins import Origins
from keenline.data.splits import independent_parts
from keenline.evaluation.intervals import misses_allowed, parts_needed
from keenline.lifecycle.criteria import Criteria
from keenline.training.lesson_samples import classes_of
from keenline.types import Sample


@dataclass(frozen=True, slots=True)
class SealedParts:
    """How many parts a sealed set has, known from the list alone: no image is opened for it."""

    good: int
    classes: dict[str, int]
    """Parts that show each class."""
    images: int
    views: dict[str, int]
    """Images of each part that the provenance names."""
    lights: dict[str, int]
    """Images by light set-up; "" where nobody said."""


@dataclass(frozen=True, slots=True)
class Reach:
    """One criterion before the set is opened."""

    criterion: str
    needs: int
    """Parts without one error; of `knapp`, images of the unit with the fewest."""
    has: int
    errors_allowed: int | None
    """Errors with which it would still be met; None when it cannot be met at all."""

    @property
    def possible(self) -> bool:
        """Whether a bundle without any error would meet it."""
        return self.has >= self.needs

    @property
    def sentence(self) -> str:
        """What to print."""
        if not self.possible:
            return f"{self.criterion}: takes {self.needs} without an error, the set has {self.has}"
        return (
            f"{self.criterion}: takes {self.needs} without an error, the set has {self.has}, "
            f"of which {self.errors_allowed} may be wrong"
        )


def sealed_parts(file: Path) -> SealedParts:
    """The parts of the sealed set of a version, as its evidence will count them.

    Raises DatasetError: what `read_version` raises.
    """
    version = read_version(file)
    samples, hashes = _samples(version, file)
    parts = independent_parts(samples, hashes)
    classes: Counter[str] = Counter()
    for part in parts:
        classes.update(frozenset().union(*(classes_of(sample) for sample in part)))
    sealed = version.of(SEALED)
    return SealedParts(
        good=sum(not any(classes_of(sample) for sample in part) for part in parts),
        classes=dict(classes),
        images=len(sealed),
        views=dict(Counter(s.provenance.part for s in sealed if s.provenance.part)),
        lights=dict(Counter(sample.provenance.light for sample in sealed)),
    )


def reach(criteria: Criteria, parts: SealedParts) -> tuple[Reach, ...]:
    """What each statistical criterion takes; pure."""
    found = []
    for each in criteria.classes:
        has = parts.classes.get(each.name, 0)
        if each.recall is not None:
            found.append(_rate(f"{each.name}: recall {each.recall:g}", each.recall, has))
        if each.recognised is not None:
            words = f"{each.name}: recognised {each.recognised:g}"
            found.append(_rate(words, each.recognised, has))
        if each.false_alarms is not None:
            words = f"{each.name}: false alarms {each.false_alarms:g}"
            found.append(_rate(words, 1 - each.false_alarms, parts.good))
    if criteria.good.false_alarms is not None:
        words = f"good parts: false alarms {criteria.good.false_alarms:g}"
        found.append(_rate(words, 1 - criteria.good.false_alarms, parts.good))
    if criteria.knapp.units:
        fewest = min(parts.views.get(unit.part, 0) for unit in criteria.knapp.units)
        inside = any(
            unit.probability >= criteria.knapp.reject_zone for unit in criteria.knapp.humans
        )
        needs = criteria.knapp.views if inside else fewest + 1
        words = "Knapp: images of each unit"
        found.append(Reach(words, needs, fewest, 0 if fewest >= needs else None))
    return tuple(found)


def unasked(criteria: Criteria, parts: SealedParts) -> tuple[str, ...]:
    """Classes that the set shows and no criterion names."""
    return tuple(sorted(set(parts.classes) - {each.name for each in criteria.classes}))


def _rate(words: str, claim: float, has: int) -> Reach:
    return Reach(words, parts_needed(claim), has, misses_allowed(has, claim))


def _samples(version: DatasetVersion, file: Path) -> tuple[tuple[Sample, ...], dict[Path, str]]:
    folder = folder_of(version, file)
    sealed = version.of(SEALED)
    samples = tuple(
        Sample(folder / each.path, each.label, part=each.group, marks=each.marks) for each in sealed
    )
    origins = Origins({folder / each.path: each.provenance for each in sealed})
    return origins.samples(samples), {folder / each.path: each.sha256 for each in sealed}
