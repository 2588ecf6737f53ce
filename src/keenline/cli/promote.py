"""`keenline promote` and `keenline rollback`: another bundle put to work at a station, and back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json
from keenline.cli.store_place import open_for_asking
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.lifecycle.promotion import Replaced

StationFile = Annotated[
    Path,
    typer.Argument(
        help="The TOML file of the station.", metavar="STATION.toml", show_default=False
    ),
]
By = Annotated[str, typer.Option("--by", help="Who decides; recorded.", metavar="NAME")]
Why = Annotated[str, typer.Option("--why", help="The reason; recorded.", metavar="TEXT")]


def promote(
    bundle: Annotated[
        Path,
        typer.Argument(help="The accepted bundle.", metavar="BUNDLE", show_default=False),
    ],
    station: StationFile,
    by: By,
    why: Why,
    despite_shadow: Annotated[
        bool,
        typer.Option(
            "--despite-shadow",
            help="Although the test in shadow says refuse, or nothing yet; recorded.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Put an accepted bundle to work at a station; the one before it is retired.

    Changes the line of the configuration that names the bundle, and records who and why in the
    ledgers of both bundles and in the audit trail, with what the sequential test says of the bundle
    in shadow there: one that it does not promote takes --despite-shadow. A station that runs goes
    on with the old one until it is reloaded.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        with terminal.waiting(f"opening {bundle}"):
            from keenline.lifecycle.promotion import promote as put
        with closing(open_for_asking(str(station))) as database:
            done = put(bundle, station, database, who=by, why=why, despite_shadow=despite_shadow)
        _tell(done, "promoted", station, terminal)


def rollback(
    station: StationFile,
    by: By,
    why: Why,
    as_json: Json = False,
) -> None:
    """Put the bundle back to work that the last promotion at this station replaced.

    Recorded as a promotion is.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        with terminal.waiting(f"opening {station}"):
            from keenline.lifecycle.promotion import rollback as put_back
        with closing(open_for_asking(str(station))) as database:
            done = put_back(station, database, who=by, why=why)
        _tell(done, "rolled back", station, terminal)


def _tell(done: Replaced, what: str, station: Path, terminal: Terminal) -> None:
    if terminal.as_json:
        terminal.emit(
            {
                "station": done.station,
                "before": str(done.before),
                "before_sha256": done.before_sha256,
                "after": str(done.after),
                "after_sha256": done.after_sha256,
                "shadow": done.shadow,
            }
        )
        return
    terminal.fact(what, f"{done.after.name} ({done.after_sha256[:12]}) at {done.station}", "green")
    terminal.fact("retired", f"{done.before.name} ({done.before_sha256[:12]})")
    if done.shadow:
        colour = "" if done.shadow.startswith(("promote", "never")) else "yellow"
        terminal.fact("shadow", done.shadow, colour)
    terminal.say(f"{station} names it now; a running station takes it up with SIGHUP.")
