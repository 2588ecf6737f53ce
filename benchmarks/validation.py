"""Validation images turned into pictures to learn from and to rank: what defaults may be chosen on.

No picture here is tested in accuracy.py's `magnetic-tile`, and kolektorsdd and cookie, the sets of
the final numbers, are not used at all. Left out because they cannot be made into good and defective
pictures honestly: line-scan (frames and words are drawn into its anomalous images), wood (knots are
marked on five boards, stains and bark on the same boards are not) and neu-det-voc (no good images).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from datasets import DATA, DEFECT, bs_data, magnetic_tile_validation
from numpy.typing import NDArray

from keenline.data.reading import probe, read_image
from keenline.inference.framing import Framing, framing_for
from keenline.training.detectors import AUTO_SIDE
from keenline.types import GOOD, Image, Sample

BoxOf = tuple[int, int, int, int]
"""left, top, right, bottom in pixels."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, or a square piece of one."""

    path: Path
    label: str
    part: str
    """Pictures of one part are learnt or ranked, never both."""
    piece: BoxOf | None = None

    @property
    def is_good(self) -> bool:
        return self.label == GOOD

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        if self.piece is None:
            facts = probe(self.path)
            return facts.width, facts.height
        left, top, right, bottom = self.piece
        return right - left, bottom - top

    def pixels(self) -> Image:
        image = read_image(self.path)
        if self.piece is None:
            return image
        left, top, right, bottom = self.piece
        return image[top:bottom, left:right]


@dataclass(frozen=True, slots=True)
class Split:
    """Places in a set's pictures."""

    learnt: NDArray[np.int64]
    ranked: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """One set of pictures, the same for every seed, and how a seed splits it."""

    name: str
    about: str
    folder: str
    read: Callable[[Path], list[Picture]]
    split: Callable[[Sequence[Picture], int], Split]

    @property
    def is_here(self) -> bool:
        return (DATA / self.folder).is_dir()

    def pictures(self) -> list[Picture]:
        return self.read(DATA / self.folder)


def framing_of(pictures: Sequence[Picture], multiple: int) -> Framing:
    """How a bundle that is learnt from the good ones would see them, by the recipe's defaults.

    multiple: what width and height in pixels must be multiples of.
    """
    return framing_for(
        [picture.size for picture in pictures if picture.is_good],
        size="auto",
        auto_side=AUTO_SIDE,
        multiple=multiple,
        tile=0,
        overlap=0,
        bit_depth=None,
    )


