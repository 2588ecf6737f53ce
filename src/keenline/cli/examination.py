"""What one look at a station or its machine found, in words, with how bad it is and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from keenline.cli.terminal import Terminal


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    UNKNOWN = "unknown"
    """It cannot be seen from here."""
    WARNING = "warning"
    """The line goes on, and somebody should look."""
    FAULT = "fault"
    """Parts are not inspected, or records or images are not kept, or will not be for long."""


_STYLES = {Level.OK: "green", Level.UNKNOWN: "dim", Level.WARNING: "yellow", Level.FAULT: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found."""

    about: str
    level: Level
    says: str
    next: str | None = None


def show(findings: Iterable[Finding], terminal: Terminal) -> None:
    """One line each, and what to do below those that need it."""
    before = ""
    for finding in findings:
        words = finding.says
        if finding.level not in (Level.OK, Level.UNKNOWN):
            words = f"{finding.level}: {words}"
        label = finding.about if finding.about != before else ""
        terminal.fact(label, words, _STYLES[finding.level])
        if finding.next is not None:
            terminal.fact("", f"  {finding.next}")
        before = finding.about


def as_records(findings: Iterable[Finding]) -> list[dict[str, object]]:
    """The same for a machine."""
    return [{key: value for key, value in asdict(one).items() if value} for one in findings]


def worst(findings: Iterable[Finding]) -> Level:
    """The level of the worst of them."""
    levels = {finding.level for finding in findings}
    return next((one for one in (Level.FAULT, Level.WARNING) if one in levels), Level.OK)
