"""`keenline threshold`: costs and promises turned into thresholds, drawn, and written if wanted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.changes import follow
from keenline.cli.failures import failing_calmly
from keenline.cli.options import BundlePath, Json, require_pdf, require_writable
from keenline.cli.store_place import Since, Until, moment
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.cli.threshold_question import Answer, Question


def threshold(
    bundle: BundlePath,
    results: Annotated[
        str,
        typer.Argument(
            help="CSV of evaluate or inspect, lines of inspect --json, or a station's store.",
            metavar="RESULTS",
            show_default=False,
        ),
    ],
    truth: Annotated[
        Path | None,
        typer.Option(
            "--truth",
            help="Labels: a table with label and image, part_id or part.",
            metavar="FILE.csv",
        ),
    ] = None,
    escapes: Annotated[
        float | None,
        typer.Option(
            "--escapes-at-most",
            min=0.0001,
            max=0.9999,
            help="Of each class, the share that may pass, such as 0.05.",
            metavar="SHARE",
        ),
    ] = None,
    proven: Annotated[
        bool,
        typer.Option("--proven", help="Keep that share at 95 % confidence, not on average."),
    ] = False,
    false_alarms: Annotated[
        float | None,
        typer.Option(
            "--false-alarms-at-most",
            min=0.0001,
            max=0.9999,
            help="Of good parts not learnt from, the share that may be flagged; proven.",
            metavar="SHARE",
        ),
    ] = None,
    cost: Annotated[
        list[str] | None,
        typer.Option(
            "--cost",
            help="In place of the recipe's: miss=100, false_alarm=1, review=0.2, CLASS=500.",
            metavar="NAME=NUMBER",
        ),
    ] = None,
    prevalence: Annotated[
        list[str] | None,
        typer.Option(
            "--prevalence",
            help="In place of the recipe's: the share of parts that show a class.",
            metavar="CLASS=SHARE",
        ),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option(
            "--at",
            help="What if: anomaly=1.2, CLASS=0.4 or, with a band, CLASS=0.4:0.7.",
            metavar="SCORE=LIMIT",
        ),
    ] = None,
    views_together: Annotated[
        bool, typer.Option("--views-together", help="As for evaluate.")
    ] = False,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, help="The newest N results of a store.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", help="Draw cost curves: one HTML file, or PDF.", metavar="FILE"),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the thresholds into the bundle, with a record.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="--apply: another bundle instead.", metavar="FILE.keen"
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", help="--apply: who chooses; else the account.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Choose thresholds by what errors cost, and by what may escape at most.

    Costs and how often a class is made come from the recipe in the bundle. Nothing is written
    without --apply. Thresholds chosen on some parts must be confirmed on others.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        require_writable(report, output)
        require_pdf(report)
        if (output or by) and not apply:
            raise typer.BadParameter("--output and --by go with --apply")
        if at and apply:
            raise typer.BadParameter("--at asks what would be; --apply writes what was chosen")
        begin, end = moment(since, "--since"), moment(until, "--until")
        with terminal.waiting(f"reading {results}"):
            from keenline.cli.threshold_question import Question, answer

            question = Question(
                bundle=bundle,
                results=results,
                truth=truth,
                escapes=escapes,
                proven=proven,
                false_alarms=false_alarms,
                costs=_numbers(cost, "--cost"),
                prevalence=_numbers(prevalence, "--prevalence"),
                at=dict(_split(at, "--at")),
                together=views_together,
                since=begin,
                until=end,
                limit=limit,
            )
            found = answer(question)
        record = found.as_dict()
        if not as_json:
            from keenline.cli.threshold_tables import show_answer

            show_answer(found, terminal)
        if report:
            _draw(found, report)
            terminal.fact("report", str(report), "bold")
        if apply:
            record |= _apply(found, question, output, by, terminal)
        if as_json:
            terminal.emit(record)


def _draw(found: Answer, report: Path) -> None:
    from keenline.report.threshold_page import ThresholdContent, write_threshold_page

    content = ThresholdContent(
        title=found.title,
        facts={label.capitalize(): words for label, words in found.facts.items()},
        now=found.now,
        chosen=found.chosen,
        curves=found.curves(),
        promises=found.limits.statements,
        notes=found.notes,
    )
    write_threshold_page(content, report)


def _apply(
    found: Answer, question: Question, output: Path | None, by: str | None, terminal: Terminal
) -> dict[str, object]:
    from keenline.bundle import read_bundle
    from keenline.data.importers.version_file import account
    from keenline.training.operating import apply

    place = output or question.bundle
    before = read_bundle(question.bundle)
    who = by or account()
    apply(question.bundle, found.as_chosen(who), output=output)
    written = follow(
        place, "threshold", before=before.sha256, terminal=terminal, who=who, always=True
    )
    terminal.fact("bundle", str(place), "bold")
    terminal.fact("", f"sha256 {written.sha256[:12]}")
    terminal.next_step("keenline", "evaluate", str(place), "OTHER_IMAGES")
    return {
        "bundle": str(place),
        "sha256": written.sha256,
        "updates": list(written.manifest.updates),
    }


def _numbers(said: list[str] | None, option: str) -> dict[str, float]:
    numbers = {}
    for name, text in _split(said, option):
        try:
            numbers[name] = float(text)
        except ValueError as error:
            raise typer.BadParameter(f"{text!r} is no number", param_hint=option) from error
        if not 0 <= numbers[name] < float("inf"):
            raise typer.BadParameter(f"{text!r} is not 0 or more", param_hint=option)
    return numbers


def _split(said: list[str] | None, option: str) -> Iterator[tuple[str, str]]:
    for each in said or ():
        name, sign, value = each.rpartition("=")
        if not sign or not name:
            raise typer.BadParameter(f"{each!r} is not NAME=NUMBER", param_hint=option)
        yield name, value
