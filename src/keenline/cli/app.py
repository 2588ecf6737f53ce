"""The words typed after `keenline` turned into one command and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer

from keenline import __version__
from keenline.cli import (
    acceptance,
    agreement,
    audit,
    augment,
    authority,
    bench,
    challenge,
    dataset,
    demo,
    distill,
    doctor,
    evaluate,
    expose,
    imagine,
    inspect,
    labels,
    learn,
    pod,
    promote,
    readiness,
    results,
    review,
    shadow,
    signer,
    simulate,
    station,
    study,
    synthesise,
    teach,
    threshold,
    train,
    update,
    validate,
)
from keenline.cli.failures import EXIT_CODES, STOPPED, calm_line

_EPILOG = "Exit codes:\n" + "".join(f"\n* {code}: {words}" for code, words in EXIT_CODES.items())

app = typer.Typer(
    name="keenline",
    help="Learn a part from good images, inspect, explain, and state how far to trust it.",
    epilog=_EPILOG,
    rich_markup_mode="markdown",  # joins the lines of a paragraph
    no_args_is_help=True,
    add_completion=False,
    # A traceback of a mistake in Keenline is shown as Python shows it, complete and plain.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("train")(train.train)
app.command("inspect")(inspect.inspect)
app.command("evaluate")(evaluate.evaluate)
app.command("threshold")(threshold.threshold)
app.command("update")(update.update)
app.command("labels")(labels.labels)
app.command("agreement")(agreement.agreement)
app.command("pod")(pod.pod)
app.command("study")(study.study)
app.command("dataset")(dataset.dataset)
app.command("teach")(teach.teach)
app.command("validate")(validate.validate)
app.command("learn", epilog=learn.EPILOG)(learn.learn)
app.command("augment")(augment.augment)
app.command("synthesise")(synthesise.synthesise)
app.command("imagine")(imagine.imagine)
app.command("bench")(bench.bench)
app.command("expose")(expose.expose)
app.command("station")(station.station)
app.command("simulate")(simulate.simulate)
app.command("distill")(distill.distill)
app.command("doctor")(doctor.doctor)
app.command("results")(results.results)
app.command("review")(review.review)
app.command("shadow")(shadow.shadow)
app.command("promote")(promote.promote)
app.command("rollback")(promote.rollback)
app.command("challenge")(challenge.challenge)
app.command("audit")(audit.audit)
app.command("acceptance")(acceptance.acceptance)
app.command("readiness")(readiness.readiness)
app.command("authority")(authority.authority)
app.command("signer")(signer.signer)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"keenline {__version__}")
        raise typer.Exit


@app.callback()
def _keenline(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Learn a part from good images, inspect, explain, and state how far to trust it."""


def run() -> NoReturn:
    """Run with `sys.argv` and leave the process with one of `EXIT_CODES`."""
    for stream in (sys.stdout, sys.stderr):
        # A file name that is no valid text, or a terminal without Unicode, must not end the work.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    stop = _Stop()
    signal.signal(signal.SIGTERM, stop)  # so that partial output is removed on `kill` too
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, stop)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(STOPPED)
    except BrokenPipeError:
        _close_quietly()
    finally:
        # Here, because a library may have turned what a signal raised into an error of its own.
        if stop.number == signal.SIGINT:
            calm_line()
        if stop.number:
            sys.exit(128 + stop.number)
    sys.exit(0)


class _Stop:
    """Handler of the signals that end a command; remembers which came."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, number: int, _frame: FrameType | None) -> NoReturn:
        self.number = number
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)


def _close_quietly() -> NoReturn:
    """Whoever read our output has gone, as with `| head`: that is no error of ours."""
    # Python flushes on exit and would complain once more.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(0)
