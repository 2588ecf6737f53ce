"""Files of results, a station's store and tables of labels turned into scores in columns."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keenline.cli.store_place import open_for_asking
from keenline.errors import Code, DatasetError

if TYPE_CHECKING:
    from keenline.evaluation.score_table import ScoreTable

_KEYS = ("image", "part_id", "part", "result_id")
_DATABASES = (".db", ".sqlite", ".sqlite3", ".toml")


@dataclass(frozen=True, slots=True)
class Span:
    """Which results of a store are meant; None does not narrow."""

    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None
    """The newest so many."""


def is_store(place: str) -> bool:
    """Whether a place names a store rather than a file of results."""
    return "://" in place or place.lower().endswith(_DATABASES)


def read_scores(place: str, bundles: Collection[str], span: Span) -> tuple[ScoreTable, str]:
    """The scores that `place` holds, and what names them: a sha256 of a file, or a store.

    A CSV file of `keenline inspect` or `evaluate`, the lines of `keenline inspect --json`, or a
    store, of which only results of one of `bundles` (their sha256) are taken. Raises DatasetError
    (SCORES_UNUSABLE) and what opening a store raises.
    """
    if is_store(place):
        return _from_store(place, bundles, span)
    path = Path(place)
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, str(error), "a CSV file, or lines of JSON, in UTF-8") from error
    name = f"{path.name}, sha256 {hashlib.sha256(data).hexdigest()[:12]}"
    lines = text.lstrip().startswith("{")
    return (_from_json(text, path) if lines else _from_csv(text, path)), name


def read_truth(path: Path) -> dict[str, str]:
    """Labels by image, part_id, part or result_id: whichever of these columns the table has first.

    Commas, semicolons or tabs; `good` or a defect class in the column `label`. Raises DatasetError
    (SCORES_UNUSABLE).
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, str(error), "a CSV file in UTF-8") from error
    rows = _rows(text, path)
    head = next(rows, [])
    key = next((head.index(name) for name in _KEYS if name in head), None)
    if key is None or "label" not in head:
        raise _unusable(path, f"the columns {', '.join(head)}", f"label and one of {_named(_KEYS)}")
    label = head.index("label")
    truth: dict[str, str] = {}
    for row in rows:
        if len(row) > max(key, label) and row[label].strip():
            said = truth.setdefault(row[key].strip(), row[label].strip())
            if said != row[label].strip():
                raise _unusable(path, f"{row[key]}: {said} and {row[label]}", "one label each")
    return truth


def _from_csv(text: str, path: Path) -> ScoreTable:
    from keenline.evaluation.score_table import ScoreTable

    rows = _rows(text, path)
    head = next(rows, [])
    if "score" not in head or "image" not in head:
        raise _unusable(path, f"the columns {', '.join(head)}", "image and score")
    place = {name: head.index(name) for name in head}
    listed = list(rows)
    short = next((row for row in listed if len(row) != len(head)), None)
    if short is not None:
        raise _unusable(path, f"a line with {len(short)} cells", f"{len(head)} cells in each")
    scored = [row for row in listed if row[place["score"]]]

    def column(name: str) -> list[str]:
        at = place.get(name)
        return [""] * len(scored) if at is None else [row[at] for row in scored]

    try:
        return ScoreTable.of(
            keys=column("image"),
            parts=column("part"),
            labels=[label or None for label in column("label")],
            anomaly=list(map(float, column("score"))),
            class_scores=_decoded(column("class_scores")),
            without_score=len(listed) - len(scored),
        )
    except ValueError as error:
        raise _unusable(path, str(error), "numbers in the column score") from error


def _from_json(text: str, path: Path) -> ScoreTable:
    from keenline.evaluation.score_table import ScoreTable

    try:
        listed: list[dict[str, Any]] = json.loads(f"[{','.join(text.splitlines())}]")
        scored = [row for row in listed if row["score"] is not None]
        return ScoreTable.of(
            keys=[row["image"] for row in scored],
            parts=[row.get("part") or "" for row in scored],
            labels=[row.get("label") for row in scored],
            anomaly=[float(row["score"]) for row in scored],
            class_scores=[row.get("class_scores") or {} for row in scored],
            without_score=len(listed) - len(scored),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        expected = "one object a line, as keenline inspect --json writes them"
        raise _unusable(path, repr(error), expected) from error


def _from_store(place: str, bundles: Collection[str], span: Span) -> tuple[ScoreTable, str]:
    from keenline.evaluation.score_table import ScoreTable
    from keenline.store.queries import Query
    from keenline.store.score_columns import score_columns

    query = Query(since=span.since, until=span.until, limit=span.limit)
    database = open_for_asking(place)
    with closing(database):
        found = score_columns(database, query, bundles)
    if not found.scores:
        raise DatasetError(
            Code.SCORES_UNUSABLE,
            "The store has no score by this bundle",
            where=database.name,
            expected=f"results of a bundle {' or '.join(each[:12] for each in bundles)}",
            got=f"{found.of_other_bundles} results of other bundles",
            next="name the bundle that ran at the station",
        )
    table = ScoreTable.of(
        keys=found.part_ids,
        # Results of one part that was inspected again are of one part.
        parts=found.part_ids,
        labels=[None] * len(found.scores),
        anomaly=found.scores,
        class_scores=found.class_scores,
        without_score=found.without_score,
    )
    left = f", {found.of_other_bundles} results of other bundles left out"
    return table, f"store {database.name}" + (left if found.of_other_bundles else "")


def _decoded(cells: list[str]) -> list[dict[str, float]]:
    decoded: list[dict[str, float]] = json.loads(f"[{','.join(cell or '{}' for cell in cells)}]")
    return decoded


def _rows(text: str, path: Path) -> Iterator[list[str]]:
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        yield from (row for row in csv.reader(text.splitlines(), delimiter=delimiter) if row)
    except csv.Error as error:
        raise _unusable(path, str(error), "a CSV file") from error


def _named(names: Collection[str]) -> str:
    return ", ".join(names)


def _unusable(path: Path, got: str, expected: str) -> DatasetError:
    return DatasetError(
        Code.SCORES_UNUSABLE,
        "The file cannot be read as scores or labels of parts",
        where=path,
        expected=expected,
        got=got,
    )
