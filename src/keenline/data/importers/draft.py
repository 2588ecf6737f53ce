"""What a layout says about each file, checked file by file and turned into a dataset."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from keenline.annotation import Annotation
from keenline.data.dataset import Dataset, Skipped
from keenline.data.importers.listing import Listing
from keenline.data.reading import probe, read_mask
from keenline.data.synthetic_index import is_synthetic
from keenline.errors import Code, DatasetError, ImageError
from keenline.types import GOOD, Sample

DEFECT = "defect"
"""The class of a defective sample where the layout names none."""

_NAMES_IN_A_NOTE = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """One image as its layout reads it; paths are relative to the dataset's root."""

    image: PurePosixPath
    label: str | None
    """None when the mask decides: `DEFECT` when it marks something, good when it does not."""
    mask: PurePosixPath | None = None
    part: str = ""
    """Empty when the file stands for a part of its own."""
    split: str = ""
    marks: tuple[Annotation, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A folder as one layout reads it."""

    entries: Sequence[Entry]
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[PurePosixPath, ImageError | DatasetError], ...] = ()


@dataclass(slots=True)
class _Findings:
    samples: list[Sample] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    empty: list[PurePosixPath] = field(default_factory=list)
    marked_good: list[PurePosixPath] = field(default_factory=list)
    without_mask: Counter[str] = field(default_factory=Counter)
    unmatched: list[PurePosixPath] = field(default_factory=list)


def checked(draft: Draft, files: Listing, layout: str, part_pattern: str | None) -> Dataset:
    """Check every header and every mask and say what was found.

    An image whose header is bad is skipped. A mask that is bad is skipped and its sample kept
    without it, unless the mask was what told good from defective: then the image is skipped too,
    for it must not be learnt as good. A synthetic image is skipped: a dataset is what is learnt
    from and measured on alike. Raises DatasetError (DATASET_PART_PATTERN).
    """
    pattern = _compiled(part_pattern)
    found = _Findings()
    found.skipped += [Skipped(files.root / path, error) for path, error in draft.skipped]
    for entry in draft.entries:
        if is_synthetic(entry.image):
            found.skipped.append(Skipped(files.root / entry.image, _synthetic(entry)))
        else:
            _check(entry, files, pattern, found)
    return Dataset(
        root=files.root,
        samples=tuple(found.samples),
        skipped=tuple(found.skipped),
        layout=layout,
        notes=draft.notes + _notes(found),
        ignored=len(files.others),
    )


def _check(entry: Entry, files: Listing, pattern: re.Pattern[str] | None, found: _Findings) -> None:
    path = files.root / entry.image
    mask = None if entry.mask is None else files.root / entry.mask
    try:
        facts = probe(path)
    except ImageError as error:
        found.skipped.append(Skipped(path, error))
        return
    marks = False
    if mask is not None:
        try:
            marks = bool(read_mask(mask, (facts.width, facts.height)).any())
        except ImageError as error:
            found.skipped.append(Skipped(mask, error))
            if entry.label is None:
                found.skipped.append(Skipped(path, _undecided(entry, error)))
                return
            mask = None
    label = entry.label or (DEFECT if marks else GOOD)
    if label == GOOD and marks:
        found.marked_good.append(entry.image)
    elif label != GOOD and entry.mask is None and not entry.marks:
        found.without_mask[label] += 1
    elif label != GOOD and mask is not None and not marks:
        found.empty.append(entry.mask or entry.image)
    part = entry.part or entry.image.as_posix()
    if pattern is not None:
        match = pattern.search(entry.image.as_posix())
        if match is None or not match["part"]:
            found.unmatched.append(entry.image)
        else:
            part = match["part"]
    kept = mask if marks and label != GOOD else None
    found.samples.append(Sample(path, label, kept, part, entry.split, entry.marks))


def _synthetic(entry: Entry) -> DatasetError:
    return DatasetError(
        Code.DATASET_SYNTHETIC,
        "This image is synthetic, and a dataset holds real ones only",
        where=entry.image,
        next="keep it in the folder that keenline synthesise wrote",
    )


def _undecided(entry: Entry, error: ImageError) -> ImageError:
    return ImageError(
        Code.MASK_MISSING,
        "Whether this image is good cannot be told, because its mask cannot be used",
        where=entry.image,
        got=error.what,
    )


def _compiled(part_pattern: str | None) -> re.Pattern[str] | None:
    if part_pattern is None:
        return None
    try:
        pattern = re.compile(part_pattern)
    except re.error as error:
        raise _bad_pattern(part_pattern, str(error)) from error
    if "part" not in pattern.groupindex:
        raise _bad_pattern(part_pattern, "a pattern without that group")
    return pattern


def _bad_pattern(part_pattern: str, got: str) -> DatasetError:
    return DatasetError(
        Code.DATASET_PART_PATTERN,
        "The pattern that finds a file's part cannot be used",
        where=part_pattern,
        expected="a regular expression with a group named part, such as (?P<part>lot[0-9]+)",
        got=got,
    )


def _notes(found: _Findings) -> tuple[str, ...]:
    lists = {
        "masks of defective samples that mark nothing, taken as no mask": found.empty,
        "samples labelled good although their masks mark defects": found.marked_good,
        "files the part pattern does not match, each taken as a part of its own": found.unmatched,
    }
    notes = [f"{what}: {_named(paths)}" for what, paths in lists.items() if paths]
    if found.without_mask:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(found.without_mask.items()))
        notes.append(f"defective samples without a mask: {counts}")
    return tuple(notes)


def _named(paths: Sequence[PurePosixPath]) -> str:
    names = ", ".join(path.as_posix() for path in paths[:_NAMES_IN_A_NOTE])
    return f"{len(paths)} ({names}{', ...' if len(paths) > _NAMES_IN_A_NOTE else ''})"
