"""A list of samples with splits and provenance turned into one file that never changes, and back.

The file is JSON (ending `.keenset`). Its first member, `id`, is the SHA-256 of the text without
that member: it names the version, and one changed byte is seen when the file is read. Whoever
changes the text can compute a new id, but not the old one, which the next version names as its
parent and the log of the sealed set repeats.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from keenline.data.dataset_version import SPLITS, DatasetVersion, Gone, Provenance, VersionSample
from keenline.data.mark_json import as_value, from_value
from keenline.errors import Code, DatasetError, OutputError

ENDING = ".keenset"

SCHEMA = 1
"""Of the file; a reader refuses a newer one."""

_HEAD = re.compile(r'\{"id":"([0-9a-f]{64})",\n')


def write_version(version: DatasetVersion, file: Path) -> DatasetVersion:
    """Write it, in one step, and make the file read-only; gives it with its id.

    Raises DatasetError (DATASET_VERSION_EXISTS) when there is a file of that name: a version is
    never overwritten; OutputError when it cannot be written.
    """
    require_free(file)
    name_of_it, text = _text(version)
    partial: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{file.name[:100]}.", dir=file.parent)
        partial = Path(name)
        with os.fdopen(handle, "wb") as out:
            out.write(text.encode())
            out.flush()
            os.fsync(out.fileno())
        partial.chmod(0o444)
        _place(partial, file)
    except FileExistsError as error:
        raise _exists(file) from error
    except OSError as error:
        raise OutputError.of(error, file) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
    return replace(version, id=name_of_it)


def identity(version: DatasetVersion) -> str:
    """The id it has, or will have when it is written."""
    return _text(version)[0]


def require_free(file: Path) -> None:
    """Raise DatasetError unless a version can have this name: DATASET_VERSION_FILE for another
    ending, DATASET_VERSION_EXISTS when it is taken."""
    if file.suffix != ENDING:
        raise DatasetError(
            Code.DATASET_VERSION_FILE,
            "A dataset version ends in .keenset",
            where=file,
            next=f"name it {file.with_suffix(ENDING).name}",
        )
    if file.exists():
        raise _exists(file)


def read_version(file: Path) -> DatasetVersion:
    """Read a version whose text is what it was when it was written.

    Raises DatasetError: DATASET_MISSING, DATASET_VERSION_FILE when it is none or of a newer
    program, DATASET_VERSION_CHANGED.
    """
    try:
        text = file.read_bytes()
    except OSError as error:
        raise DatasetError(
            Code.DATASET_MISSING,
            "The dataset version cannot be read",
            where=file,
            got=error.strerror,
        ) from error
    head = _HEAD.match(text[:80].decode("ascii", "replace"))
    if head is None:
        raise _not_a_version(file, "a file that begins otherwise")
    body = b"{" + text[head.end() :]
    if hashlib.sha256(body).hexdigest() != head[1]:
        raise DatasetError(
            Code.DATASET_VERSION_CHANGED,
            "The dataset version was changed after it was written",
            where=file,
            expected=f"the text whose SHA-256 is {head[1]}",
            got="another text",
            next="restore the file from a copy; to change a dataset, make a new version with this "
            "one as its parent",
        )
    try:
        return _version(json.loads(body), head[1])
    except (KeyError, TypeError, ValueError) as error:
        raise _not_a_version(file, f"a fault in its content: {error!r}") from error


def is_version(path: Path) -> bool:
    """Whether a path is, by its name, that of a version."""
    return path.suffix == ENDING and not path.is_dir()


def versions_in(folder: Path) -> list[Path]:
    """The files of versions that lie directly in a folder, sorted by name."""
    return sorted(path for path in folder.glob(f"*{ENDING}") if is_version(path))


def folder_of(version: DatasetVersion, file: Path) -> Path:
    """The folder of images of a version that was read from `file`."""
    return file.parent if version.folder == "." else file.parent / version.folder


def _place(partial: Path, file: Path) -> None:
    """Give the finished file its name, unless there is one of that name."""
    try:
        os.link(partial, file)  # which, other than a move, never replaces a file
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP) or file.exists():
            raise
        partial.rename(file)  # on a disk without links, such as a memory stick


def _text(version: DatasetVersion) -> tuple[str, str]:
    """Id and text; one sample a line, so that two versions can be compared line by line."""
    header = {
        "across_lots": version.across_lots,
        "by": version.by,
        "created": version.created.isoformat(),
        "folder": version.folder,
        "gone": [asdict(each) for each in version.gone],
        "keenset": SCHEMA,
        "layout": version.layout,
        "notes": list(version.notes),
        "parent": version.parent,
        "seed": version.seed,
        "shares": dict(version.shares or {}),
    }
    rows = ",\n".join(_dumped(_row(sample)) for sample in version.samples)
    rest = _dumped(header).removeprefix("{").removesuffix("}") + f',"samples":[\n{rows}\n]}}\n'
    name_of_it = hashlib.sha256(("{" + rest).encode()).hexdigest()
    return name_of_it, f'{{"id":"{name_of_it}",\n{rest}'


def _dumped(value: Mapping[str, Any]) -> str:
    # ASCII, so that a name that is no valid text keeps its bytes as \udcXX.
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _row(sample: VersionSample) -> dict[str, Any]:
    row: dict[str, Any] = {
        "path": sample.path,
        "sha256": sample.sha256,
        "label": sample.label,
        "split": sample.split,
        "group": sample.group,
        "mask": sample.mask,
        "mask_sha256": sample.mask_sha256,
        "marks": [as_value(mark) for mark in sample.marks],
        "provenance": {key: text for key, text in asdict(sample.provenance).items() if text},
    }
    return {key: value for key, value in row.items() if value}


def _version(value: Mapping[str, Any], name_of_it: str) -> DatasetVersion:
    if value["keenset"] > SCHEMA:
        raise ValueError(f"of schema {value['keenset']}, written by a newer Keenline")
    return DatasetVersion(
        folder=value["folder"],
        samples=tuple(_sample(row) for row in value["samples"]),
        created=datetime.fromisoformat(value["created"]),
        by=value["by"],
        layout=value["layout"],
        parent=value["parent"],
        shares=value["shares"],
        seed=value["seed"],
        across_lots=value["across_lots"],
        gone=tuple(Gone(**each) for each in value["gone"]),
        notes=tuple(value["notes"]),
        id=name_of_it,
    )


def _sample(row: Mapping[str, Any]) -> VersionSample:
    if row["split"] not in SPLITS:
        raise ValueError(f"the split {row['split']!r}")
    return VersionSample(
        path=row["path"],
        sha256=row["sha256"],
        label=row["label"],
        split=row["split"],
        group=row["group"],
        provenance=Provenance(**row.get("provenance", {})),
        mask=row.get("mask", ""),
        mask_sha256=row.get("mask_sha256", ""),
        marks=tuple(from_value(mark) for mark in row.get("marks", ())),
    )


def _exists(file: Path) -> DatasetError:
    return DatasetError(
        Code.DATASET_VERSION_EXISTS,
        "There is a file of that name, and versions are never overwritten",
        where=file,
        next="choose another name",
    )


def _not_a_version(file: Path, got: str) -> DatasetError:
    return DatasetError(
        Code.DATASET_VERSION_FILE,
        "The file is no dataset version that can be read",
        where=file,
        expected="a .keenset file written by keenline dataset create",
        got=got,
    )
