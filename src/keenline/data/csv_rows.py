"""A table in a CSV file turned into rows by the names of its columns."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from keenline.errors import Code, DatasetError


def csv_rows(
    file: Path, needed: Sequence[str], code: Code, *, other_names: Mapping[str, str] | None = None
) -> list[tuple[int, dict[str, str]]]:
    """Number of the line and cells of each row, by lower-case column name; UTF-8.

    Commas, semicolons or tabs, whichever the first line has most of. Empty lines are left out.
    `other_names`: what else people call a column. Raises DatasetError (`code`) when the file cannot
    be read or lacks a column of `needed`.
    """
    try:
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        got = error.strerror if isinstance(error, OSError) else "no UTF-8"
        raise DatasetError(code, "The table cannot be read", where=file, got=got) from error
    first = text.split("\n", 1)[0]
    separator = max(",;\t", key=first.count)
    reader = csv.reader(text.splitlines(), delimiter=separator)
    names = [
        (other_names or {}).get(name.strip().lower(), name.strip().lower())
        for name in next(reader, [])
    ]
    missing = [name for name in needed if name not in names]
    if missing:
        raise DatasetError(
            code,
            "The table lacks a column",
            where=file,
            expected=", ".join(needed),
            got=", ".join(names) or "an empty file",
        )
    return [
        (reader.line_num, dict(zip(names, (cell.strip() for cell in row), strict=False)))
        for row in reader
        if any(cell.strip() for cell in row)
    ]
