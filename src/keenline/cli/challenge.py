"""`keenline challenge`: what became of a station's challenge parts, and a miss acknowledged."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json
from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.station.challenge import State


class Action(StrEnum):
    """What to do."""

    STATUS = "status"
    ACKNOWLEDGE = "acknowledge"


def challenge(
    action: Annotated[
        Action,
        typer.Argument(
            help="status, or acknowledge.", metavar="status|acknowledge", show_default=False
        ),
    ],
    station: Annotated[
        Path,
        typer.Argument(
            help="The TOML file of the station.", metavar="STATION.toml", show_default=False
        ),
    ],
    by: Annotated[
        str | None, typer.Option("--by", help="acknowledge: who does; recorded.", metavar="NAME")
    ] = None,
    why: Annotated[
        str | None,
        typer.Option("--why", help="acknowledge: what was found and done.", metavar="TEXT"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what became of the challenge parts of a station, or acknowledge one that was missed.

    From then on parts may pass again. A station that runs takes the word within a second and
    records it in the audit trail; one that does not run, when it starts.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        from keenline.cli.station_config import load_station
        from keenline.station.challenge import CHALLENGE_FILE, acknowledge, read_state

        file = station.parent / load_station(station).journal / CHALLENGE_FILE
        if action is Action.STATUS:
            _tell(read_state(file), terminal)
            return
        if not (by and by.strip() and why and why.strip()):
            raise typer.BadParameter("acknowledge needs --by NAME and --why TEXT")
        state = acknowledge(file, by, why)
        if terminal.as_json:
            terminal.emit({"acknowledged": state.missed_part if state else None})
        elif state is None:
            terminal.say("No missed challenge part waits for anybody.")
        else:
            words = f"{one_line(state.missed_part)}: {one_line(state.missed_why)}"
            terminal.fact("taken", words, "green")


def _tell(state: State | None, terminal: Terminal) -> None:
    if terminal.as_json:
        terminal.emit({"state": asdict(state) if state else None})
        return
    if state is None:
        terminal.say("This station has seen no part yet under a recipe with challenge parts.")
        return
    terminal.fact("found", f"last at part {state.last_number}, {state.last_time}")
    if state.missed_id:
        words = f"{one_line(state.missed_part)}, {state.missed_time}: {one_line(state.missed_why)}"
        terminal.fact("missed", f"{words}; not acknowledged", "red")
    if state.overdue_why:
        terminal.fact("overdue", state.overdue_why, "yellow")
