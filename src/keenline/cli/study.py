"""`keenline study`: appraisers, a model among them, judged on the same parts as AIAG does."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from keenline.cli import study_recording, study_reporting
from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json, PageReport, require_pdf, require_writable
from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal


class Action(StrEnum):
    """What to do."""

    PLAN = "plan"
    RECORD = "record"
    REPORT = "report"


_PLAN, _RECORD = "plan: ", "record: "


def study(
    action: Annotated[
        Action,
        typer.Argument(
            help="plan, record or report.", metavar="plan|record|report", show_default=False
        ),
    ],
    place: Annotated[
        Path,
        typer.Argument(
            help="plan: labelled images, a version, or a list (CSV); else the study's folder.",
            metavar="PLACE",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=_PLAN + "the empty folder to write.", metavar="DIR"),
    ] = None,
    appraisers: Annotated[
        str | None,
        typer.Option("--appraisers", help=_PLAN + "names, with commas.", metavar="NAMES"),
    ] = None,
    parts: Annotated[int, typer.Option("--parts", min=2, help=_PLAN + "how many parts.")] = 50,
    trials: Annotated[
        int, typer.Option("--trials", min=1, help=_PLAN + "how often each part is judged.")
    ] = 3,
    borderline: Annotated[
        float,
        typer.Option("--borderline", min=0, max=1, help=_PLAN + "share of parts near the limit."),
    ] = 0.4,
    defective: Annotated[
        float,
        typer.Option("--defective", min=0.01, max=0.99, help=_PLAN + "share to be rejected."),
    ] = 0.5,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help=_PLAN + "the same seed deals the same.")
    ] = 0,
    by: Annotated[
        str | None, typer.Option("--by", help=_PLAN + "who plans it.", metavar="NAME")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            help=_PLAN + "parts near its threshold are borderline; record: it is an appraiser.",
            metavar="BUNDLE",
        ),
    ] = None,
    appraiser: Annotated[
        str | None,
        typer.Option("--appraiser", help=_RECORD + "whose calls these are.", metavar="NAME"),
    ] = None,
    calls: Annotated[
        Path | None,
        typer.Option(
            "--calls", help=_RECORD + "a filled-in sheet; else asked here.", metavar="FILE.csv"
        ),
    ] = None,
    report: PageReport = None,
    as_json: Json = False,
) -> None:
    """Plan a study of 50 parts, 3 appraisers and 3 trials, record its calls, report by AIAG.

    Appraisers see parts in an order of their own in each trial, and no earlier call. A bundle can
    be one more appraiser.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        _only(action is Action.PLAN, "plan", output, appraisers, by)
        _only(action is Action.RECORD, "record", appraiser, calls)
        _only(action is Action.REPORT, "report", report)
        _only(action is not Action.REPORT, "plan and record", bundle)
        if action is Action.PLAN:
            _plan(
                place, output, appraisers, parts, trials, borderline, defective, seed, by, bundle,
                terminal,
            )  # fmt: skip
        elif action is Action.RECORD:
            study_recording.record(place, appraiser, calls, bundle, terminal)
        else:
            require_writable(report)
            require_pdf(report)
            study_reporting.report(place, report, terminal)


def _only(so: bool, which: str, *values: object) -> None:
    if not so and any(value is not None for value in values):
        raise typer.BadParameter(f"an option was given that belongs to {which}")


def _plan(
    place: Path,
    output: Path | None,
    appraisers: str | None,
    parts: int,
    trials: int,
    borderline: float,
    defective: float,
    seed: int,
    by: str | None,
    bundle: Path | None,
    terminal: Terminal,
) -> None:
    if output is None or not appraisers:
        raise typer.BadParameter("plan needs --output and --appraisers")
    from keenline.data.importers.version_file import account
    from keenline.data.study_folder import write_study
    from keenline.data.study_plan import plan_study

    plan = plan_study(
        study_recording.candidates(place, bundle, terminal),
        [name.strip() for name in appraisers.split(",") if name.strip()],
        parts=parts,
        trials=trials,
        borderline=borderline,
        defective=defective,
        seed=seed,
    )
    made = write_study(plan, output, title=place.resolve().stem, by=by or account())
    bad = sum(not part.is_good for part in made.parts.values())
    near = sum(part.borderline for part in made.parts.values())
    if terminal.as_json:
        terminal.emit(
            {
                "study": str(output),
                "id": made.id,
                "parts": len(made.parts),
                "to_reject": bad,
                "borderline": near,
                "trials": made.trials,
                "appraisers": list(made.orders),
                "notes": list(made.notes),
            }
        )
        return
    terminal.fact("study", str(output), "bold")
    terminal.fact("parts", f"{len(made.parts)}, {bad} of them to be rejected, {near} borderline")
    terminal.fact("appraisers", f"{one_line(', '.join(made.orders))}; {made.trials} trials each")
    for note in made.notes:
        terminal.fact("note", note, "yellow")
    first = next(iter(made.orders))
    terminal.next_step("keenline", "study", "record", str(output), "--appraiser", first)
