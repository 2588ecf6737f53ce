"""A changed bundle turned into what follows: a line, another stage, authority withdrawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keenline.bundle import Bundle, read_bundle
from keenline.lifecycle.authority import enforce
from keenline.lifecycle.ledger import Event, append, ledger_of
from keenline.lifecycle.readiness import Readiness
from keenline.lifecycle.stages import move


@dataclass(frozen=True, slots=True)
class Followed:
    """What a change brought with it."""

    bundle: Bundle
    stage_before: str
    withdrawn: tuple[Readiness, ...]
    """Classes that may no longer reject."""


def after_change(
    path: Path, event: Event, *, who: str, why: str, before: str, always: bool = False
) -> Followed:
    """Write down a change that something else has just made, and draw its consequences.

    What was accepted, or ran in shadow mode, was another bundle: the stage is trained again. A
    class that may reject and is no longer what was measured may only flag. Without a
    ledger nothing was decided about the bundle yet, and nothing is written unless `always`.
    before: sha256 of the bundle before. Raises BundleError, OutputError, StoreError (AUDIT_BROKEN).
    """
    bundle = read_bundle(path)
    stage = bundle.manifest.stage
    if not always and not ledger_of(path).exists():
        return Followed(bundle, stage, ())
    append(path, event, who=who, why=why, before=before, after=bundle.sha256)
    if stage != "trained" and stage != "retired":
        words = f"{event} changed it, and {stage} was another bundle"
        move(path, "trained", who=who, why=words)
    withdrawn = enforce(path, who=who)
    return Followed(read_bundle(path), stage, withdrawn)
