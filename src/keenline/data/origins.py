"""A dataset's place turned into where each of its images comes from: part, lot, shift, light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from keenline.data.dataset import Dataset
from keenline.data.dataset_version import Provenance
from keenline.data.keenset import folder_of, is_version, read_version
from keenline.data.provenance import FILE, read_provenance
from keenline.types import Sample


@dataclass(frozen=True, slots=True)
class Origins:
    """Where images come from, as far as anybody said."""

    of: Mapping[Path, Provenance] = field(default_factory=dict)
    """By image file."""
    notes: tuple[str, ...] = ()

    def samples(self, samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
        """The same samples, each with its physical part where that is known better.

        A dataset version groups the images of one lot, so that no lot is torn apart; but evidence
        counts parts, and a lot has many.
        """
        return tuple(replace(sample, part=self._part(sample)) for sample in samples)

    def _part(self, sample: Sample) -> str:
        known = self.of.get(sample.image, Provenance())
        if known.part:
            return known.part
        return "" if known.lot else sample.part


def origins_of(place: Path, dataset: Dataset, table: Path | None = None) -> Origins:
    """What is known of the images of `dataset`, which was opened from `place`.

    Of a dataset version, what it says; of a folder, what `table` says, or without one
    `provenance.csv` in the folder, if any. Raises DatasetError: DATASET_PROVENANCE, and of a
    version what `read_version` raises.
    """
    if is_version(place) and table is None:
        version = read_version(place)
        folder = folder_of(version, place)
        return Origins({folder / each.path: each.provenance for each in version.samples})
    beside = dataset.root / FILE
    file = table or (beside if beside.is_file() else None)
    if file is None:
        return Origins()
    paths = {s.image.relative_to(dataset.root).as_posix(): s.image for s in dataset.samples}
    read = read_provenance(file, sorted(paths))
    return Origins({paths[name]: said for name, said in read.of.items()}, read.notes)
