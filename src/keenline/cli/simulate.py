"""`keenline simulate`: the whole station on a virtual conveyor, with its accounts at the end."""

from __future__ import annotations

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json
from keenline.cli.terminal import Terminal
from keenline.errors import Code

if TYPE_CHECKING:
    from keenline.cli.simulated_line import SimulatedLine, Wanted
    from keenline.station.conveyor import Accounts

_LOOK_S = 0.1


def simulate(
    bundle: Annotated[
        Path,
        typer.Argument(help="The learnt part.", metavar="BUNDLE.keen", show_default=False),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            help="A folder of images to show, in any layout; without it the demo's plates.",
            metavar="DIR",
        ),
    ] = None,
    station: Annotated[
        Path | None,
        typer.Option(
            "--station",
            help="Take store, publishers and times of this; cameras and PLC are simulated.",
            metavar="STATION.toml",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="How long parts come.")] = 30.0,
    rate: Annotated[float, typer.Option("--rate", min=0.1, help="Parts a second.")] = 20.0,
    jitter: Annotated[
        float, typer.Option("--jitter", min=0, max=0.5, help="Of the time between two parts.")
    ] = 0.1,
    latency_ms: Annotated[
        float, typer.Option("--camera-ms", min=0, help="From exposure to the whole image.")
    ] = 5.0,
    faults: Annotated[
        bool, typer.Option("--faults", help="Let cameras, PLC and engine fail now and then.")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of parts and faults.")] = 0,
    as_json: Json = False,
) -> None:
    """Run a station on a virtual conveyor and check that every part has its own result.

    Camera, PLC and gate are simulated; triggers, engine, handshake, journal and store are the ones
    of a real station. Ends with an error when a part was lost or left by the wrong gate.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal), ExitStack() as stack:
        from keenline.cli.simulated_line import Wanted

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keenline-line-")))
        wanted = Wanted(bundle, images, station, rate, jitter, latency_ms, faults, seed)
        accounts = run_line(wanted, folder, seconds, terminal)
        if not accounts.is_settled:
            raise typer.Exit(1)


def run_line(wanted: Wanted, folder: Path, seconds: float, terminal: Terminal) -> Accounts:
    """Run a simulated line for `seconds` with a live view, and say what came of it."""
    from keenline.cli.simulated_line import SimulatedLine

    with terminal.waiting("starting a station on a virtual conveyor"):
        line = SimulatedLine(wanted, folder)
        line.start()
    try:
        with terminal.live(line.view.render) as refresh:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                line.perhaps_fail()
                time.sleep(_LOOK_S)
                refresh()
    finally:
        line.stop()
    accounts = line.accounts()
    if terminal.as_json:
        terminal.emit(line.as_dict())
    else:
        _report(line, accounts, terminal)
    return accounts


def _report(line: SimulatedLine, accounts: Accounts, terminal: Terminal) -> None:
    verdicts = ", ".join(f"{number} {name}" for name, number in sorted(accounts.verdicts.items()))
    gates = ", ".join(f"{number} {name}" for name, number in sorted(accounts.gates.items()))
    terminal.fact(
        "parts", f"{accounts.presented} on the conveyor, {accounts.results} results", "bold"
    )
    terminal.fact("verdicts", verdicts)
    terminal.fact("gate", gates)
    codes = sorted(line.station.tally.counts().codes.items())
    for place, (code, number) in enumerate(codes):
        words = f"{number} x KL{code} {Code(code).name}"
        terminal.fact("INVALID" if place == 0 else "", words, "yellow")
    for name, words in (("decided", "verdict"), ("actuated", "PLC")):
        took = line.milliseconds(name)
        if took is not None:
            shown = f"{took['p50']:.1f} ms p50, {took['p99']:.1f} p99, {took['p999']:.1f} p99.9"
            terminal.fact(words, f"{shown}, {took['longest']:.1f} longest")
    if line.injected:
        terminal.fact("faults", ", ".join(line.injected))
    if accounts.is_settled:
        terminal.fact(
            "accounts", "every part has its own result; none left by a wrong gate", "green"
        )
        return
    wrong = {
        "without a result": accounts.unanswered,
        "with two results": accounts.answered_twice,
        "judged by another part's image": accounts.other_image,
        "at another gate than ruled": accounts.other_gate,
        "passed without a PASS": accounts.wrong_passes,
    }
    found = ", ".join(f"{number} {words}" for words, number in wrong.items() if number)
    terminal.fact("accounts", found, "bold red")
