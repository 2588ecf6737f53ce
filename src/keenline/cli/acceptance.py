"""`keenline acceptance`: criteria locked before a sealed set is opened, and the answer after."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from keenline.cli.acceptance_run import run, show_reach
from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json, Report, require_writable
from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal


class Action(StrEnum):
    """What to do."""

    TEMPLATE = "template"
    DEFINE = "define"
    RUN = "run"
    CHECK = "check"


class TemplateName(StrEnum):
    """After which standard criteria begin."""

    PPAP = "ppap"
    VDI = "vdi"
    KNAPP = "knapp"


REFUSED = 1
"""The exit code of a run that refuses, with --exit-verdict."""

_MANY = {Action.TEMPLATE: 1, Action.DEFINE: 2, Action.RUN: 2, Action.CHECK: 1}


def acceptance(
    action: Annotated[
        Action,
        typer.Argument(
            help="template, define, run or check.",
            metavar="template|define|run|check",
            show_default=False,
        ),
    ],
    places: Annotated[
        list[Path],
        typer.Argument(
            help="template: VERSION; define: CRITERIA.toml VERSION; run: BUNDLE VERSION; "
            "check: a signed file.",
            metavar="PLACE...",
            show_default=False,
        ),
    ],
    template: Annotated[
        TemplateName,
        typer.Option("--template", help="template: after which standard."),
    ] = TemplateName.VDI,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="template: FILE.toml; define: FILE.keenacc; run: the signed FILE.json.",
            metavar="FILE",
        ),
    ] = None,
    criteria: Annotated[
        Path | None,
        typer.Option("--criteria", help="run: what define locked.", metavar="FILE.keenacc"),
    ] = None,
    report: Report = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Who does this; else the account.", metavar="NAME")
    ] = None,
    again: Annotated[
        str,
        typer.Option(
            "--again", help="run: why a set that was opened before is used again.", metavar="WHY"
        ),
    ] = "",
    key: Annotated[
        Path | None,
        typer.Option("--key", help="The private key; else your own.", metavar="FILE.pem"),
    ] = None,
    signed_by: Annotated[
        str | None,
        typer.Option(
            "--signed-by", help="run, check: the public key that must have signed.", metavar="KEY"
        ),
    ] = None,
    exit_verdict: Annotated[
        bool, typer.Option("--exit-verdict", help="run: exit with 1 when it is refused.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Lock criteria before a sealed set is opened; open it once; accept or refuse, signed.

    The sealed set opens only for criteria that its log names. A second run on the same set takes a
    reason and is marked. What is accepted is recorded in the ledger of the bundle, and its stage
    is then accepted.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        if len(places) != _MANY[action]:
            raise typer.BadParameter(f"{action} takes {_MANY[action]} of them", param_hint="PLACE")
        if action is not Action.RUN and (criteria or report or again or exit_verdict):
            raise typer.BadParameter("--criteria, --report, --again, --exit-verdict: run")
        if report is not None and report.suffix.lower() in (".pdf", ".json"):
            raise typer.BadParameter("name the HTML file; JSON and PDF are written beside it")
        require_writable(output, report)
        from keenline.data.importers.version_file import account

        who = by or account()
        if action is Action.TEMPLATE:
            _template(places[0], template, output, terminal)
        elif action is Action.DEFINE:
            _define(places[0], places[1], output, who, key, terminal)
        elif action is Action.CHECK:
            _check(places[0], signed_by, terminal)
        else:
            if criteria is None:
                raise typer.BadParameter("run needs --criteria")
            accepted = run(
                places[0], places[1], criteria, output, report, who=who, again=again, key=key,
                signed_by=signed_by, terminal=terminal,
            )  # fmt: skip
            if exit_verdict and not accepted:
                raise typer.Exit(REFUSED)


def _template(version: Path, name: TemplateName, output: Path | None, terminal: Terminal) -> None:
    from keenline.lifecycle.criteria_templates import template
    from keenline.lifecycle.reach import sealed_parts
    from keenline.report.writing import as_utf8, write_whole

    text = template(name.value, sorted(sealed_parts(version).classes))
    if output is None:
        typer.echo(text, nl=False)
        return
    write_whole(as_utf8(text), output)
    if terminal.as_json:
        terminal.emit({"criteria": str(output), "template": name.value})
        return
    terminal.fact("criteria", str(output), "bold")
    terminal.next_step("keenline", "acceptance", "define", str(output), str(version))


def _define(
    file: Path,
    version: Path,
    output: Path | None,
    who: str,
    key: Path | None,
    terminal: Terminal,
) -> None:
    from keenline.lifecycle.criteria import load_criteria
    from keenline.lifecycle.definition import ENDING, lock
    from keenline.lifecycle.reach import reach, sealed_parts

    criteria = load_criteria(file)
    parts = sealed_parts(version)
    place = output or file.with_suffix(ENDING)
    definition = lock(criteria, version, place, by=who, key=key)
    if terminal.as_json:
        found = [
            {
                "criterion": each.criterion,
                "takes": each.needs,
                "has": each.has,
                "errors_allowed": each.errors_allowed,
                "reachable": each.possible,
            }
            for each in reach(criteria, parts)
        ]
        terminal.emit(
            {
                "definition": str(place),
                "sha256": definition.signed.sha256,
                "key": definition.signed.key,
                "time": definition.time,
                "version": definition.version,
                "reach": found,
            }
        )
        return
    terminal.fact("locked", str(place), "bold")
    terminal.fact("", f"sha256 {definition.signed.sha256}")
    terminal.fact("signed", f"by {one_line(who)} with the key {definition.signed.key}")
    terminal.fact("for", f"version {definition.version[:12]}; its log says so")
    terminal.say()
    show_reach(criteria, parts, terminal)
    terminal.next_step(
        "keenline", "acceptance", "run", "BUNDLE", str(version), "--criteria", str(place)
    )


def _check(file: Path, signed_by: str | None, terminal: Terminal) -> None:
    from keenline.lifecycle import acceptance as running
    from keenline.lifecycle.definition import ENDING, KIND
    from keenline.lifecycle.signed_file import read_signed

    kind = KIND if file.suffix == ENDING else running.KIND
    found = read_signed(file, kind, signed_by=signed_by)
    if terminal.as_json:
        terminal.emit({"whole": True, "kind": kind, "sha256": found.sha256, "key": found.key})
        return
    terminal.fact("whole", f"{kind} of {found.content['time']} by {found.content['by']}", "green")
    terminal.fact("sha256", found.sha256)
    terminal.fact("key", found.key)
    terminal.say("It is what the holder of this key signed; compare the key with the one noted.")
