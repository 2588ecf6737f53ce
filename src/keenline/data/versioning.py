"""A folder of images turned into a dataset version, new or following an earlier one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from keenline.data.dataset import Dataset, Skipped, content_hash
from keenline.data.dataset_version import (
    DatasetVersion,
    Provenance,
    Split,
    VersionSample,
    known_values,
)
from keenline.data.dealing import Shares
from keenline.data.importers import read_folder
from keenline.data.keenset import ENDING, read_version, require_free, versions_in, write_version
from keenline.data.provenance import FILE, merged, read_provenance
from keenline.data.sealed import seal
from keenline.data.splitting import Standing, assign_splits
from keenline.errors import Code, DatasetError
from keenline.types import Sample


@dataclass(frozen=True, slots=True)
class Created:
    """A version that was written."""

    file: Path
    version: DatasetVersion
    skipped: tuple[Skipped, ...]
    """Files that should have been samples but cannot be used; not in the version."""


def create_version(
    folder: Path,
    file: Path | None = None,
    *,
    by: str,
    provenance: Path | None = None,
    parent: Path | None = None,
    shares: Shares | None = None,
    seed: int = 0,
    across_lots: bool = False,
    keep_splits: bool = False,
    part_pattern: str | None = None,
) -> Created:
    """Read a folder of images, deal what is new into splits and write the version.

    file: None for the next `vN.keenset` in the folder itself, where it also keeps the folder from
    being learnt from as a whole. provenance: None for `provenance.csv` in the folder, if any.
    parent: its samples keep their splits, and what belongs to them (by part, lot or content)
    follows them. keep_splits: train and test as the folder itself says, test as seeded.

    Raises DatasetError: DATASET_PARENT when the folder has versions and none is named as parent,
    DATASET_LEAK when a part lies in two of the folder's own splits, DATASET_SHARES,
    DATASET_PROVENANCE, DATASET_VERSION_EXISTS, DATASET_VERSION_FILE, DATASET_VERSION_CHANGED and
    what `read_folder` raises; OutputError.
    """
    file = next_file(folder) if file is None else file
    require_free(file)
    before = None if parent is None else read_version(parent)
    if before is None:
        _require_first(folder)
    dataset = read_folder(folder, part_pattern)
    drafts, notes = _drafts(dataset, _table(folder, provenance), before)
    own = _own_splits(dataset)
    if own and not keep_splits:
        notes.append("the folder's own train and test are not kept, but dealt anew")
    notes += _new_light(before, drafts)
    standing = Standing(before, own if keep_splits else None)
    done = assign_splits(drafts, standing, shares or Shares(), seed, across_lots=across_lots)
    version = DatasetVersion(
        folder=Path(os.path.relpath(folder.resolve(), file.parent.resolve())).as_posix(),
        samples=tuple(sorted(done.samples, key=lambda sample: sample.path)),
        created=datetime.now(UTC).replace(microsecond=0),
        by=by,
        layout=dataset.layout,
        parent=before.id if before else "",
        shares=asdict(shares or Shares()),
        seed=seed,
        across_lots=across_lots,
        gone=done.gone,
        notes=(*dataset.notes, *notes, *done.notes),
    )
    seal(version, file)
    written = write_version(version, file)
    return Created(file, written, dataset.skipped)


def next_file(folder: Path) -> Path:
    """The first `vN.keenset` in a folder that no version has."""
    number = 1 + len(versions_in(folder))
    while (folder / f"v{number}{ENDING}").exists():
        number += 1
    return folder / f"v{number}{ENDING}"


def _require_first(folder: Path) -> None:
    found = versions_in(folder)
    if found:
        newest = max(found, key=lambda path: read_version(path).created)
        raise DatasetError(
            Code.DATASET_PARENT,
            "The folder has versions; dealing its images anew would learn from what was held out",
            where=folder,
            got=f"{len(found)} versions, the newest {newest.name}",
            next=f"follow it: --parent {newest}",
        )


def _table(folder: Path, provenance: Path | None) -> Path | None:
    if provenance is not None:
        return provenance
    beside = folder / FILE
    return beside if beside.is_file() else None


def _own_splits(dataset: Dataset) -> dict[str, Split]:
    """What the folder says itself: train, and test as seeded."""
    return {
        _below(dataset.root, sample.image): "train" if sample.split == "train" else "seeded"
        for sample in dataset.samples
        if sample.split
    }


def _drafts(
    dataset: Dataset, table: Path | None, before: DatasetVersion | None
) -> tuple[list[VersionSample], list[str]]:
    """Each sample as it will stand in the version, but for its split and group."""
    paths = {sample.image: _below(dataset.root, sample.image) for sample in dataset.samples}
    said: Mapping[str, Provenance] = {}
    notes: tuple[str, ...] = ()
    if table is not None:
        read = read_provenance(table, sorted(paths.values()))
        said, notes = read.of, read.notes
    hashes = dataset.hashes()
    earlier = {} if before is None else {each.sha256: each.provenance for each in before.samples}
    drafts = []
    for sample in dataset.samples:
        path, sha256 = paths[sample.image], hashes[sample.image]
        known = merged(said.get(path, Provenance()), _said_by_folder(sample, path))
        draft = VersionSample(
            path=path,
            sha256=sha256,
            label=sample.label,
            split="train",
            group="",
            provenance=merged(known, earlier.get(sha256, Provenance())),
            marks=sample.marks,
        )
        if sample.mask is not None:
            below = _below(dataset.root, sample.mask)
            draft = replace(draft, mask=below, mask_sha256=content_hash(sample.mask))
        drafts.append(draft)
    return drafts, list(notes)


def _new_light(before: DatasetVersion | None, drafts: Sequence[VersionSample]) -> list[str]:
    """A new light changes every image, so that what was learnt is out of date (M04)."""
    known = set() if before is None else set(known_values(before.samples, "light"))
    new = [light for light in known_values(drafts, "light") if light not in known]
    if not known or not new:
        return []
    return [
        f"light set-ups that no image of the version before has, so learn anew: {', '.join(new)}"
    ]


def _said_by_folder(sample: Sample, path: str) -> Provenance:
    """What the layout and the marks say themselves."""
    people = sorted({mark.annotator for mark in sample.marks} - {""})
    part = "" if sample.part == path else sample.part
    return Provenance(part=part, annotator=", ".join(people))


def _below(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()
