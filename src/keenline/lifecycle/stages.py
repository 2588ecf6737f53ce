"""Where a bundle stands between trained and retired, turned into where it may go from there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from keenline.bundle import Bundle, Manifest, read_bundle
from keenline.errors import Code, LifecycleError
from keenline.lifecycle.ledger import change

Stage: TypeAlias = Literal["trained", "validated", "shadow", "accepted", "live", "retired"]

STAGES: tuple[Stage, ...] = get_args(Stage)

NEXT: Mapping[str, frozenset[str]] = {
    "trained": frozenset({"validated", "shadow", "accepted", "retired"}),
    "validated": frozenset({"trained", "shadow", "accepted", "retired"}),
    "shadow": frozenset({"trained", "validated", "accepted", "retired"}),
    "accepted": frozenset({"trained", "shadow", "live", "retired"}),
    "live": frozenset({"trained", "shadow", "accepted", "retired"}),
    # A bundle that was replaced comes back when its successor fails.
    "retired": frozenset({"shadow", "live"}),
}
"""Where a bundle may go: nothing becomes live that was not accepted."""


def move(
    bundle: Path,
    stage: Stage,
    *,
    who: str,
    why: str,
    facts: Mapping[str, str] | None = None,
) -> Bundle:
    """Bring a bundle to a stage, with a line in its ledger.

    facts: what speaks for it. Raises LifecycleError (STAGE_ORDER) for a step that is not in `NEXT`,
    and as `ledger.change` does.
    """
    now = read_bundle(bundle).manifest.stage
    if stage not in NEXT.get(now, frozenset()):
        raise LifecycleError(
            Code.STAGE_ORDER,
            f"A bundle cannot go from {now} to {stage}",
            where=bundle,
            expected=", ".join(sorted(NEXT.get(now, ()))),
            got=stage,
            next="nothing becomes live that was not accepted: keenline acceptance",
        )

    def moved(manifest: Manifest) -> Manifest:
        return manifest.model_copy(update={"stage": stage})

    said = {"stage": f"{now} -> {stage}"} | dict(facts or {})
    return change(bundle, "stage", moved, who=who, why=f"{now} -> {stage}: {why}", facts=said)
