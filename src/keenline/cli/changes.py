"""What a change of a bundle brought with it, written down and told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.bundle import Bundle
    from keenline.lifecycle.ledger import Event


def foretell(bundle: Bundle, path: Path, output: Path | None, terminal: Terminal) -> None:
    """Say before the work what a change in place will end: stages are of one bundle only."""
    from keenline.lifecycle.ledger import ledger_of

    stage = bundle.manifest.stage
    if stage in ("trained", "retired") or not ledger_of(path).exists():
        return
    if output is None or output.resolve() == path.resolve():
        words = f"the bundle is {stage}, and will be trained again once it is changed"
        terminal.fact("stage", f"{words}; -o writes another one beside it", "yellow")


def follow(
    path: Path,
    event: Event,
    *,
    before: str,
    terminal: Terminal,
    who: str | None = None,
    always: bool = False,
) -> Bundle:
    """The bundle as it is after what `after_change` does; raises as that does."""
    from keenline.bundle import read_bundle
    from keenline.data.importers.version_file import account
    from keenline.lifecycle.changed import after_change

    updates = read_bundle(path).manifest.updates
    why = updates[-1].partition(": ")[2] if updates else "learnt anew"  # the line has its own time
    found = after_change(path, event, who=who or account(), why=why, before=before, always=always)
    stage = found.bundle.manifest.stage
    if stage != found.stage_before:
        terminal.fact("stage", f"{found.stage_before} -> {stage}: it is another bundle", "yellow")
    for each in found.withdrawn:
        words = f"{each.class_name} may only flag now: {each.why_not}"
        terminal.fact("withdrawn", one_line(words), "bold red")
    return found.bundle
