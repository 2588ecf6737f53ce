"""Questions about stored results turned into results, counts and figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Select, distinct, exists, func, select

from keenline.errors import Code, JournalError
from keenline.journal.entries import result_from_json
from keenline.store.database import Database
from keenline.store.faults import store_error
from keenline.store.schema import events, refused, regions, results, views
from keenline.types import Result, Verdict

COLUMNS = (
    "result_id", "station", "trigger_number", "time", "part_id", "part", "verdict", "actuates",
    "code", "reasons", "cameras", "score", "threshold", "regions", "classes", "acquired_ms",
    "inspected_ms", "decided_ms", "encoder", "recipe_sha256", "bundle_sha256",
    "station_sha256", "software", "is_simulated", "image_sha256",
)  # fmt: skip
"""Columns of an export, one row a result. `score` and `threshold`: of the view that is furthest
above, or least below, its threshold; lists are joined by blanks, reasons by semicolons."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which results are meant; what is None or empty does not narrow."""

    result_id: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    station: str | None = None
    part_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Time of the trigger: `since` <= time < `until`."""
    camera: str | None = None
    class_name: str | None = None
    """At least one region of this class."""
    code: int | None = None
    limit: int | None = None
    """The newest so many."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What many results have in common."""

    results: int
    verdicts: Mapping[str, int]
    codes: Mapping[int, int]
    """INVALID results by the number of their error."""
    classes: Mapping[str, int]
    """Results with at least one region of the class."""
    first: datetime | None
    last: datetime | None
    milliseconds: Mapping[str, tuple[float, float, float]]
    """p50, p99 and longest, from the trigger to `acquired`, `inspected`, `decided`."""
    refused: int
    """Entries of the whole database that could not be stored; the table `refused` has them."""
    events: int
    """Of the whole database."""


def find(database: Database, query: Query) -> Iterator[Result]:
    """The results, newest first, as they were recorded. Raises StoreError, STORE_QUERY for a
    record that cannot be read any more."""
    chosen = narrowed(select(results.c.result_id, results.c.content), query)
    ordered = chosen.order_by(results.c.time.desc(), results.c.trigger_number.desc())
    with database.reading() as connection:
        stream = connection.execution_options(yield_per=500).execute(ordered.limit(query.limit))
        for identity, content in stream:
            try:
                yield result_from_json(content)
            except JournalError as error:
                found = f"result {identity}: {error.got}"
                next_step = "keenline audit verify says whether it was changed"
                raise store_error(Code.STORE_QUERY, found, database.name, next_step) from error


def count(database: Database, query: Query) -> int:
    """How many results; `limit` is not looked at. Raises StoreError."""
    with database.reading() as connection:
        return connection.scalar(narrowed(select(func.count(results.c.result_id)), query)) or 0


def figures(database: Database, query: Query) -> Figures:
    """Counts and times of the results; `limit` is not looked at. Raises StoreError."""
    ids = narrowed(select(results.c.result_id), query)
    by_class = (
        select(regions.c.class_name, func.count(distinct(regions.c.result_id)))
        .where(regions.c.result_id.in_(ids))
        .group_by(regions.c.class_name)
    )
    span = narrowed(select(func.min(results.c.time), func.max(results.c.time)), query)
    with database.reading() as connection:
        verdicts, codes = (
            Counter(
                dict(
                    tuple(row)
                    for row in connection.execute(
                        narrowed(select(column, func.count()), query).group_by(column)
                    )
                )
            )
            for column in (results.c.verdict, results.c.code)
        )
        first, last = connection.execute(span).one()
        names = ("acquired", "inspected", "decided")
        times = {
            name: _spread(list(connection.scalars(_present(results.c[f"{name}_ms"], query))))
            for name in names
        }
        return Figures(
            results=verdicts.total(),
            verdicts={verdict.value: verdicts[verdict.value] for verdict in Verdict},
            codes={code: number for code, number in sorted(codes.items(), key=str) if code},
            classes=dict(tuple(row) for row in connection.execute(by_class)),
            first=first,
            last=last,
            milliseconds={name: spread for name, spread in times.items() if spread},
            refused=connection.scalar(select(func.count()).select_from(refused)) or 0,
            events=connection.scalar(select(func.count()).select_from(events)) or 0,
        )


def flat(result: Result) -> dict[str, Any]:
    """One result as one row of an export; keys as `COLUMNS`."""
    scored = [view for view in result.views if view.score is not None and view.threshold]
    worst = max(scored, key=lambda view: (view.score or 0) / (view.threshold or 1), default=None)
    found = [region.class_name for view in result.views for region in view.regions]
    return {
        "result_id": result.result_id,
        "station": result.station,
        "trigger_number": result.trigger.number,
        "time": result.trigger.time,
        "part_id": result.trigger.part_id,
        "part": result.part,
        "verdict": result.decision.verdict.value,
        "actuates": result.actuates,
        "code": result.code,
        "reasons": "; ".join(result.decision.reasons),
        "cameras": " ".join(view.camera for view in result.views),
        "score": worst.score if worst else None,
        "threshold": worst.threshold if worst else None,
        "regions": len(found),
        "classes": " ".join(sorted(set(found))),
        "acquired_ms": result.timings.acquired,
        "inspected_ms": result.timings.inspected,
        "decided_ms": result.timings.decided,
        "encoder": result.trigger.encoder,
        "recipe_sha256": result.recipe_sha256,
        "bundle_sha256": result.bundle_sha256,
        "station_sha256": result.station_sha256,
        "software": result.software,
        "is_simulated": result.is_simulated,
        "image_sha256": " ".join(view.image_sha256 for view in result.views if view.image_kept),
    }


def narrowed(select_: Select[Any], query: Query) -> Select[Any]:
    """A question about `results`, of those that `query` means; its `limit` is not looked at."""
    names = ("result_id", "station", "part_id", "code")
    equal = {name: getattr(query, name) for name in names}
    for name, value in equal.items():
        if value is not None:
            select_ = select_.where(results.c[name] == value)
    if query.verdicts:
        select_ = select_.where(results.c.verdict.in_([each.value for each in query.verdicts]))
    if query.since is not None:
        select_ = select_.where(results.c.time >= query.since)
    if query.until is not None:
        select_ = select_.where(results.c.time < query.until)
    inside = {views.c.camera: query.camera, regions.c.class_name: query.class_name}
    for column, value in inside.items():
        if value is not None:
            owner = column.table.c.result_id == results.c.result_id
            select_ = select_.where(exists().where(owner, column == value))
    return select_


def _present(column: Column[Any], query: Query) -> Select[Any]:
    return narrowed(select(column).where(column.is_not(None)), query)


def _spread(values: list[float]) -> tuple[float, float, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99)]
    return at[0], at[1], ordered[-1]
