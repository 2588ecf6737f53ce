"""Criteria turned into a locked definition that a sealed set may be opened for, and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from keenline.data.dataset_version import SEALED
from keenline.data.keenset import read_version
from keenline.data.seal_log import SealEvent
from keenline.data.sealed import lock_criteria, locked, openings
from keenline.errors import Code, DatasetError, KeenlineError, LifecycleError
from keenline.lifecycle.criteria import Criteria
from keenline.lifecycle.signed_file import Signed, read_signed, write_signed
from keenline.lifecycle.signing import signing_key

ENDING = ".keenacc"

KIND = "keenline acceptance criteria"


@dataclass(frozen=True, slots=True)
class Definition:
    """Criteria that were locked for one dataset version."""

    criteria: Criteria
    version: str
    """Id of the version whose sealed set they are for."""
    by: str
    time: str
    """UTC, of the clock of who locked them."""
    signed: Signed


def lock(
    criteria: Criteria, version_file: Path, output: Path, *, by: str, key: Path | None = None
) -> Definition:
    """Sign criteria, write them, and write into the log of the sealed set that they stand.

    Raises LifecycleError (ACCEPTANCE_CRITERIA) when a definition of that name is there already,
    OutputError, CredentialError, and what `lock_criteria` raises.
    """
    if output.exists():
        raise LifecycleError(
            Code.ACCEPTANCE_CRITERIA,
            "There is a file of that name, and locked criteria are never overwritten",
            where=output,
            next="choose another name",
        )
    version = read_version(version_file)
    if not version.of(SEALED):
        raise DatasetError(
            Code.DATASET_SEALED,
            "The version has no acceptance set",
            where=version_file,
            next="keenline dataset create --acceptance 0.3",
        )
    content = {
        "kind": KIND,
        "criteria": criteria.model_dump(mode="json", by_alias=True),
        "version": version.id,
        "by": by,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    written = write_signed(content, output, signing_key(key))
    try:
        lock_criteria(version_file, purpose=criteria.title, name=by, criteria=written.sha256)
    except KeenlineError:
        output.unlink(missing_ok=True)
        raise
    return _definition(written, output)


def read_definition(file: Path, *, signed_by: str | None = None) -> Definition:
    """A definition that is what was signed; raises LifecycleError (ACCEPTANCE_CHANGED)."""
    return _definition(read_signed(file, KIND, signed_by=signed_by), file)


def line_of(definition: Definition, version_file: Path) -> SealEvent:
    """The line of the log that locked these criteria for this version.

    Raises LifecycleError (ACCEPTANCE_CHANGED) when it is another version or there is no line;
    DatasetError (DATASET_SEAL_LOG) when the log was changed.
    """
    version = read_version(version_file)
    lines = [e for e in locked(version_file, definition.signed.sha256) if e.version == version.id]
    if version.id != definition.version or not lines:
        raise LifecycleError(
            Code.ACCEPTANCE_CHANGED,
            "These criteria were not locked for this sealed set",
            where=version_file,
            expected=f"version {definition.version[:12]}, criteria "
            f"{definition.signed.sha256[:12]} in its log",
            got=f"version {version.id[:12]}, {len(lines)} lines that lock them",
            next="keenline acceptance define, before the set is opened",
        )
    return lines[0]


def earlier_openings(version_file: Path) -> tuple[SealEvent, ...]:
    """Every opening of the set of this version until now."""
    version = read_version(version_file)
    return tuple(each for each in openings(version_file) if each.version == version.id)


def _definition(found: Signed, file: Path) -> Definition:
    content = found.content
    try:
        # As JSON, so that lists become the tuples that strict tables ask for.
        criteria = Criteria.model_validate_json(json.dumps(content["criteria"]))
        return Definition(criteria, content["version"], content["by"], content["time"], found)
    except (KeyError, ValidationError) as error:
        raise LifecycleError(
            Code.ACCEPTANCE_CHANGED,
            "The locked criteria cannot be understood",
            where=file,
            got=str(error).splitlines()[0],
            next="they were locked by another version of Keenline: read them with that one",
        ) from error
