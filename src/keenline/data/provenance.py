"""A table of where images come from (CSV) turned into the provenance of each image."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath

from keenline.data.dataset_version import Provenance
from keenline.errors import Code, DatasetError

FILE = "provenance.csv"
"""Looked for in the folder of images when no other file is named."""

_IMAGE = "image"
_FIELDS = tuple(field.name for field in fields(Provenance))
_OTHER_NAMES = {
    "file": _IMAGE,
    "filename": _IMAGE,
    "path": _IMAGE,
    "partid": "part",
    "serial": "part",
    "serialnumber": "part",
    "batch": "lot",
    "lotid": "lot",
    "productionline": "line",
    "shift": "session",
    "sessionid": "session",
    "lighting": "light",
    "lightsetup": "light",
    "inspector": "annotator",
    "labeller": "annotator",
    "labeler": "annotator",
}
"""What else people call the columns, without spaces, hyphens and underscores."""

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ProvenanceTable:
    """What a table says of the images of a folder."""

    of: Mapping[str, Provenance]
    """By path below the folder."""
    notes: tuple[str, ...]
    """What of the table was not used, and which images it leaves out; one sentence each."""


def read_provenance(file: Path, images: Sequence[str]) -> ProvenanceTable:
    """Read a table with a column `image` and any of part, lot, line, session, light, annotator.

    images: paths below the folder, with forward slashes. A row names its image by that path, or
    by the name of the file where only one image has it. Commas, semicolons or tabs; UTF-8.
    Columns of other names are noted. Raises DatasetError (DATASET_PROVENANCE) when the file
    cannot be read, has no such column, or says two things of one image.
    """
    rows = _rows(file)
    header = next(rows, (0, []))[1]
    columns = _columns(header, file)
    known = _Names(images)
    found: dict[str, tuple[int, Provenance]] = {}
    unmatched: list[str] = []
    for line, cells in rows:
        values = {
            columns[place]: text.strip()
            for place, text in enumerate(cells[: len(header)])
            if place in columns
        }
        name = values.pop(_IMAGE, "")
        image = known.image(name)
        if image is None:
            unmatched.append(f"{name or 'no name'} (line {line})")
            continue
        said = Provenance(**values)
        before = found.setdefault(image, (line, said))
        if before[1] != said:
            raise _unusable(
                file, f"{image}: line {before[0]} and line {line} differ", "one row for an image"
            )
    notes = []
    other = [text.strip() for place, text in enumerate(header) if place not in columns]
    if other:
        notes.append(f"{file.name}: columns that mean nothing here: {', '.join(other)}")
    if unmatched:
        notes.append(f"{file.name}: rows without an image of that name: {_named(unmatched)}")
    left = [image for image in images if image not in found]
    if left:
        notes.append(f"images without a row in {file.name}: {_named(left)}")
    return ProvenanceTable({image: said for image, (_, said) in found.items()}, tuple(notes))


def merged(first: Provenance, second: Provenance) -> Provenance:
    """What the first says, and the second where the first says nothing."""
    mine, other = asdict(first), asdict(second)
    return Provenance(**{name: mine[name] or other[name] for name in _FIELDS})


class _Names:
    """Images by the ways in which a row may name them."""

    def __init__(self, images: Sequence[str]) -> None:
        self._paths = set(images)
        self._by_name: defaultdict[str, list[str]] = defaultdict(list)
        for image in images:
            path = PurePosixPath(image)
            for name in {path.name, path.stem, path.with_suffix("").as_posix()}:
                self._by_name[name].append(image)

    def image(self, name: str) -> str | None:
        path = name.replace("\\", "/").removeprefix("./")
        if path in self._paths:
            return path
        found = self._by_name.get(path) or self._by_name.get(PurePosixPath(path).name) or []
        return found[0] if len(found) == 1 else None


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of each row that is not empty."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(file, str(error), "a CSV file in UTF-8") from error
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise _unusable(file, f"line {reader.line_num}: {error}", "a CSV file") from error


def _columns(header: Sequence[str], file: Path) -> dict[int, str]:
    """The meaning of each column that has one, by its place."""
    columns: dict[int, str] = {}
    for place, text in enumerate(header):
        plain = "".join(sign for sign in text.strip().lower() if sign not in " -_")
        name = _OTHER_NAMES.get(plain, plain)
        if name == _IMAGE or name in _FIELDS:
            if name in columns.values():
                raise _unusable(file, f"two columns that mean {name}", "each meaning once")
            columns[place] = name
    if _IMAGE not in columns.values():
        raise _unusable(
            file,
            f"the columns {', '.join(header)}" if header else "an empty file",
            f"a first line with {_IMAGE} and some of {', '.join(_FIELDS)}",
        )
    return columns


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{len(names)} ({shown}{', ...' if len(names) > _SHOWN else ''})"


def _unusable(file: Path, got: str, expected: str) -> DatasetError:
    return DatasetError(
        Code.DATASET_PROVENANCE,
        "The table of where the images come from cannot be used",
        where=file,
        expected=expected,
        got=got,
    )
