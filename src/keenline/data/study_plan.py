"""Candidate parts turned into the plan of a study: which parts, and in which order for whom."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keenline.data.csv_rows import csv_rows
from keenline.errors import Code, DatasetError
from keenline.types import GOOD

BORDERLINE = (0.3, 0.5)
"""Share of parts near the limit that AIAG asks for."""

_YES = {"1", "yes", "true", "x", "borderline"}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One part that could be in the study."""

    name: str
    """As the user knows it."""
    images: tuple[Path, ...]
    """One image, or one for each time the part was captured."""
    label: str
    """What is true of it: `good` or a class of defects."""
    borderline: bool | None = None
    """Whether somebody marked it as near the limit; None where nobody said."""
    distance: float | None = None
    """How far a bundle's score is from its threshold, >= 0; None where none was asked."""


@dataclass(frozen=True, slots=True)
class StudyPart:
    """One part of a study."""

    code: str
    """What appraisers see; says nothing of the part."""
    candidate: Candidate
    borderline: bool


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """Parts and the order of each trial of each appraiser."""

    parts: tuple[StudyPart, ...]
    """By code."""
    orders: Mapping[str, tuple[tuple[str, ...], ...]]
    """By appraiser: for each trial the codes in the order to be judged."""
    seed: int
    notes: tuple[str, ...] = ()

    @property
    def trials(self) -> int:
        """How often everybody judges each part."""
        return len(next(iter(self.orders.values())))


def plan_study(
    candidates: Sequence[Candidate],
    appraisers: Sequence[str],
    *,
    parts: int = 50,
    trials: int = 3,
    borderline: float = 0.4,
    defective: float = 0.5,
    seed: int = 0,
) -> StudyPlan:
    """Choose parts and deal orders; the same seed does the same.

    borderline: the share of parts near the limit, those so marked first, else those of least
    distance, from both sides of the reference as far as there are any. defective: the share of
    parts to be rejected, its classes in turn. Raises DatasetError (STUDY_PLAN) when there are not
    enough parts, or only good or only defective ones; ValueError for a share outside 0..1.
    """
    if not (0 <= borderline <= 1 and 0 < defective < 1):
        raise ValueError("shares lie between 0 and 1")
    bad = round(parts * defective)
    sides = {
        False: [each for each in candidates if each.label == GOOD],
        True: [each for each in candidates if each.label != GOOD],
    }
    bad = min(max(bad, parts - len(sides[False])), len(sides[True]))
    _require(candidates, sides, parts, bad, appraisers)
    random = np.random.default_rng(seed)
    chosen: list[tuple[Candidate, bool]] = []
    for is_bad, count in ((True, bad), (False, parts - bad)):
        near = round(count * borderline)
        chosen += _side(sides[is_bad], count, near, random)
    shuffled = [chosen[int(place)] for place in random.permutation(len(chosen))]
    listed = tuple(
        StudyPart(f"P{number:0{len(str(parts))}}", candidate, near)
        for number, (candidate, near) in enumerate(shuffled, 1)
    )
    codes = [part.code for part in listed]
    orders = {
        name: tuple(
            tuple(codes[int(place)] for place in random.permutation(len(codes)))
            for _ in range(trials)
        )
        for name in appraisers
    }
    return StudyPlan(listed, orders, seed, _notes(listed, bad))


def read_list(file: Path) -> list[Candidate]:
    """Parts in a table with `image` and `reference` (`good`, or a class of defects), and `part`
    and `borderline` where somebody says.

    Rows of one part are its images of one capture each, in their order. Paths are seen from the
    table. Raises DatasetError (STUDY_PLAN) for rows that contradict each other and missing images.
    """
    rows: defaultdict[str, list[tuple[Path, str, str]]] = defaultdict(list)
    for line, row in csv_rows(file, ("image", "reference"), Code.STUDY_PLAN):
        image = file.parent / row.get("image", "")
        if not row.get("reference") or not image.is_file():
            raise DatasetError(
                Code.STUDY_PLAN,
                "A row has no reference, or its image is not there",
                where=f"{file}, line {line}",
                got=f"{row.get('image', '')!r}, {row.get('reference', '')!r}",
            )
        name = row.get("part") or row["image"]
        rows[name].append((image, row["reference"], row.get("borderline", "").lower()))
    found = []
    for name, group in rows.items():
        if len({(label, near) for _, label, near in group}) > 1:
            raise DatasetError(
                Code.STUDY_PLAN,
                "Rows of one part contradict each other",
                where=file,
                got=name,
                expected="one reference for a part",
            )
        _, label, near = group[0]
        marked = None if not near else near in _YES
        found.append(Candidate(name, tuple(image for image, _, _ in group), label, marked))
    return found


def _side(
    candidates: Sequence[Candidate], count: int, near: int, random: np.random.Generator
) -> list[tuple[Candidate, bool]]:
    """`count` parts of one side of the reference, `near` of them borderline as far as known."""
    mixed = [candidates[int(place)] for place in random.permutation(len(candidates))]
    marked = [each for each in mixed if each.borderline]
    unmarked = sorted(
        (each for each in mixed if each.borderline is None and each.distance is not None),
        key=lambda each: each.distance if each.distance is not None else math.inf,
    )
    borderline = (marked + unmarked)[:near]
    taken = {id(each) for each in borderline}
    rest = _in_turn([each for each in mixed if id(each) not in taken])
    # Those marked as borderline last, so that the share holds.
    rest.sort(key=lambda each: bool(each.borderline))
    others = rest[: count - len(borderline)]
    return [(each, True) for each in borderline] + [
        (each, bool(each.borderline)) for each in others
    ]


def _in_turn(candidates: Sequence[Candidate]) -> list[Candidate]:
    """One of each class, then the second of each, so that no class fills the study."""
    seen: defaultdict[str, int] = defaultdict(int)
    turns = []
    for each in candidates:
        turns.append((seen[each.label], each))
        seen[each.label] += 1
    return [each for _, each in sorted(turns, key=lambda turn: turn[0])]


def _require(
    candidates: Sequence[Candidate],
    sides: Mapping[bool, Sequence[Candidate]],
    parts: int,
    bad: int,
    appraisers: Sequence[str],
) -> None:
    got = f"{len(sides[False])} good and {len(sides[True])} defective parts"
    if len(candidates) < parts or bad < 1 or bad >= parts:
        raise DatasetError(
            Code.STUDY_PLAN,
            "There are not the parts for this study",
            expected=f"{parts} parts, good and defective ones",
            got=got,
            next="give more parts, or ask for fewer with --parts",
        )
    if not appraisers or len(set(appraisers)) < len(appraisers):
        raise DatasetError(
            Code.STUDY_PLAN,
            "A study needs appraisers of different names",
            got=", ".join(appraisers) or "none",
        )


def _notes(parts: Sequence[StudyPart], bad: int) -> tuple[str, ...]:
    near = sum(part.borderline for part in parts)
    share = near / len(parts)
    notes = []
    if not BORDERLINE[0] <= share <= BORDERLINE[1]:
        notes.append(
            f"{near} of {len(parts)} parts are known to be borderline; AIAG asks for 30 to 50 %. "
            "Mark them in a list, or choose them with --bundle"
        )
    if len(parts) < 50:
        notes.append(f"{len(parts)} parts; AIAG asks for 50")
    if bad < 16:
        notes.append(f"{bad} parts to be rejected: miss rates of few parts are known poorly")
    return tuple(notes)
