"""Samples turned into a dataset: an immutable, hashed list with everything that was left out."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from keenline.errors import Code, ImageError, KeenlineError
from keenline.types import Sample


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that could not be used, and why."""

    path: Path
    error: KeenlineError


@dataclass(frozen=True, slots=True)
class Dataset:
    """What was found under one folder."""

    root: Path
    samples: tuple[Sample, ...]
    skipped: tuple[Skipped, ...] = ()
    """Files that should have been samples or masks but cannot be used."""
    layout: str = ""
    """Name of the layout by which the folder was read."""
    notes: tuple[str, ...] = ()
    """What the user should know although nothing is wrong enough to skip; one sentence each."""
    ignored: int = 0
    """Number of files that are not images."""
    version: str = ""
    """Id of the dataset version it was read from, 64 hexadecimal digits; empty for a folder."""
    _hashes: dict[Path, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def learnable(self) -> tuple[Sample, ...]:
        """What may be learnt from: the training split where there are splits, else everything."""
        if not any(sample.split for sample in self.samples):
            return self.samples
        return tuple(sample for sample in self.samples if sample.split == "train")

    @property
    def good(self) -> tuple[Sample, ...]:
        return tuple(sample for sample in self.samples if sample.is_good)

    @property
    def defects(self) -> tuple[Sample, ...]:
        return tuple(sample for sample in self.samples if not sample.is_good)

    @property
    def classes(self) -> dict[str, int]:
        """Number of samples of each label, good included, sorted by label."""
        return dict(sorted(Counter(sample.label for sample in self.samples).items()))

    def hashes(self, samples: Iterable[Sample] | None = None) -> Mapping[Path, str]:
        """sha256 of the file of each sample (of all when None), by image path.

        A file is read once however often it is asked for. Raises ImageError (1100, 1101) when
        a file has gone since the folder was read.
        """
        wanted = [sample.image for sample in (self.samples if samples is None else samples)]
        for path in wanted:
            if path not in self._hashes:
                self._hashes[path] = content_hash(path)
        return {path: self._hashes[path] for path in wanted}

    def duplicates(self) -> list[tuple[Sample, ...]]:
        """Samples whose files are equal byte for byte, one tuple for each content."""
        return duplicates(self.samples, self.hashes())

    @property
    def sha256(self) -> str:
        """Hash of the sorted list of (path under the root, label, content): names this dataset.

        The same images in another place on disk have the same hash.
        """
        hashes = self.hashes()
        lines = sorted(
            f"{sample.image.relative_to(self.root).as_posix()}\0{sample.label}"
            f"\0{hashes[sample.image]}\n"
            for sample in self.samples
        )
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def duplicates(samples: Iterable[Sample], hashes: Mapping[Path, str]) -> list[tuple[Sample, ...]]:
    """The samples that share their content with another one, in the order they are given."""
    by_content: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        by_content[hashes[sample.image]].append(sample)
    return [tuple(group) for group in by_content.values() if len(group) > 1]


def content_hash(path: Path) -> str:
    """sha256 of a file's bytes, hexadecimal. Raises ImageError (1100, 1101)."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise ImageError(Code.IMAGE_MISSING, "The image file does not exist", where=path) from error
    except OSError as error:
        raise ImageError(
            Code.IMAGE_UNREADABLE, "The image file cannot be read", where=path, got=error
        ) from error
