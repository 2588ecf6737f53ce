"""`keenline signer`: who may sign for a bundle, each addition and removal a line in its ledger."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import BundlePath, Json
from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.lifecycle.signers import Signer


class Action(StrEnum):
    """What to do."""

    SHOW = "show"
    ADD = "add"
    REMOVE = "remove"


def signer(
    action: Annotated[
        Action,
        typer.Argument(help="show, add or remove.", metavar="show|add|remove", show_default=False),
    ],
    bundle: BundlePath,
    name: Annotated[
        str, typer.Argument(help="add, remove: the person.", metavar="NAME", show_default=False)
    ] = "",
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            help="add: the public key, or the file of a private one; else your own.",
            metavar="KEY",
        ),
    ] = None,
    why: Annotated[
        str, typer.Option("--why", help="add, remove: the reason, for the ledger.", metavar="TEXT")
    ] = "",
    by: Annotated[
        str | None, typer.Option("--by", help="Who does this; else the account.", metavar="NAME")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say who may sign acceptances of a bundle, or change it.

    Until somebody is added every key may sign. From then on keenline acceptance run takes criteria
    and keys of those who were added, and of nobody else.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        if action is not Action.SHOW and not (name.strip() and why.strip()):
            raise typer.BadParameter("add and remove need NAME and --why")
        if key is not None and action is not Action.ADD:
            raise typer.BadParameter("--key: add")
        from keenline.data.importers.version_file import account
        from keenline.lifecycle.signers import add_signer, remove_signer, signers

        who = by or account()
        if action is Action.ADD:
            add_signer(bundle, name.strip(), _number(key), who=who, why=why)
        elif action is Action.REMOVE:
            remove_signer(bundle, name.strip(), who=who, why=why)
        _show(signers(bundle), terminal)


def _number(key: str | None) -> str:
    from keenline.lifecycle.signing import public_of, signing_key

    if key is not None and not Path(key).is_file():
        return key
    return public_of(signing_key(None if key is None else Path(key)))


def _show(found: tuple[Signer, ...] | None, terminal: Terminal) -> None:
    if terminal.as_json:
        listed = None if found is None else [asdict(each) for each in found]
        terminal.emit({"signers": listed})
        return
    if not found:
        words = "every key may sign: nobody was ever named" if found is None else "nobody may sign"
        terminal.say(words, "yellow")
        return
    for each in found:
        terminal.fact(one_line(each.name), each.key)
        terminal.fact("", f"since {each.since[:10]}, added by {one_line(each.by)}")
