"""`keenline audit`: the audit trail of a store checked, and shown for a period."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from keenline.cli.audit_ledger import is_ledger, show_ledger, verify_ledger, write_table
from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json, require_writable
from keenline.cli.results import one_line
from keenline.cli.store_place import Since, Until, moment, open_for_asking
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.store.audit import Verified
    from keenline.store.chain import Head, Link
    from keenline.store.database import Database


class Action(StrEnum):
    """What to do with the trail."""

    VERIFY = "verify"
    SHOW = "show"


def audit(
    action: Annotated[
        Action, typer.Argument(help="verify, or show.", metavar="verify|show", show_default=False)
    ],
    store: Annotated[
        str,
        typer.Argument(
            help="A bundle with its ledger, a database file, its URL, or a station's TOML file.",
            metavar="PLACE",
            show_default=False,
        ),
    ],
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head",
            help="verify: a head noted earlier, NAME:NUMBER:HASH; may be given several times.",
            metavar="HEAD",
        ),
    ] = None,
    station: Annotated[
        str | None, typer.Option("--station", help="Only of this station.", metavar="NAME")
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="show: the first N entries.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="show: write them as CSV.", metavar="FILE")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check an audit trail, or show the entries of a period.

    Of a station's store: every result and event. Of a bundle: stages, thresholds, acceptances,
    authority given and refused, reviews and who may sign, in the ledger beside it, and whether the
    bundle is what its ledger says.

    verify checks every entry and every record, and names the first that is broken. It says a head
    of each chain: noted elsewhere and given with --head later, it shows also what was cut off.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        if action is Action.VERIFY and (since or until or limit or csv):
            words = "verify checks everything; --since, --until, --limit and --csv: show"
            raise typer.BadParameter(words)
        if action is Action.SHOW and head:
            raise typer.BadParameter("show takes no --head")
        begin, end = moment(since, "--since"), moment(until, "--until")
        require_writable(csv)
        if is_ledger(store):
            if station:
                raise typer.BadParameter("a bundle has one ledger; --station: a store")
            if action is Action.VERIFY:
                verify_ledger(store, head or (), terminal)
            else:
                show_ledger(store, begin, end, limit, csv, terminal)
            return
        noted = [_head(text) for text in head or ()]
        with terminal.waiting(f"opening {store}"):
            database = open_for_asking(store)
        with closing(database):
            if action is Action.VERIFY:
                _verify(database, station, noted, terminal)
                return
            from keenline.store.audit import entries

            found = entries(database, station=station, since=begin, until=end, limit=limit)
            if csv is not None:
                write_table((asdict(link) | {"record": content} for link, content in found), csv)
                terminal.fact("entries", f"in {csv}", "bold")
                return
            for link, content in found:
                _show(link, content, terminal)


def _head(text: str) -> Head:
    from keenline.store.chain import Head

    parts = re.fullmatch(r"(.+):([0-9]{1,18}):([0-9a-f]{64})", text)
    if not parts:
        words = f"{text!r}; allowed: STATION:NUMBER:HASH, as verify says it"
        raise typer.BadParameter(words, param_hint="--head")
    return Head(parts.group(1), int(parts.group(2)), parts.group(3))


def _verify(database: Database, station: str | None, noted: list[Head], terminal: Terminal) -> None:
    from keenline.store.audit import require_whole, verify

    with terminal.waiting("checking every entry"):
        found = verify(database, stations=(station,) if station else (), noted=noted)
    if not terminal.as_json:
        for chain in found.chains:
            words = f"{chain.entries} entries"
            terminal.fact(chain.station, words, "red" if chain.broken else "green")
            if chain.head:
                head = f"{chain.head.station}:{chain.head.number}:{chain.head.hash}"
                terminal.fact("head", head)
    require_whole(found, database.name)
    if terminal.as_json:
        terminal.emit(_record(found))
    else:
        terminal.say("The audit trail is whole.", "green")


def _record(found: Verified) -> dict[str, object]:
    return {
        "whole": found.is_whole,
        "chains": [
            {
                "station": chain.station,
                "entries": chain.entries,
                "head": asdict(chain.head) if chain.head else None,
            }
            for chain in found.chains
        ],
    }


def _show(link: Link, content: str, terminal: Terminal) -> None:
    if terminal.as_json:
        facts = asdict(link) | {"time": link.time.isoformat()}
        terminal.emit(facts | {"record": json.loads(content) if content else None})
        return
    words = _words(json.loads(content)) if content else "its record is missing"
    terminal.row(
        Text.assemble(
            f"{link.station} {link.number:>8}  {link.time.astimezone():%Y-%m-%d %H:%M:%S}  ",
            f"{link.kind:<8} {one_line(words)}",
            (f"  {link.hash[:12]}", "dim"),
        )
    )


def _words(record: dict[str, object] | str) -> str:
    if isinstance(record, str):
        return record
    if "facts" in record:
        facts = record["facts"]
        assert isinstance(facts, dict)
        return " ".join([str(record["kind"]), *(f"{key}={value}" for key, value in facts.items())])
    if "review_id" in record:
        findings = record["findings"]
        assert isinstance(findings, list)
        classes = [finding["class_name"] for finding in findings]
        said = ", ".join(sorted(set(classes))) or str(record["judgement"])
        return f"{said} by {record['reviewer']}, of result {record['result_id']}"
    if "trigger" not in record:
        bundle = str(record["bundle_sha256"])[:12]
        return f"{record['verdict']} by bundle {bundle}, of result {record['result_id']}"
    decision, trigger = record["decision"], record["trigger"]
    assert isinstance(decision, dict)
    assert isinstance(trigger, dict)
    return f"{decision['verdict']} {trigger['part_id']}"
