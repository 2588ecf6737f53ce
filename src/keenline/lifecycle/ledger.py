"""What happens to a bundle turned into lines of a ledger beside it that shows any tampering.

`part.keen.log` begins with the first thing decided about `part.keen` and from then on names every
change of it. A line holds the sha256 of the bundle before and after, so that a bundle changed
without a line is found as well as a line that was changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from keenline.bundle import Bundle, Manifest, check_writable, name_of, read_bundle, write_bundle
from keenline.data.chained_log import ENDING, ChainedLine, ChainedLog, LogBreak
from keenline.errors import BundleError, Code, StoreError

Event = Literal[
    "stage",
    "authority",
    "threshold",
    "recipe",
    "acceptance",
    "evidence",
    "learnt",
    "review",
    "user",
    "refused",
]


@dataclass(frozen=True, slots=True)
class LedgerLine(ChainedLine):
    """One line: what happened, by whom and why."""

    event: str
    """An `Event`; `learnt`: trained, taught or updated; `evidence`: something was measured;
    `review`: people judged results of the bundle; `user`: who may sign for it; `refused`: authority
    that was asked for and not given."""
    who: str
    why: str
    before: str = ""
    """sha256 of the bundle before; empty where there was none."""
    after: str = ""
    """sha256 of the bundle after; that of before where it was not changed."""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LedgerHead:
    """The last line at some moment: noted elsewhere, it vouches for all that was before."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class LedgerVerified:
    """What was found of a ledger and its bundle."""

    lines: int
    head: LedgerHead | None
    """None when there is no line that stands."""
    faults: tuple[str, ...]
    """Where it is broken, and where the bundle was changed without a line; one sentence each."""


def ledger_of(bundle: Path) -> Path:
    """Where the ledger of a bundle is."""
    return bundle.with_name(bundle.name + ENDING)


def bundle_of(ledger: Path) -> Path:
    """The bundle that a ledger is of."""
    return ledger.with_name(ledger.name.removesuffix(ENDING))


def append(
    bundle: Path,
    event: Event,
    *,
    who: str,
    why: str,
    before: str,
    after: str,
    facts: Mapping[str, str] | None = None,
) -> LedgerLine:
    """Write one line into the ledger of a bundle; it begins there where there is none.

    Raises OutputError when it cannot be written, StoreError (AUDIT_BROKEN) when a line was changed.
    """
    return _LOG.append(
        ledger_of(bundle),
        event=event,
        who=who,
        why=why,
        before=before,
        after=after,
        facts=dict(sorted((facts or {}).items())),
    )


def read_ledger(bundle: Path) -> tuple[LedgerLine, ...]:
    """Every line of the ledger of a bundle, checked; none where there is no ledger.

    Raises StoreError (AUDIT_BROKEN).
    """
    return _LOG.read(ledger_of(bundle))


def change(
    bundle: Path,
    event: Event,
    to: Callable[[Manifest], Manifest],
    *,
    who: str,
    why: str,
    facts: Mapping[str, str] | None = None,
) -> Bundle:
    """Change what a bundle's manifest says, with a line in its ledger and a sentence in `updates`.

    The line comes first: should the bundle not be written after it, `verify` says so, and a change
    without a line cannot happen. `to` gets the manifest with the sentence. Raises BundleError,
    OutputError, StoreError (AUDIT_BROKEN); the bundle is untouched then.
    """
    known = read_bundle(bundle)
    check_writable(bundle)
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    said = known.manifest.model_copy(
        update={"updates": (*known.manifest.updates, f"{now}: {event} by {who}: {why}")}
    )
    manifest = to(said)
    after = name_of(manifest, known.members)
    append(bundle, event, who=who, why=why, before=known.sha256, after=after, facts=facts)
    return write_bundle(bundle, manifest, known.members)


def note_if_kept(
    bundle: Path, event: Event, *, who: str, why: str, before: str, after: str
) -> None:
    """`append`, only where the bundle has a ledger already: for what changes a bundle often."""
    if ledger_of(bundle).exists():
        append(bundle, event, who=who, why=why, before=before, after=after)


def verify(bundle: Path, noted: Iterable[LedgerHead] = ()) -> LedgerVerified:
    """Check every line, and the bundle against them.

    `noted`: heads that were written down earlier. Raises BundleError only for what is no bundle
    file at all; a bundle that is not there is a fault, a ledger that is not there too.
    """
    lines, broken = _LOG.inspect(ledger_of(bundle))
    faults = [*_unrecorded(lines)]
    if broken:
        faults.append(f"line {broken.number} {broken.what}")
    elif not lines:
        faults.append("there is no ledger")
    else:
        faults += _bundle_faults(bundle, lines)
    for head in noted:
        if len(lines) < head.number:
            faults.append(
                f"line {len(lines) + 1} is missing: the ledger once reached {head.number}"
            )
        elif lines[head.number - 1].hash != head.hash:
            words = "it, or something before it, was changed and hashed anew"
            faults.append(f"line {head.number} is not what was noted: {words}")
    last = LedgerHead(lines[-1].number, lines[-1].hash) if lines and not broken else None
    return LedgerVerified(len(lines), last, tuple(faults))


def require_whole(bundle: Path, found: LedgerVerified) -> None:
    """Raise StoreError (AUDIT_BROKEN) with every fault."""
    if found.faults:
        raise StoreError(
            Code.AUDIT_BROKEN,
            "The ledger and its bundle do not stand",
            where=ledger_of(bundle),
            got="\n            ".join(found.faults),
            next="lines before the first fault stand; compare with a backup",
        )


def in_period(
    lines: Iterable[LedgerLine], since: datetime | None, until: datetime | None
) -> Iterator[LedgerLine]:
    """Lines written at or after `since` and before `until`."""
    for line in lines:
        time = datetime.fromisoformat(line.time)
        if (since is None or time >= since) and (until is None or time < until):
            yield line


def _unrecorded(lines: tuple[LedgerLine, ...]) -> Iterator[str]:
    """Where a line does not begin with the bundle that the line before it left."""
    known = ""
    for line in lines:
        if known and line.before and line.before != known:
            yield (
                f"before line {line.number} the bundle was changed without a line: "
                f"{known[:12]} became {line.before[:12]}"
            )
        known = line.after or known


def _bundle_faults(bundle: Path, lines: tuple[LedgerLine, ...]) -> list[str]:
    left = next((line.after for line in reversed(lines) if line.after), "")
    try:
        found = read_bundle(bundle).sha256
    except BundleError as error:
        return [f"the bundle: {error.what}"]
    if left and found != left:
        words = "it was changed without a line, or the last change did not reach it"
        return [f"the bundle is {found[:12]}, the ledger says {left[:12]}: {words}"]
    return []


def _broken(log: Path, found: LogBreak) -> StoreError:
    return StoreError(
        Code.AUDIT_BROKEN,
        "The ledger of a bundle cannot be trusted",
        where=log,
        got=f"line {found.number} {found.what}",
        next="lines before it stand; compare with a backup",
    )


_LOG = ChainedLog(
    LedgerLine,
    ("number", "time", "event", "who", "why", "before", "after", "facts", "previous", "hash"),
    _broken,
    unwritable="what happens to a bundle must be recorded: make its ledger writable",
)
