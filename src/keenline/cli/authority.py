"""`keenline authority`: a class allowed to reject on its own, or no longer, with who and why."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import BundlePath, Json
from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal


class Action(StrEnum):
    """What to do."""

    GRANT = "grant"
    WITHDRAW = "withdraw"


def authority(
    action: Annotated[
        Action,
        typer.Argument(help="grant or withdraw.", metavar="grant|withdraw", show_default=False),
    ],
    bundle: BundlePath,
    name: Annotated[
        str, typer.Argument(help="The defect class.", metavar="CLASS", show_default=False)
    ],
    why: Annotated[str, typer.Option("--why", help="The reason, for the ledger.", metavar="TEXT")],
    by: Annotated[
        str | None, typer.Option("--by", help="Who does this; else the account.", metavar="NAME")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let a class reject on its own, or let it only ask for a review.

    grant takes every gate of keenline readiness; withdraw takes none. Both are written into the
    bundle, in one step, and into the ledger beside it.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        if not why.strip():
            raise typer.BadParameter("the ledger needs a reason", param_hint="--why")
        from keenline.data.importers.version_file import account
        from keenline.lifecycle.authority import grant, withdraw
        from keenline.lifecycle.readiness import authority_of

        who = by or account()
        act = grant if action is Action.GRANT else withdraw
        written = act(bundle, name, who=who, why=why)
        now = authority_of(written.manifest.recipe, name)
        if as_json:
            terminal.emit(
                {
                    "bundle": str(bundle),
                    "sha256": written.sha256,
                    "class": name,
                    "authority": now.value,
                }
            )
            return
        terminal.fact(one_line(name), f"may {now} on its own" if now == "reject" else "may flag")
        terminal.fact("bundle", f"{bundle}, sha256 {written.sha256[:12]}", "bold")
