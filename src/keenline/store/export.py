"""Stored results turned into a CSV or Parquet file, however many they are."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from keenline.errors import Code, EnvironmentMissing, OutputError
from keenline.store.queries import COLUMNS, flat
from keenline.types import Result

_BATCH = 5000


def write_csv(found: Iterable[Result], path: Path) -> int:
    """Write one line a result, columns as in `COLUMNS`, empty where unknown; how many.

    Text that a spreadsheet would take for a formula begins with an apostrophe. Raises OutputError;
    a file is then not left.
    """

    def fill(new: Path) -> int:
        lines = 0
        with new.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            for lines, result in enumerate(found, 1):  # noqa: B007
                row = flat(result)
                writer.writerow({name: safe(value) for name, value in row.items()})
        return lines

    return _whole(path, fill)


def write_parquet(found: Iterable[Result], path: Path) -> int:
    """Write one row a result, columns as in `COLUMNS`, null where unknown; how many.

    Raises OutputError, and EnvironmentMissing when the extra `parquet` is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as missing:
        raise EnvironmentMissing(
            Code.EXTRA_MISSING,
            "Writing Parquet needs pyarrow",
            where=path,
            next="pip install 'keenline[parquet]', or write CSV",
        ) from missing
    kinds = dict.fromkeys(("trigger_number", "encoder", "code", "regions"), pa.int64())
    kinds |= {"time": pa.timestamp("us", tz="UTC"), "is_simulated": pa.bool_()}
    numbers = ("score", "threshold", "acquired_ms", "inspected_ms", "decided_ms")
    kinds |= dict.fromkeys(numbers, pa.float64())
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])

    def fill(new: Path) -> int:
        rows = 0
        with parquet.ParquetWriter(new, schema) as writer:
            for batch in _batches(flat(result) for result in found):
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
                rows += len(batch)
        return rows

    return _whole(path, fill)


def _whole(path: Path, fill: Callable[[Path], int]) -> int:
    new = path.with_name(f".{path.name[:100]}.{os.getpid()}.partial")
    try:
        written = fill(new)
        os.replace(new, path)
    except OSError as error:
        raise OutputError.of(error, path) from error
    finally:
        new.unlink(missing_ok=True)
    return written


def safe(value: object) -> object:
    """A cell of a CSV that no spreadsheet takes for a formula."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    # https://owasp.org/www-community/attacks/CSV_Injection
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch
