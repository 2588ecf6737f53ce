"""Results to look at turned into a table that people fill in, and the filled table into reviews."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from keenline.data.csv_rows import csv_rows
from keenline.errors import Code, DatasetError, OutputError, ReviewError
from keenline.review.judging import review
from keenline.review.order import Asked
from keenline.store.export import safe
from keenline.store.remarks import Review, Role
from keenline.types import Result

COLUMNS = (
    "result_id", "part_id", "time", "verdict", "why", "scores", "images",
    "said", "by", "note",
)  # fmt: skip
"""Of an exported table; `said` and `by` are empty and to be filled in."""


def write_table(asked: Sequence[Asked], file: Path, images: Mapping[str, Sequence[str]]) -> None:
    """Write one row a result; `images`: paths by result. Raises OutputError."""
    try:
        with file.open("w", encoding="utf-8", newline="") as out:
            table = csv.DictWriter(out, COLUMNS)
            table.writeheader()
            for each in asked:
                row = _row(each, images.get(each.result.result_id, ()))
                table.writerow({name: safe(text) for name, text in row.items()})
    except OSError as error:
        raise OutputError.of(error, file) from error


def read_table(
    file: Path,
    results: Mapping[str, Result],
    parts: Mapping[str, Sequence[Result]],
    *,
    by: str | None,
    role: Role,
    known: Collection[str],
) -> list[Review]:
    """The reviews of a table with `said` and `result_id` or `part_id`; rows without `said` are
    left out.

    `by`: who made those rows that name nobody; `known`: as `review` takes it. Raises ReviewError
    with the line: REVIEW_SAID, REVIEW_RESULT for a result or part that is not there, or a part id
    that several results bear.
    """
    try:
        rows = csv_rows(file, ("said",), Code.REVIEW_SAID)
    except DatasetError as error:
        raise ReviewError(
            error.code, error.what, where=file, expected=error.expected, got=error.got
        ) from error
    found: list[Review] = []
    for line, row in rows:
        if not row["said"]:
            continue
        where = f"{file}, line {line}"
        result = _result(row, results, parts, where)
        try:
            moment = datetime.fromisoformat(row["judged"]) if row.get("judged") else None
            found.append(
                review(
                    result,
                    row["said"],
                    row.get("by") or by or "",
                    role=role,
                    known=known,
                    asked=row.get("why", ""),
                    note=row.get("note", ""),
                    time=moment,
                )
            )
        except ReviewError as error:
            raise ReviewError(
                error.code, error.what, where=where, expected=error.expected, got=error.got
            ) from error
        except ValueError as error:
            expected = "a moment such as 2026-11-30T06:00"
            raise ReviewError(
                Code.REVIEW_SAID,
                "The judgement cannot be taken",
                where=where,
                expected=expected,
                got=row["judged"],
            ) from error
    return found


def named_in(file: Path) -> tuple[list[str], list[str]]:
    """Result ids and part ids that a table names. Raises ReviewError REVIEW_SAID."""
    try:
        rows = [row for _, row in csv_rows(file, ("said",), Code.REVIEW_SAID)]
    except DatasetError as error:
        raise ReviewError(
            error.code, error.what, where=file, expected=error.expected, got=error.got
        ) from error
    ids = [row["result_id"] for row in rows if row.get("result_id")]
    return ids, [row["part_id"] for row in rows if row.get("part_id")]


def _result(
    row: Mapping[str, str],
    results: Mapping[str, Result],
    parts: Mapping[str, Sequence[Result]],
    where: str,
) -> Result:
    if row.get("result_id"):
        listed = [results[row["result_id"]]] if row["result_id"] in results else []
    else:
        listed = list(parts.get(row.get("part_id", ""), ()))
    if len(listed) == 1:
        return listed[0]
    raise ReviewError(
        Code.REVIEW_RESULT,
        "The row names no one result of this store",
        where=where,
        expected="a result_id, or a part_id that one result bears",
        got=f"{len(listed)} results of {row.get('result_id') or row.get('part_id') or 'no name'}",
    )


def _row(asked: Asked, images: Sequence[str]) -> dict[str, str]:
    result = asked.result
    return {
        "result_id": result.result_id,
        "part_id": result.trigger.part_id,
        "time": result.trigger.time.isoformat(),
        "verdict": result.decision.verdict.value,
        "why": asked.words,
        "scores": scores_of(result),
        "images": " ".join(images),
        "said": "",
        "by": "",
        "note": "",
    }


def scores_of(result: Result) -> str:
    """`top: 2.31 of 1.5, scratch 0.52`: the score, its threshold and the two highest classes."""
    words = []
    for view in result.views:
        if view.score is None:
            continue
        limit = "" if view.threshold is None else f" of {view.threshold:.4g}"
        ranked = sorted(view.class_scores.items(), key=lambda pair: -pair[1])[:2]
        named = "".join(f", {name} {score:.3g}" for name, score in ranked)
        words.append(f"{view.camera}: {view.score:.4g}{limit}{named}")
    return "; ".join(words)
