"""A list of samples with their splits and their provenance: what a dataset version says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, get_args

from keenline.annotation import Annotation

Split: TypeAlias = Literal["train", "validation", "seeded", "acceptance"]
"""To learn from; to tune by while learning; held out and used to validate; sealed until the
acceptance."""

SPLITS: tuple[Split, ...] = get_args(Split)

SEALED: Split = "acceptance"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a sample comes from; empty where nobody said."""

    part: str = ""
    """The physical part."""
    lot: str = ""
    line: str = ""
    session: str = ""
    """One session of taking images: a shift, a day."""
    light: str = ""
    """The light set-up."""
    annotator: str = ""
    """Who labelled it."""


@dataclass(frozen=True, slots=True)
class VersionSample:
    """One image as a version lists it."""

    path: str
    """Below the version's folder of images, with forward slashes."""
    sha256: str
    """Of the file's bytes."""
    label: str
    split: Split
    group: str
    """Samples of one group are of one part or lot, or byte-identical; a group is in one split."""
    provenance: Provenance = Provenance()
    mask: str = ""
    """Below the version's folder of images; empty when there is none."""
    mask_sha256: str = ""
    marks: tuple[Annotation, ...] = ()

    @property
    def classes(self) -> frozenset[str]:
        """The classes it shows: those of its marks and its label, `good` for a good one."""
        return frozenset(mark.class_name for mark in self.marks) | {self.label}


@dataclass(frozen=True, slots=True)
class Gone:
    """A sample of an earlier version that is no longer there, or no longer of that part and lot;
    should it or its part come back, it comes back into the same split."""

    path: str
    sha256: str
    split: Split
    part: str = ""
    lot: str = ""


@dataclass(frozen=True, slots=True)
class DatasetVersion:
    """An immutable list of samples."""

    folder: str
    """The folder of images as seen from the version's file; `.` when the file lies in it."""
    samples: tuple[VersionSample, ...]
    """Sorted by path."""
    created: datetime
    """With its time zone."""
    by: str
    """Who made it."""
    layout: str = ""
    """How the folder was read."""
    parent: str = ""
    """Id of the version it follows; empty for a first one."""
    shares: Mapping[str, float] | None = None
    """Of each class that were to go to a split, 0..1."""
    seed: int = 0
    """Of the dealing."""
    across_lots: bool = False
    """Images of one lot may be in several splits."""
    gone: tuple[Gone, ...] = ()
    notes: tuple[str, ...] = ()
    """What was to be known when it was made; one sentence each."""
    id: str = ""
    """64 hexadecimal digits; empty before it is written."""

    def of(self, *splits: Split) -> tuple[VersionSample, ...]:
        """The samples of these splits."""
        return tuple(sample for sample in self.samples if sample.split in splits)


def known_values(samples: Iterable[VersionSample], name: str) -> list[str]:
    """The different values of one field of the provenance, sorted; empty ones left out."""
    return sorted({getattr(sample.provenance, name) for sample in samples} - {""})
