"""A dataset version turned into what it has of each class and what is still to be photographed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from keenline.data.dataset_version import SPLITS, DatasetVersion, VersionSample, known_values
from keenline.types import GOOD

GOALS = (30, 50, 500)
"""Images of a class: from which it may reject on its own (the house's rule), from which learning
it is useful, and the field's target for a class that is confirmed."""

VARIED = ("lot", "light", "line", "session")
"""What a class should be seen under more than one of (M04): a defect known from one lot or under
one light alone is learnt together with that lot and light."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A class over the lots, light set-ups, lines or sessions of the dataset."""

    by: str
    """One of `VARIED`."""
    counts: tuple[tuple[str, int], ...]
    """Images for each value that is known anywhere in the dataset, sorted by value."""
    unknown: int
    """Images that nobody said it of."""

    @property
    def missing(self) -> tuple[str, ...]:
        """Values without an image of the class."""
        return tuple(value for value, count in self.counts if not count)


@dataclass(frozen=True, slots=True)
class ClassProgress:
    """What there is of one class."""

    name: str
    images: int
    """Different contents; a copy counts once."""
    groups: int
    """Independent of each other: parts, or lots."""
    splits: tuple[tuple[str, int], ...]
    """Samples in each of `SPLITS`."""
    goal: int | None
    """The next of `GOALS`; None when all are reached."""
    spreads: tuple[Spread, ...]

    @property
    def to_capture(self) -> int:
        """Images to the next goal."""
        return 0 if self.goal is None else self.goal - self.images


def progress(version: DatasetVersion) -> tuple[ClassProgress, ...]:
    """One entry for each class, good first, then those with the fewest images."""
    names = {name for sample in version.samples for name in sample.classes}
    found = [_of(name, version) for name in names]
    return tuple(sorted(found, key=lambda each: (each.name != GOOD, each.images, each.name)))


def capture_list(classes: Sequence[ClassProgress]) -> list[str]:
    """What to photograph next, one sentence each, the class that lacks most first."""
    listed = []
    for each in sorted(classes, key=lambda each: (each.name == GOOD, each.images)):
        if each.goal is not None:
            listed.append(f"{each.name}: {each.to_capture} more, to have {each.goal}")
        for spread in each.spreads:
            if spread.missing:
                listed.append(f"{each.name}: none of {spread.by} {', '.join(spread.missing)}")
            elif len(spread.counts) == 1 and each.images > 1:
                listed.append(
                    f"{each.name}: all of {spread.by} {spread.counts[0][0]}; take another"
                )
    return listed


def _of(name: str, version: DatasetVersion) -> ClassProgress:
    samples = [sample for sample in version.samples if name in sample.classes]
    images = len({sample.sha256 for sample in samples})
    splits = Counter(str(sample.split) for sample in samples)
    return ClassProgress(
        name=name,
        images=images,
        groups=len({sample.group for sample in samples}),
        splits=tuple((split, splits[split]) for split in SPLITS),
        goal=next((goal for goal in GOALS if images < goal), None),
        spreads=tuple(_spread(by, samples, version) for by in VARIED if _is_known(by, version)),
    )


def _is_known(by: str, version: DatasetVersion) -> bool:
    return bool(known_values(version.samples, by))


def _spread(by: str, samples: Sequence[VersionSample], version: DatasetVersion) -> Spread:
    counts = Counter(getattr(sample.provenance, by) for sample in samples)
    values = known_values(version.samples, by)
    return Spread(by, tuple((value, counts[value]) for value in values), counts[""])
