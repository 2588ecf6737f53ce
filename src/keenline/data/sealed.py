"""The sealed acceptance set of a dataset version opened, with a line in its log."""

from __future__ import annotations

from pathlib import Path

from keenline.data.dataset import Dataset
from keenline.data.dataset_version import SEALED, DatasetVersion
from keenline.data.importers.version_file import as_dataset
from keenline.data.keenset import identity, read_version
from keenline.data.seal_log import SealEvent, append, log_of, read_log
from keenline.errors import Code, DatasetError


def open_sealed(file: Path, *, purpose: str, name: str, criteria: str) -> Dataset:
    """The acceptance samples of a version, as split `test`.

    For the acceptance of a bundle, never for learning or choosing. Who opens it and what for is
    logged before anything is read. `criteria`: SHA-256 of the criteria it is opened for, which
    `lock_criteria` wrote into the log before. Raises DatasetError: DATASET_SEALED without a purpose
    and a name, when the criteria were not locked for this version, or when it has no acceptance
    set; DATASET_SEAL_LOG when the log was changed; and what `open_version` raises; OutputError when
    the log cannot be written.
    """
    version = _askable(file, purpose, name)
    samples = version.of(SEALED)
    if not any(each.version == version.id for each in locked(file, criteria)):
        raise DatasetError(
            Code.DATASET_SEALED,
            "The acceptance set opens only for criteria that were locked before",
            where=file,
            expected="criteria that its log names",
            got=f"criteria {criteria[:12] or 'none'}, which it does not name",
            next="keenline acceptance define",
        )
    why = f"{purpose.strip()}; criteria {criteria}"
    append(log_of(file), "opened", who=name.strip(), why=why, version=version.id)
    return as_dataset(version, file, samples)


def lock_criteria(file: Path, *, purpose: str, name: str, criteria: str) -> SealEvent:
    """Write into the log of a version that criteria for its acceptance set stand.

    From then on the log proves their order: what comes before an opening cannot be put in after it.
    `criteria`: their SHA-256. Raises as `open_sealed` does.
    """
    version = _askable(file, purpose, name)
    why = f"{purpose.strip()}; criteria {criteria}"
    return append(log_of(file), "locked", who=name.strip(), why=why, version=version.id)


def locked(file: Path, criteria: str) -> tuple[SealEvent, ...]:
    """Lines that lock these criteria; raises DatasetError (DATASET_SEAL_LOG)."""
    return _naming(file, "locked", criteria)


def openings(file: Path) -> tuple[SealEvent, ...]:
    """Every time the acceptance set was opened; raises DatasetError (DATASET_SEAL_LOG)."""
    require_log(file)
    return tuple(each for each in read_log(log_of(file)) if each.event == "opened")


def seal(version: DatasetVersion, file: Path) -> None:
    """Begin the log of a version that is about to be written, where it has an acceptance set.

    First the log: a version without one could never be opened.
    """
    sealed = version.of(SEALED)
    if sealed:
        why = f"{len(sealed)} samples sealed"
        append(log_of(file), "sealed", who=version.by, why=why, version=identity(version))


def require_log(file: Path) -> None:
    """Raise DatasetError (DATASET_SEAL_LOG) unless the log of a version is whole.

    Of a version with an acceptance set it begins when the version is made, so none is wrong too.
    """
    version = read_version(file)
    events = read_log(log_of(file))
    if version.of(SEALED) and not any(
        each.event == "sealed" and each.version == version.id for each in events
    ):
        raise DatasetError(
            Code.DATASET_SEAL_LOG,
            "The log of a sealed set is not there",
            where=log_of(file),
            expected="a log that begins with the sealing of this version",
            got=f"{len(events)} lines",
            next="bring it back: without it nobody can say that the set was never looked at",
        )


def _naming(file: Path, event: str, criteria: str) -> tuple[SealEvent, ...]:
    ending = f"; criteria {criteria}"
    return tuple(
        each
        for each in read_log(log_of(file))
        if each.event == event and criteria and each.why.endswith(ending)
    )


def _askable(file: Path, purpose: str, name: str) -> DatasetVersion:
    version = read_version(file)
    samples = version.of(SEALED)
    if not samples or not purpose.strip() or not name.strip():
        raise DatasetError(
            Code.DATASET_SEALED,
            "The acceptance set cannot be opened like this",
            where=file,
            expected="a version with acceptance samples, a purpose and a name",
            got=f"{len(samples)} acceptance samples, purpose {purpose!r}, name {name!r}",
        )
    require_log(file)
    return version
