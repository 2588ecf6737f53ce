"""Folders of images without labels turned into pictures in memory, balanced between folders."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from keenline.data.reading import read_image
from keenline.errors import Code, DatasetError, ImageError
from keenline.models.base import Progress, silent

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")

LONGEST = 640
"""Pixels of the longer side that are kept of a picture, unless the shorter one would become less
than half of that."""

_PIECES = 6
"""Of a picture much larger than that, at most so many pieces are kept at its own scale too."""

HELD_OUT = 50
"""One file in so many is never learnt from, and at least one where there are two."""


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """Pictures in memory."""

    pictures: tuple[PillowImage.Image, ...]
    """Modes L and RGB."""
    weights: NDArray[np.float64]
    """How often each is to be drawn; they sum to 1. A folder counts with the root of its number
    of pictures, so that one large set does not drown the others."""
    held_out: tuple[PillowImage.Image, ...]
    """Pictures to measure with; none of them, and no piece of them, is in `pictures`."""
    files: int
    skipped: tuple[tuple[Path, str], ...]
    """Files that could not be used, each with why."""


def read_folders(
    folders: Sequence[Path], *, exclude: Sequence[str] = (), progress: Progress = silent
) -> Unlabelled:
    """Read every image below the folders.

    exclude: patterns as in a shell, matched with a file's path below its folder (`*` takes `/`
    too), for masks and labels. Raises DatasetError: a folder that is not there, or no image.
    """
    found = _files(folders, exclude)
    measured = _held_out([name for _, name in found])
    pictures: list[PillowImage.Image] = []
    held_out: list[PillowImage.Image] = []
    homes: list[Path] = []
    skipped = []
    for number, (path, name) in enumerate(found):
        progress("reading images", number, len(found))
        try:
            pieces = _pieces(read_image(path))
        except ImageError as error:
            skipped.append((path, error.what))
            continue
        if name in measured:
            held_out += pieces[:1]
        else:
            pictures += pieces
            homes += [path.parent] * len(pieces)
    progress("reading images", len(found), len(found))
    if not pictures:
        raise DatasetError(
            Code.DATASET_EMPTY,
            "There is no image to learn from",
            where=", ".join(str(folder) for folder in folders),
            expected=f"files of type {', '.join(SUFFIXES)}",
            got=f"{len(skipped)} unreadable" if skipped else None,
            next="name another folder, or check --exclude",
        )
    return Unlabelled(
        tuple(pictures), _balanced(homes), tuple(held_out), len(found), tuple(skipped)
    )


def _files(folders: Iterable[Path], exclude: Sequence[str]) -> list[tuple[Path, str]]:
    """Path and path below its folder of each image, in an order that no file system decides."""
    found = []
    for folder in folders:
        if not folder.is_dir():
            raise DatasetError(
                Code.DATASET_MISSING,
                "The folder is not there",
                where=folder,
                expected="a folder of images",
                next="check the path",
            )
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            if path.suffix.lower() in SUFFIXES and not any(fnmatch(name, p) for p in exclude):
                found.append((path, name))
    return sorted(found, key=lambda each: (each[1], each[0].as_posix()))


def _held_out(names: Sequence[str]) -> set[str]:
    """By name, so that a file stays on its side when others come and go."""
    numbers = {name: int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) for name in names}
    chosen = {name for name, number in numbers.items() if number % HELD_OUT == 0}
    if chosen or len(numbers) < 2:
        return chosen
    return {min(numbers, key=numbers.__getitem__)}


def _pieces(image: NDArray[np.uint8]) -> list[PillowImage.Image]:
    """The whole, made small enough, and of a large one pieces at its own scale."""
    grey = bool((image[..., 0] == image[..., 1]).all() and (image[..., 0] == image[..., 2]).all())
    whole = PillowImage.fromarray(np.ascontiguousarray(image[..., 0] if grey else image))
    longer, shorter = max(whole.size), min(whole.size)
    small = whole
    # A line scan made small enough would be a thread: its shorter side decides.
    factor = min(1.0, max(LONGEST / longer, min(1.0, LONGEST / 2 / shorter)))
    if factor < 1:
        small = whole.resize(
            (max(1, round(whole.width * factor)), max(1, round(whole.height * factor))),
            PillowImage.Resampling.BOX,
        )
    pieces = [small]
    if longer > 1.5 * LONGEST:
        width, height = min(LONGEST, whole.width), min(LONGEST, whole.height)
        places = [
            (left, top)
            for top in _starts(whole.height, height)
            for left in _starts(whole.width, width)
        ]
        step = max(1, -(-len(places) // _PIECES))
        pieces += [whole.crop((x, y, x + width, y + height)) for x, y in places[::step]]
    return pieces


def _starts(length: int, piece: int) -> list[int]:
    count = -(-length // piece)
    return [round(start) for start in np.linspace(0, length - piece, count)]


def _balanced(homes: Sequence[Path]) -> NDArray[np.float64]:
    counts: dict[Path, int] = {}
    for home in homes:
        counts[home] = counts.get(home, 0) + 1
    weights = np.array([counts[home] ** -0.5 for home in homes])
    shares: NDArray[np.float64] = weights / weights.sum()
    return shares
