"""Turns what several people marked on the same images into how far they agree, with intervals.

People agree on an image when they name the same set of classes on it (none: a good part). Where
they disagree on more than `LIMIT` of the images, the labels are not fit to learn from and those
images are labelled anew (M03).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from keenline.annotation import Annotation
from keenline.evaluation.intervals import wilson
from keenline.evaluation.kappa import Kappa, cohen, fleiss, table_of
from keenline.evaluation.overlap import SAME_PLACE, Matched, match, mean_interval
from keenline.types import GOOD

LIMIT = 0.05
"""Share of images on which two inspectors may disagree before they label anew."""

Seen = Mapping[str, Mapping[str, tuple[Annotation, ...]]]
"""Marks by image and person; a person who saw the image and marked nothing has none there."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """On how many images people disagree."""

    images: int
    """Seen by two or more."""
    different: tuple[str, ...]
    """Names of the images they disagree on."""
    value: float | None
    """0..1; None without an image."""
    lower95: float
    """Of the two-sided Wilson interval."""
    upper95: float

    @property
    def relabel(self) -> bool:
        """Whether it is above `LIMIT`."""
        return self.value is not None and self.value > LIMIT


@dataclass(frozen=True, slots=True)
class Overlap:
    """How far matched marks of one class overlap, intersection over union, 0..1."""

    class_name: str
    marks: tuple[int, int]
    """Of each person, on images both saw."""
    matched: int
    same_place: int
    """Matched with a mask overlap of at least `SAME_PLACE`."""
    box: float | None
    """Mean over matched marks; None without any."""
    box95: tuple[float, float] | None
    """Two-sided interval by a bootstrap over images; None with matches on fewer than two."""
    mask: float | None
    mask95: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people compared."""

    people: tuple[str, str]
    disagreement: Disagreement
    kappa: Kappa
    """Cohen's, over the sets of classes named on each image."""
    class_kappas: Mapping[str, Kappa]
    """Cohen's, for each class: on the image or not."""
    overlaps: tuple[Overlap, ...]
    displaced: tuple[str, ...]
    """Images on which they name the same classes and some drawn mark of one has no partner of the
    other in the same place."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Everybody compared."""

    people: tuple[str, ...]
    classes: tuple[str, ...]
    """Defect classes that anyone named."""
    disagreement: Disagreement
    kappa: Kappa
    """Fleiss', over the sets of classes named on each image."""
    class_kappas: Mapping[str, Kappa]
    """Fleiss', for each class: on the image or not."""
    pairs: tuple[Pair, ...]


def agreement(seen: Seen) -> Agreement:
    """Compare everybody who saw an image with everybody else; any number of people and images."""
    people = tuple(sorted({person for said in seen.values() for person in said}))
    classes = tuple(
        sorted({m.class_name for said in seen.values() for marks in said.values() for m in marks})
    )
    twice = {name: said for name, said in seen.items() if len(said) > 1}
    return Agreement(
        people=people,
        classes=classes,
        disagreement=_disagreement(twice),
        kappa=_fleiss([[category(marks) for marks in said.values()] for said in twice.values()]),
        class_kappas={
            name: _fleiss(
                [[_has(name, marks) for marks in said.values()] for said in twice.values()]
            )
            for name in classes
        },
        pairs=tuple(
            _pair(first, second, twice, classes) for first, second in combinations(people, 2)
        ),
    )


def category(marks: Sequence[Annotation]) -> str:
    """The set of classes of an image as one word: `good`, or names joined by ` + `."""
    return " + ".join(sorted({mark.class_name for mark in marks})) or GOOD


def _disagreement(seen: Seen) -> Disagreement:
    different = tuple(
        name for name, said in seen.items() if len({category(marks) for marks in said.values()}) > 1
    )
    low, high = wilson(len(different), len(seen))
    rate = len(different) / len(seen) if seen else None
    return Disagreement(len(seen), different, rate, low, high)


def _fleiss(said: Sequence[Sequence[str]]) -> Kappa:
    names = sorted({word for words in said for word in words})
    counts = [Counter(words) for words in said]
    return fleiss([[count[name] for name in names] for count in counts])


def _has(name: str, marks: Sequence[Annotation]) -> str:
    return "yes" if any(mark.class_name == name for mark in marks) else "no"


def _pair(first: str, second: str, seen: Seen, classes: Sequence[str]) -> Pair:
    both = {
        name: {first: said[first], second: said[second]}
        for name, said in seen.items()
        if first in said and second in said
    }
    mine = [said[first] for said in both.values()]
    other = [said[second] for said in both.values()]
    matches = [match(*each) for each in zip(mine, other, strict=True)]
    used = [name for name in classes if any(_has(name, each) == "yes" for each in (*mine, *other))]
    return Pair(
        people=(first, second),
        disagreement=_disagreement(both),
        kappa=_cohen([category(each) for each in mine], [category(each) for each in other]),
        class_kappas={
            name: _cohen([_has(name, each) for each in mine], [_has(name, each) for each in other])
            for name in used
        },
        overlaps=tuple(_overlap(name, mine, other, matches) for name in used),
        displaced=tuple(
            name
            for name, one, two, found in zip(both, mine, other, matches, strict=True)
            if category(one) == category(two) and _is_displaced(one, two, found)
        ),
    )


def _cohen(first: Sequence[str], second: Sequence[str]) -> Kappa:
    return cohen(table_of(first, second)[1])


def _is_displaced(
    first: Sequence[Annotation], second: Sequence[Annotation], found: Sequence[Matched]
) -> bool:
    near = sum(each.mask >= SAME_PLACE for each in found)
    drawn = [sum(mark.shape is not None for mark in marks) for marks in (first, second)]
    return near < max(drawn)


def _overlap(
    name: str,
    first: Sequence[Sequence[Annotation]],
    second: Sequence[Sequence[Annotation]],
    matches: Sequence[Sequence[Matched]],
) -> Overlap:
    found = [
        [each for each in matched if marks[each.first].class_name == name]
        for marks, matched in zip(first, matches, strict=True)
    ]
    boxes = [np.array([each.box for each in image]) for image in found]
    masks = [np.array([each.mask for each in image]) for image in found]
    flat = [each for image in found for each in image]
    drawn = [
        sum(m.class_name == name and m.shape is not None for image in images for m in image)
        for images in (first, second)
    ]
    return Overlap(
        class_name=name,
        marks=(drawn[0], drawn[1]),
        matched=len(flat),
        same_place=sum(each.mask >= SAME_PLACE for each in flat),
        box=float(np.concatenate(boxes).mean()) if flat else None,
        box95=mean_interval(boxes),
        mask=float(np.concatenate(masks).mean()) if flat else None,
        mask95=mean_interval(masks),
    )
