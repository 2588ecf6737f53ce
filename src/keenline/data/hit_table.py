"""A table of defects found and missed (CSV) turned into sizes and hits by class, and back."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from keenline.data.csv_rows import csv_rows
from keenline.errors import Code, DatasetError

COLUMNS = ("class", "size", "hit", "image")
_WORDS = {"1": True, "yes": True, "true": True, "hit": True, "found": True}
_WORDS |= {"0": False, "no": False, "false": False, "miss": False, "missed": False}


@dataclass(frozen=True, slots=True)
class DefectHit:
    """One defect that was looked for."""

    class_name: str
    size: float
    """In the unit of its table, > 0."""
    hit: bool
    """Whether it was found."""
    image: str = ""


def read_hits(file: Path) -> list[DefectHit]:
    """Rows with `size` and `hit` (1 or 0, yes or no, found or missed), and `class`, if there is
    one. Raises DatasetError (POD_TARGETS) for a row that cannot be read."""
    found = []
    for line, row in csv_rows(file, ("size", "hit"), Code.POD_TARGETS):
        size, hit = _number(row.get("size", "")), _WORDS.get(row.get("hit", "").lower())
        if size is None or hit is None:
            raise DatasetError(
                Code.POD_TARGETS,
                "A row is no size with a hit or a miss",
                where=f"{file}, line {line}",
                expected="a size above 0, and 1 or 0",
                got=f"{row.get('size', '')!r}, {row.get('hit', '')!r}",
            )
        found.append(DefectHit(row.get("class") or "defect", size, hit, row.get("image", "")))
    return found


def hits_text(hits: Iterable[DefectHit]) -> str:
    """The same as text of a CSV file that `read_hits` reads."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((hit.class_name, f"{hit.size:.6g}", int(hit.hit), hit.image) for hit in hits)
    return out.getvalue()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value > 0 and math.isfinite(value) else None
