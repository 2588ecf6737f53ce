"""A dataset version turned into a dataset of those splits that may be seen."""

from __future__ import annotations

import getpass
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from keenline.data.dataset import Dataset, content_hash
from keenline.data.dataset_version import SEALED, DatasetVersion, Split, VersionSample
from keenline.data.keenset import folder_of, read_version, versions_in
from keenline.data.seal_log import append, log_of
from keenline.errors import Code, DatasetError, ImageError, OutputError
from keenline.types import Sample

NAME = "dataset version"

OPEN: tuple[Split, ...] = ("train", "validation", "seeded")
"""The splits that learning and validating may see."""

_NAMED = 10
_ABOVE = 3  # folders: the layouts arrange images no deeper


def open_version(file: Path, splits: Collection[Split] = OPEN) -> Dataset:
    """The samples of these splits, every file checked against the version.

    `Sample.split` is `train` for train and validation, `test` for seeded; `Sample.part` is the
    group that stays together. Asking for the sealed acceptance set is refused and logged:
    `keenline.data.sealed` opens it. Raises DatasetError: DATASET_SEALED, DATASET_MISSING,
    DATASET_VERSION_FILE, DATASET_VERSION_CHANGED, DATASET_VERSION_CONTENT.
    """
    version = read_version(file)
    if SEALED in splits:
        raise refused(file, version, "asked for with the samples to learn from")
    return as_dataset(version, file, version.of(*splits))


def as_dataset(version: DatasetVersion, file: Path, samples: Collection[VersionSample]) -> Dataset:
    """Some samples of a version that was read from `file`, each file checked.

    Raises DatasetError (DATASET_VERSION_CONTENT).
    """
    folder = folder_of(version, file)
    require_unchanged(file, changes(folder, samples))
    notes = [f"version {version.id[:12]} by {version.by}, {version.created:%Y-%m-%d}"]
    sealed = len(version.of(SEALED))
    if sealed:
        notes.append(f"samples of the sealed acceptance set, left out: {sealed}")
    return Dataset(
        root=folder,
        samples=tuple(_sample(folder, each) for each in samples),
        layout=f"{NAME} {file.name}",
        notes=tuple(notes),
        version=version.id,
        _hashes={folder / each.path: each.sha256 for each in samples},
    )


def changes(folder: Path, samples: Collection[VersionSample]) -> list[str]:
    """What is not as the version says: `PATH: what`, for each file that was changed or is gone."""
    return [words for sample in samples for words in _changes(folder, sample)]


def require_unchanged(file: Path, changed: list[str]) -> None:
    """Raise DatasetError (DATASET_VERSION_CONTENT) when there is something in the list."""
    if changed:
        more = f"\n            and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        raise DatasetError(
            Code.DATASET_VERSION_CONTENT,
            "Images are not what the dataset version says they are",
            where=file,
            got="\n            ".join(changed[:_NAMED]) + more,
            next="restore them, or make a new version with this one as its parent",
        )


def refuse_sealed_folder(folder: Path, below: Sequence[Path]) -> tuple[str, ...]:
    """Refuse to read a whole folder of which a version seals some images.

    below: versions in the folder; those in the three folders above it are looked for. Gives a
    note when there are versions and none seals anything. Raises DatasetError (DATASET_SEALED),
    logged, and what `read_version` raises.
    """
    wanted = folder.resolve()
    above = [file for parent in wanted.parents[:_ABOVE] for file in versions_in(parent)]
    for file in (*reversed(below), *above):
        version = read_version(file)
        images = folder_of(version, file).resolve()
        if any((images / each.path).is_relative_to(wanted) for each in version.of(SEALED)):
            raise refused(file, version, f"the whole folder {wanted.name} was asked for")
    if not below:
        return ()
    return (f"the splits of its versions are not kept; {below[-1].name} would keep them",)


def refused(file: Path, version: DatasetVersion, why: str) -> DatasetError:
    """The error of asking for a sealed set, which is logged first."""
    logged = "this is in its log"
    try:
        append(log_of(file), "refused", who=account(), why=why, version=version.id)
    except (OutputError, DatasetError) as error:
        logged = f"this could not be logged: {error.what}"
    return DatasetError(
        Code.DATASET_SEALED,
        "The acceptance set is sealed: nothing may be learnt from it",
        where=file,
        got=f"{why}; {logged}",
        next=f"learn from the version: name {file} in place of the folder",
    )


def account() -> str:
    """Name of the account that runs this program."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # KeyError: Python < 3.13, in a container without the account
        return "an account without a name"


def _changes(folder: Path, sample: VersionSample) -> Iterator[str]:
    files = [(sample.path, sample.sha256)]
    if sample.mask:
        files.append((sample.mask, sample.mask_sha256))
    for path, sha256 in files:
        try:
            if content_hash(folder / path) != sha256:
                yield f"{path}: its content is another one"
        except ImageError as error:
            yield f"{path}: {error.what}"


def _sample(folder: Path, sample: VersionSample) -> Sample:
    return Sample(
        image=folder / sample.path,
        label=sample.label,
        mask=folder / sample.mask if sample.mask else None,
        part=sample.group,
        split="train" if sample.split in ("train", "validation") else "test",
        marks=sample.marks,
    )
