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
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from keenline.annotation import Annotation
from keenline.data.mark_json import as_value, from_value
from keenline.errors import Code, DatasetError, OutputError

ENDING = ".keenset"

SCHEMA = 1
"""Of the file; a reader refuses a newer one."""

Split: TypeAlias = Literal["train", "validation", "seeded", "acceptance"]
"""To learn from; to tune by while learning; held out and used to validate; sealed until the
acceptance."""

SPLITS: tuple[Split, ...] = get_args(Split)

SEALED: Split = "acceptance"

_HEAD = re.compile(r'\{"id":"([0-9a-f]{64})",\n')


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
    """A sample of an earlier version that is no longer there; should it or its part come back, it
    comes back into the same split."""

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


def write_version(version: DatasetVersion, file: Path) -> DatasetVersion:
    """Write it, in one step, and make the file read-only; gives it with its id.

    Raises DatasetError (DATASET_VERSION_EXISTS) when there is a file of that name: a version is
    never overwritten; OutputError when it cannot be written.
    """
    if file.suffix != ENDING:
        raise DatasetError(
            Code.DATASET_VERSION_FILE,
            "A dataset version ends in .keenset",
            where=file,
            next=f"name it {file.with_suffix(ENDING).name}",
        )
    identity, text = _text(version)
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
        raise DatasetError(
            Code.DATASET_VERSION_EXISTS,
            "There is a version of that name, and versions are never overwritten",
            where=file,
            next="choose another name",
        ) from error
    except OSError as error:
        raise OutputError.of(error, file) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
    return replace(version, id=identity)


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


def known_values(samples: Iterable[VersionSample], name: str) -> list[str]:
    """The different values of one field of the provenance, sorted; empty ones left out."""
    return sorted({getattr(sample.provenance, name) for sample in samples} - {""})


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
    identity = hashlib.sha256(("{" + rest).encode()).hexdigest()
    return identity, f'{{"id":"{identity}",\n{rest}'


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


def _version(value: Mapping[str, Any], identity: str) -> DatasetVersion:
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
        id=identity,
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


def _not_a_version(file: Path, got: str) -> DatasetError:
    return DatasetError(
        Code.DATASET_VERSION_FILE,
        "The file is no dataset version that can be read",
        where=file,
        expected="a .keenset file written by keenline dataset create",
        got=got,
    )
