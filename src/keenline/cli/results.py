"""`keenline results`: stored results found, counted and exported."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json, require_parquet, require_writable
from keenline.cli.store_place import Since, StorePlace, Until, moment, open_for_asking
from keenline.cli.terminal import Terminal
from keenline.cli.verdicts import COLOURS

if TYPE_CHECKING:
    from keenline.store.database import Database
    from keenline.store.queries import Figures, Query
    from keenline.types import Result

_SHOWN = 50
"""Results of a listing without --limit."""


class VerdictName(StrEnum):
    """Which verdict; as `types.Verdict`, which takes long to import."""

    PASS = "PASS"  # noqa: S105
    REJECT = "REJECT"
    REVIEW = "REVIEW"
    INVALID = "INVALID"


def results(
    store: StorePlace,
    verdict: Annotated[
        list[VerdictName] | None,
        typer.Option("--verdict", help="Only this verdict; may be given several times."),
    ] = None,
    part_id: Annotated[
        str | None, typer.Option("--part-id", help="Only this part.", metavar="ID")
    ] = None,
    since: Since = None,
    until: Until = None,
    camera: Annotated[
        str | None, typer.Option("--camera", help="Only with an image of it.", metavar="NAME")
    ] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="Only with a region of it.", metavar="NAME")
    ] = None,
    code: Annotated[
        int | None, typer.Option("--code", help="Only INVALID for this error.", metavar="NUMBER")
    ] = None,
    station: Annotated[
        str | None, typer.Option("--station", help="Only of this station.", metavar="NAME")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", "-n", min=1, help="The newest N; listed: 50, exported: all."),
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Say only how many.")] = False,
    stats: Annotated[
        bool, typer.Option("--stats", help="Verdicts, errors, classes, times in place of a list.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write them as CSV.", metavar="FILE")
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option("--parquet", help="Write them as Parquet (extra parquet).", metavar="FILE"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find stored results, newest first; count and export them.

    With --json one object a line: the whole record of each result.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        require_writable(csv, parquet)
        require_parquet(parquet)
        begin, end = moment(since, "--since"), moment(until, "--until")
        with terminal.waiting(f"opening {store}"):
            from keenline.store.queries import Query
            from keenline.types import Verdict

            database = open_for_asking(store)
        query = Query(
            verdicts=tuple(Verdict(each) for each in verdict or ()),
            station=station,
            part_id=part_id,
            since=begin,
            until=end,
            camera=camera,
            class_name=class_name,
            code=code,
            limit=limit,
        )
        with closing(database):
            if csv or parquet:
                _export(database, query, csv, parquet, terminal)
            elif count:
                _count(database, query, terminal)
            elif stats:
                _figures(database, query, terminal)
            else:
                _list(database, query, terminal)


def one_line(text: str) -> str:
    """What came from a line or a PLC, without anything that a terminal would act upon."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _list(database: Database, query: Query, terminal: Terminal) -> None:
    from dataclasses import replace

    from keenline.journal.entries import as_json
    from keenline.store.queries import count, find

    shown = 0
    for result in find(database, replace(query, limit=query.limit or _SHOWN)):
        shown += 1
        if terminal.as_json:
            terminal.emit(json.loads(as_json(result)))
        else:
            terminal.row(_line(result))
    if not terminal.as_json:
        terminal.say()
        terminal.fact("results", f"{shown} of {count(database, query)}")


def _line(result: Result) -> Text:
    verdict = result.decision.verdict.value
    took = result.timings.decided
    return Text.assemble(
        f"{_local(result.trigger.time)}  ",
        (f"{verdict:<8}", COLOURS[verdict]),
        f" {result.station} {result.trigger.number:>8}  {one_line(result.trigger.part_id)}",
        (f"  {took:.1f} ms" if took is not None else "", "dim"),
        (f"  KL{result.code}" if result.code else "", "dim"),
        (one_line("".join(f"  {each}" for each in result.decision.reasons)), "dim"),
    )


def _count(database: Database, query: Query, terminal: Terminal) -> None:
    from keenline.store.queries import count

    number = count(database, query)
    if terminal.as_json:
        terminal.emit({"results": number})
    else:
        terminal.say(str(number))


def _export(
    database: Database, query: Query, csv: Path | None, parquet: Path | None, terminal: Terminal
) -> None:
    from keenline.store.export import write_csv, write_parquet
    from keenline.store.queries import find

    written: dict[str, object] = {}
    for path, write in ((csv, write_csv), (parquet, write_parquet)):
        if path is not None:
            written["results"] = write(find(database, query), path)
            written[path.suffix.removeprefix(".") or "file"] = str(path)
            terminal.fact("written", f"{path}, {written['results']} results")
    if terminal.as_json:
        terminal.emit(written)


def _figures(database: Database, query: Query, terminal: Terminal) -> None:
    from keenline.store.queries import figures

    found = figures(database, query)
    if terminal.as_json:
        terminal.emit(_record(found))
        return
    span = f", {_local(found.first)} to {_local(found.last)}" if found.first and found.last else ""
    terminal.fact("results", f"{found.results}{span}")
    for verdict, number in found.verdicts.items():
        share = f" ({100 * number / found.results:.2f} %)" if found.results else ""
        terminal.fact(verdict, f"{number}{share}", COLOURS[verdict])
    for code, number in found.codes.items():
        terminal.fact("error", f"KL{code}: {number}")
    for name, number in found.classes.items():
        terminal.fact("class", f"{name}: {number}")
    if found.milliseconds:
        terminal.say()
        rows = [
            (name, *(f"{value:.1f}" for value in spread))
            for name, spread in found.milliseconds.items()
        ]
        terminal.table(("ms from trigger", "p50", "p99", "max"), rows)
    if found.refused:
        words = f"{found.refused} entries could not be stored: table `refused`"
        terminal.fact("refused", words, "red")


def _record(found: Figures) -> dict[str, object]:
    return {
        "results": found.results,
        "verdicts": dict(found.verdicts),
        "codes": {str(code): number for code, number in found.codes.items()},
        "classes": dict(found.classes),
        "first": found.first.isoformat() if found.first else None,
        "last": found.last.isoformat() if found.last else None,
        "ms": {
            name: dict(zip(("p50", "p99", "max"), spread, strict=True))
            for name, spread in found.milliseconds.items()
        },
        "refused": found.refused,
        "events": found.events,
    }


def _local(time: datetime) -> str:
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