def halves(pictures: Sequence[Picture], seed: int) -> Split:
    """The good pictures of half of the parts are learnt, all of the other half are ranked."""
    parts = sorted({picture.part for picture in pictures})
    order = np.random.default_rng(seed).permutation(len(parts))
    learnt = {parts[i] for i in order[: len(parts) // 2]}
    return _split(pictures, lambda p: p.is_good and p.part in learnt, lambda p: p.part in learnt)


def pieces(path: Path, part: str, boxes: Sequence[Sequence[int]], side: int) -> list[Picture]:
    """Squares without a mark are good, those that hold a whole one defective, others left out."""
    marks = np.array(boxes, np.int64).reshape(-1, 4)
    facts = probe(path)
    found = []
    for top, left in product(
        range(0, facts.height - side + 1, side), range(0, facts.width - side + 1, side)
    ):
        low, high = np.array([left, top]), np.array([left + side, top + side])
        touches = ((marks[:, :2] < high) & (marks[:, 2:] > low)).all(axis=1)
        inside = ((marks[:, :2] >= low) & (marks[:, 2:] <= high)).all(axis=1)
        if not touches.any() or inside.any():
            label = DEFECT if touches.any() else GOOD
            found.append(Picture(path, label, part, (left, top, left + side, top + side)))
    return found


def _split(
    pictures: Sequence[Picture],
    is_learnt: Callable[[Picture], bool],
    is_left_out: Callable[[Picture], bool],
) -> Split:
    learnt = [i for i, p in enumerate(pictures) if is_learnt(p)]
    ranked = [i for i, p in enumerate(pictures) if not (is_learnt(p) or is_left_out(p))]
    return Split(np.array(learnt, np.int64), np.array(ranked, np.int64))


def _as_sampled(
    read: Callable[[Path, int], list[Sample]], folder: str
) -> Callable[[Sequence[Picture], int], Split]:
    """The split of a set of datasets.py."""

    def split(pictures: Sequence[Picture], seed: int) -> Split:
        samples = read(DATA / folder, seed)
        learnt = {sample.image for sample in samples if sample.split == "train"}
        return _split(pictures, lambda p: p.path in learnt, lambda _: False)

    return split


def _magnetic_tile(root: Path) -> list[Picture]:
    return [_whole(sample) for sample in magnetic_tile_validation(root, 0)]


def _bs_data(root: Path) -> list[Picture]:
    """Images of the size that all good ones have: of the others the size would tell."""
    pictures = [_whole(sample) for sample in bs_data(root, 0)]
    (wanted,) = {picture.size for picture in pictures if picture.is_good}
    return [picture for picture in pictures if picture.size == wanted]


def _circuit_scans(root: Path) -> list[Picture]:
    found = []
    for path in sorted(root.glob("*_test.jpg")):
        listed = path.with_name(path.name.replace("_test.jpg", ".txt")).read_text("utf-8")
        boxes = [
            [int(v) for v in line.replace(",", " ").split()[:4]] for line in listed.split("\n")
        ]
        found += pieces(path, path.stem, [b for b in boxes if b], 160)
    return _some(found)


def _powder_bed(root: Path) -> list[Picture]:
    listed = json.loads((root / "_annotations.coco.json").read_text("utf-8"))
    boxes: dict[int, list[list[int]]] = {image["id"]: [] for image in listed["images"]}
    for mark in listed["annotations"]:
        x, y, width, height = mark["bbox"]
        boxes[mark["image_id"]].append(
            [int(x), int(y), int(np.ceil(x + width)), int(np.ceil(y + height))]
        )
    found = []
    for image in listed["images"]:
        name = image["file_name"]
        found += pieces(root / "images" / name, name.split("_")[0], boxes[image["id"]], 120)
    return _some(found)


def _whole(sample: Sample) -> Picture:
    return Picture(sample.image, sample.label, sample.part)


def _some(pictures: list[Picture]) -> list[Picture]:
    """400 good and 240 defective pictures at random, to keep the time within bounds."""
    rng = np.random.default_rng(0)
    kept: list[int] = []
    for good, number in ((True, 400), (False, 240)):
        places = [i for i, picture in enumerate(pictures) if picture.is_good == good]
        kept += rng.choice(places, min(number, len(places)), replace=False).tolist()
    return [pictures[i] for i in sorted(kept)]


VALIDATION = (
    ValidationSet(
        "magnetic-tile",
        "its validation half: 300 good learnt, 130 good and 194 defective ranked",
        "magnetic-tile",
        _magnetic_tile,
        _as_sampled(magnetic_tile_validation, "magnetic-tile"),
    ),
    ValidationSet(
        "bsdata",
        "12 not annotated learnt, the other 8 and the 23 pitted of the same size ranked",
        "bsdata",
        _bs_data,
        _as_sampled(bs_data, "bsdata"),
    ),
    ValidationSet(
        "circuit scans",
        "deeppcb's scans in pieces of 160 px, good without a mark and defective with a whole one; "
        "about 200 good pieces of half the scans learnt, about 200 good and 120 defective of the "
        "others ranked; templates are not used",
        "deeppcb",
        _circuit_scans,
        halves,
    ),
    ValidationSet(
        "powder bed",
        "sections of printed metal with pores, in pieces of 120 px in the same way; split by the "
        "specimen",
        "formats/coco",
        _powder_bed,
        halves,
    ),
)
