"""Turns what several people marked into what most of them marked: labels to learn from.

Of those who saw an image, more than half decide: on its classes, on each mark, on each pixel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import median

import numpy as np

from keenline.annotation import Annotation, BoxShape, Shape
from keenline.data.labels import LabelledImage, Labels
from keenline.data.rasterise import shape_of
from keenline.evaluation.agreement import Seen
from keenline.evaluation.overlap import SAME_PLACE, drawn, mask_overlap

_Cluster = list[tuple[str, Annotation]]
"""Marks of one class in one place, one of each person at most."""


@dataclass(frozen=True, slots=True)
class Consensus:
    """What most people said."""

    labels: Labels
    """The images that are decided."""
    undecided: tuple[str, ...]
    """Images left out: as many for a class as against it."""
    unplaced: tuple[str, ...]
    """`IMAGE: CLASS`: most named the class, but most did not mark it in any one place; it is said
    of the whole image."""


def consensus(seen: Seen, images: Mapping[str, LabelledImage]) -> Consensus:
    """Decide every image that two or more people saw.

    images: as the label files describe them, by the names in `seen`. A class is on an image when
    more than half of those who saw it named it; a tie leaves the image out. Marks of one class
    that overlap by `SAME_PLACE` or more are one mark, which stays when more than half made it: a
    box whose edges are the medians where all drew upright boxes, else the pixels that more than
    half of its makers marked.
    """
    decided: list[LabelledImage] = []
    undecided: list[str] = []
    unplaced: list[str] = []
    for name, said in seen.items():
        if len(said) < 2:
            continue
        classes = _majority(said)
        if classes is None:
            undecided.append(name)
            continue
        marks: list[Annotation] = []
        for class_name in classes:
            found = _marks(class_name, said)
            if not found:
                found = [Annotation(class_name, annotator=_people(said))]
                if any(
                    m.shape for each in said.values() for m in each if m.class_name == class_name
                ):
                    unplaced.append(f"{name}: {class_name}")
            marks += found
        decided.append(replace(images[name], annotations=tuple(marks), is_good=not marks))
    used = {mark.class_name for image in decided for mark in image.annotations}
    return Consensus(
        Labels("consensus", tuple(decided), tuple(sorted(used))), tuple(undecided), tuple(unplaced)
    )


def _majority(said: Mapping[str, Sequence[Annotation]]) -> list[str] | None:
    """The classes most people named; None when there is a tie for one."""
    named = [{mark.class_name for mark in marks} for marks in said.values()]
    votes = {name: sum(name in each for each in named) for name in sorted(set().union(*named))}
    if any(2 * count == len(said) for count in votes.values()):
        return None
    return [name for name, count in votes.items() if 2 * count > len(said)]


def _marks(class_name: str, said: Mapping[str, Sequence[Annotation]]) -> list[Annotation]:
    mine: _Cluster = [
        (person, mark)
        for person, marks in said.items()
        for mark in marks
        if mark.class_name == class_name and mark.shape is not None
    ]
    found = []
    for cluster in _clusters(mine):
        shape = _shape(cluster) if 2 * len(cluster) > len(said) else None
        if shape is not None:
            votes = (("votes", f"{len(cluster)} of {len(said)}"),)
            people = ", ".join(sorted(person for person, _ in cluster))
            found.append(Annotation(class_name, shape, annotator=people, attributes=votes))
    return found


def _clusters(marks: _Cluster) -> list[_Cluster]:
    """Marks that are in the same place, the closest pairs joined first."""
    close = []
    for first, second in combinations(range(len(marks)), 2):
        if marks[first][0] != marks[second][0]:
            overlap = mask_overlap(marks[first][1].shape, marks[second][1].shape)
            if overlap >= SAME_PLACE:
                close.append((-overlap, first, second))
    cluster_of = {place: [place] for place in range(len(marks))}
    for _, first, second in sorted(close):
        one, two = cluster_of[first], cluster_of[second]
        people = [marks[place][0] for place in (*one, *two)]
        if one is not two and len(set(people)) == len(people):
            one += two
            for place in two:
                cluster_of[place] = one
    unique = {id(each): each for each in cluster_of.values()}
    return [[marks[place] for place in each] for each in unique.values()]


def _shape(cluster: _Cluster) -> Shape | None:
    """What most of the makers of one mark marked; None when there is no such pixel."""
    shapes = [mark.shape for _, mark in cluster if mark.shape is not None]
    boxes = [shape for shape in shapes if isinstance(shape, BoxShape) and not shape.angle]
    if len(boxes) == len(shapes):
        left, upper = median(box.x for box in boxes), median(box.y for box in boxes)
        right = median(box.x + box.width for box in boxes)
        lower = median(box.y + box.height for box in boxes)
        return BoxShape(left, upper, right - left, lower - upper)
    (x, y), masks = drawn(shapes)
    most = 2 * np.sum(masks, axis=0) > len(masks)
    return shape_of(most, x, y) if most.any() else None


def _people(said: Mapping[str, Sequence[Annotation]]) -> str:
    return ", ".join(sorted(said))
