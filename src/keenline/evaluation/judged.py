"""Turns judged images into parts found, missed and flagged: the units that a claim counts in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from keenline.evaluation.intervals import Proportion
from keenline.types import Verdict

Rule: TypeAlias = Literal["each image", "together"]
"""How the images of one part make its outcome. `each image`: a defective part is found only when
every image that shows the defect is, and a good part is a false alarm when any of its images is:
the bounds then hold, on the safe side, for a station that sees one image. `together`: the images
are the views of a station that judges them as one, so one alarm finds the part."""


@dataclass(frozen=True, slots=True)
class JudgedImage:
    """What one image truly shows and what was said of it."""

    part: str
    """The physical part; images of one name are one unit."""
    verdict: Verdict
    classes: frozenset[str] = frozenset()
    """Defect classes that the image shows; empty: it shows none."""
    named: frozenset[str] = frozenset()
    """Defect classes that were said to be there."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """Where it comes from: lot, line, shift, light; empty or absent where nobody said."""
    sizes: Mapping[str, float] = field(default_factory=dict)
    """Length of the largest defect of each class, in one unit for all images."""

    @property
    def valid(self) -> bool:
        """Whether it could be judged."""
        return self.verdict is not Verdict.INVALID


Test: TypeAlias = Callable[[JudgedImage], bool]

Parts: TypeAlias = Mapping[str, Sequence[JudgedImage]]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What became of parts of one kind, all good or all of one class."""

    flagged: int
    """Sent to review or rejected."""
    judged: int
    invalid: int
    """Parts that could not be judged; never passed, and in no rate."""

    @property
    def share(self) -> Proportion:
        """Flagged among judged, with exact bounds."""
        return Proportion.of(self.flagged, self.judged)


def parts_of(images: Iterable[JudgedImage]) -> dict[str, list[JudgedImage]]:
    """Images by the part they show, in the order given."""
    parts: defaultdict[str, list[JudgedImage]] = defaultdict(list)
    for image in images:
        parts[image.part].append(image)
    return dict(parts)


def classes_in(images: Iterable[JudgedImage]) -> list[str]:
    """Every defect class that is shown, sorted."""
    return sorted(frozenset().union(*(image.classes for image in images)))


def is_good(part: Sequence[JudgedImage]) -> bool:
    """Whether no image of the part shows a defect."""
    return not any(image.classes for image in part)


def alarmed(image: JudgedImage) -> bool:
    """Whether it was sent to review or rejected."""
    return image.verdict in (Verdict.REVIEW, Verdict.REJECT)


def defective(parts: Parts, shown: Test, rule: Rule, said: Test = alarmed) -> Outcomes:
    """Outcomes of the parts with an image that is `shown`: whether they are `said` to be bad."""
    outcomes = []
    for images in parts.values():
        seen = [image for image in images if shown(image)]
        if seen and rule == "together":
            outcomes.append(_together(images, said))
        elif seen:
            valid = [said(image) for image in seen if image.valid]
            outcomes.append(all(valid) if valid else None)
    return _counted(outcomes)


def good(parts: Parts, rule: Rule, said: Test = alarmed) -> Outcomes:
    """Outcomes of the parts that show no defect anywhere; `said` of one image is of the part."""
    outcomes = []
    for images in parts.values():
        if not is_good(images):
            continue
        if rule == "together":
            outcomes.append(_together(images, said))
        else:
            valid = [said(image) for image in images if image.valid]
            outcomes.append(any(valid) if valid else None)
    return _counted(outcomes)


def said_rightly(parts: Parts, said: Test, shown: Test) -> Outcomes:
    """Of the parts of which something is `said` on any image: those with an image that is `shown`.

    INVALID images say nothing.
    """
    outcomes: list[bool | None] = [
        any(map(shown, images))
        for images in parts.values()
        if any(image.valid and said(image) for image in images)
    ]
    return _counted(outcomes)


def _together(images: Sequence[JudgedImage], said: Test) -> bool | None:
    """As a station judges the views of one part: an alarm first, then what is missing."""
    if any(image.valid and said(image) for image in images):
        return True
    return None if any(not image.valid for image in images) else False


def _counted(outcomes: Sequence[bool | None]) -> Outcomes:
    judged = [outcome for outcome in outcomes if outcome is not None]
    return Outcomes(sum(judged), len(judged), len(outcomes) - len(judged))
