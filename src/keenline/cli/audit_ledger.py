"""`keenline audit` for the ledger of a bundle, and entries of any trail as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.text import Text

from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.lifecycle.ledger import LedgerLine

BUNDLE = ".keen"
LEDGER = ".keen.log"


def is_ledger(place: str) -> bool:
    """Whether a place is, by its name, a bundle or the ledger of one."""
    return place.endswith((BUNDLE, LEDGER))


def verify_ledger(place: str, noted: Iterable[str], terminal: Terminal) -> None:
    """Check the ledger and its bundle; raises StoreError (AUDIT_BROKEN) with every fault."""
    from keenline.lifecycle.ledger import LedgerHead, ledger_of, require_whole, verify

    bundle = _bundle(place)
    heads = []
    for text in noted:
        parts = re.fullmatch(r"(?:.+:)?([0-9]{1,18}):([0-9a-f]{64})", text)
        if not parts:
            words = f"{text!r}; allowed: NAME:NUMBER:HASH, as verify says it"
            raise typer.BadParameter(words, param_hint="--head")
        heads.append(LedgerHead(int(parts.group(1)), parts.group(2)))
    found = verify(bundle, heads)
    if not terminal.as_json:
        style = "red" if found.faults else "green"
        words = f"{ledger_of(bundle)}, {found.lines} lines that stand"
        terminal.fact("ledger", words, style)
        if found.head:
            terminal.fact("head", f"{bundle.name}:{found.head.number}:{found.head.hash}")
    require_whole(bundle, found)
    if terminal.as_json:
        head = asdict(found.head) if found.head else None
        terminal.emit({"whole": True, "lines": found.lines, "head": head})
    else:
        terminal.say("The ledger is whole, and the bundle is what it says.", "green")


def show_ledger(
    place: str,
    since: datetime | None,
    until: datetime | None,
    limit: int | None,
    table: Path | None,
    terminal: Terminal,
) -> None:
    """The lines of a period; raises StoreError (AUDIT_BROKEN), OutputError."""
    from keenline.lifecycle.ledger import in_period, read_ledger

    lines = list(islice(in_period(read_ledger(_bundle(place)), since, until), limit))
    if table is not None:
        write_table((_flat(line) for line in lines), table)
        terminal.fact("lines", f"{len(lines)} in {table}", "bold")
        return
    for line in lines:
        if terminal.as_json:
            terminal.emit(asdict(line))
            continue
        moment = datetime.fromisoformat(line.time).astimezone()
        terminal.row(
            Text.assemble(
                f"{line.number:>5}  {moment:%Y-%m-%d %H:%M:%S}  {line.event:<10} ",
                one_line(f"{line.who}: {line.why}"),
                (f"  {line.hash[:12]}", "dim"),
            )
        )


def write_table(rows: Iterable[Mapping[str, object]], file: Path) -> None:
    """CSV, one row an entry; text that a spreadsheet would run begins with an apostrophe.

    Raises OutputError.
    """
    from keenline.report.writing import as_utf8, write_whole

    text = io.StringIO()
    listed = list(rows)
    columns = list(dict.fromkeys(name for row in listed for name in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    for row in listed:
        writer.writerow({name: _harmless(str(value)) for name, value in row.items()})
    write_whole(as_utf8(text.getvalue()), file)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _bundle(place: str) -> Path:
    from keenline.lifecycle.ledger import bundle_of

    path = Path(place)
    return bundle_of(path) if place.endswith(LEDGER) else path


def _flat(line: LedgerLine) -> dict[str, object]:
    values = asdict(line)
    facts = values.pop("facts")
    first = ("number", "time", "event", "who", "why", "before", "after")
    ordered = {name: values[name] for name in first}
    words = "; ".join(f"{name}={value}" for name, value in facts.items())
    return ordered | {"facts": words, "previous": values["previous"], "hash": values["hash"]}
