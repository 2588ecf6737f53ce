"""`keenline validate`: labelled images turned into what their bundle would do on new parts."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json, PageReport, PartPattern, require_pdf, require_writable
from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal
from keenline.cli.train import describe

if TYPE_CHECKING:
    from keenline.data.dataset import Dataset
    from keenline.evaluation.cross_validation import Estimate, Missed
    from keenline.evaluation.intervals import Proportion
    from keenline.recipe import Recipe
    from keenline.training.fan_out import FanOut
    from keenline.training.validate import Validated

_SHOWN = 20
"""Missed images that are listed for people; --json lists all."""


class How(StrEnum):
    """Which parts are left out at a time."""

    LEAVE_ONE_OUT = "leave-one-out"
    K_FOLD = "k-fold"


def validate(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of good images and labelled defects, or a version of it.",
            metavar="DATA",
            show_default=False,
        ),
    ],
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="What to inspect, in TOML.", metavar="FILE")
    ] = None,
    how: Annotated[
        How, typer.Option("--how", help="One defective part out at a time, or a share.")
    ] = How.LEAVE_ONE_OUT,
    folds: Annotated[int, typer.Option("--folds", min=2, help="k-fold: how many shares.")] = 10,
    jobs: Annotated[
        int, typer.Option("--jobs", min=0, help="Bundles made at a time; 0: one a processor.")
    ] = 0,
    ray: Annotated[
        bool,
        typer.Option("--ray", help="On the cluster of RAY_ADDRESS, or a Ray begun here."),
    ] = False,
    then_seeded: Annotated[
        bool,
        typer.Option("--then-seeded", help="Then one bundle of it all, on the held-out set."),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Keep the bundle of --then-seeded.", metavar="FILE.keen"
        ),
    ] = None,
    report: PageReport = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="The same seed and images say the same.")
    ] = 0,
    part_pattern: PartPattern = None,
    as_json: Json = False,
) -> None:
    """Estimate recall, precision and false alarms on parts that were not learnt from.

    Parts are left out in turn, a whole bundle (train, then teach) is made of the others, and what
    it says of the parts left out is pooled. Of a layout with a training split only that is used.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        if output is not None and not then_seeded:
            raise typer.BadParameter("--output keeps the bundle of --then-seeded: give both")
        require_writable(output, report)
        require_pdf(report)
        with terminal.waiting(f"reading {data}"):
            from keenline.data.importers import open_dataset
            from keenline.recipe import Recipe, load_recipe
            from keenline.training import validate as validating

            wanted = Recipe() if recipe is None else load_recipe(recipe)
            fan_out = _fan_out(jobs, ray)
            dataset = open_dataset(data, part_pattern=part_pattern)
        describe(dataset, terminal)
        if then_seeded:
            validating.require_held_out(dataset)  # rather now than after the first half
        with terminal.steps() as progress:
            found = validating.validate(
                dataset,
                recipe=wanted,
                how=how.value,
                folds=folds,
                seed=seed,
                fan_out=fan_out,
                progress=progress,
            )
        if not as_json:
            _show(found, dataset, terminal)
        seeded = None
        if then_seeded:
            with terminal.steps() as progress:
                seeded = validating.try_on_seeded(
                    dataset, recipe=wanted, seed=seed, keep=output, progress=progress
                )
            if not as_json:
                terminal.say()
                _show(seeded, dataset, terminal)
                if output is not None:
                    terminal.fact("bundle", str(output), "bold")
        if report is not None:
            from keenline.cli.validate_report import write_validation

            halves = [found] if seeded is None else [found, seeded]
            write_validation(report, dataset, wanted, seed, halves)
            terminal.fact("report", str(report), "bold")
        if as_json:
            terminal.emit(_record(dataset, wanted, seed, found, seeded))


def _fan_out(jobs: int, ray: bool) -> FanOut:
    from keenline import batch

    return batch.on_ray(jobs) if ray else batch.on_this_machine(jobs)


def _show(found: Validated, dataset: Dataset, terminal: Terminal) -> None:
    from keenline.evaluation.claims import needed

    estimate = found.estimate
    bundles = "1 bundle" if found.folds == 1 else f"{found.folds} bundles"
    terminal.fact(
        found.how,
        f"{estimate.images} images of {estimate.parts} parts, none of them learnt by the bundle "
        f"that judged it; {bundles}, in {found.seconds:.0f} s",
        "bold",
    )
    terminal.table(
        ("parts", "recall", "at least", "precision", "at least", "not passed", "AP"),
        _class_rows(estimate),
    )
    for each in estimate.classes:
        more = needed(each.recall.events, each.recall.n).sentence
        terminal.fact("to claim", f"{each.name}: {more}")
    terminal.fact("any class", _words(estimate.recall, "least"))
    terminal.fact("not passed", _words(estimate.flagged, "least") + ", strange ones included")
    alarms = _words(estimate.false_alarms, "most")
    terminal.fact("alarms", f"{alarms} of the good parts did not pass")
    terminal.fact("", f"{_words(estimate.class_alarms, 'most')} for a class")
    if estimate.average_precision is not None:
        anomaly = estimate.anomaly_average_precision
        terminal.fact(
            "AP",
            f"{estimate.average_precision:.3f} by the surest class"
            + ("" if anomaly is None else f", {anomaly:.3f} by the anomaly"),
        )
    terminal.say()
    columns = list(next(iter(estimate.confusion.values())))
    terminal.table(
        ("images taken for", *columns),
        (
            (true, *(str(row[said] or "-") for said in columns))
            for true, row in estimate.confusion.items()
        ),
    )
    terminal.say()
    for line in _missed_lines(estimate, dataset):
        terminal.say(line)
    for note in found.notes:
        terminal.fact("note", note)


def _class_rows(estimate: Estimate) -> Iterator[tuple[str, ...]]:
    for each in estimate.classes:
        recall, precision = each.recall, each.precision
        yield (
            f"{each.name}, {each.parts}",
            _share(recall),
            f"{100 * recall.lower95:.0f} %" if recall.n else "-",
            _share(precision),
            f"{100 * precision.lower95:.0f} %" if precision.n else "-",
            _share(each.flagged),
            "-" if each.average_precision is None else f"{each.average_precision:.3f}",
        )


def _share(share: Proportion) -> str:
    return f"{share.events}/{share.n}" if share.n else "-"


def _words(share: Proportion, bound: str) -> str:
    if not share.n:
        return "none to be tried"
    limit = share.lower95 if bound == "least" else share.upper95
    return f"{share.events} of {share.n} (at {bound} {100 * limit:.1f} %)"


def _missed_lines(estimate: Estimate, dataset: Dataset) -> Iterator[str]:
    if not estimate.missed:
        return
    yield f"  Missed: {len(estimate.missed)}, the worst first"
    for missed in estimate.missed[:_SHOWN]:
        path = missed.image.relative_to(dataset.root).as_posix()
        yield f"    {missed.verdict.value:<7} {one_line(path)}  {_why(missed)}"
    if len(estimate.missed) > _SHOWN:
        yield f"    and {len(estimate.missed) - _SHOWN} more"


def _why(missed: Missed) -> str:
    if missed.confidence is None or missed.limit is None:
        return f"{missed.class_name} could not be known; taken for {missed.said}"
    return (
        f"{missed.class_name} {missed.confidence:.3f}, needed above {missed.limit:.3g}; "
        f"taken for {missed.said}"
    )


def _record(
    dataset: Dataset, recipe: Recipe, seed: int, found: Validated, seeded: Validated | None
) -> dict[str, object]:
    return {
        "data": str(dataset.root),
        "data_sha256": dataset.sha256,
        "recipe_sha256": recipe.sha256,
        "seed": seed,
        **_half(found),
        "notes": [*dataset.notes, *found.notes],
        "seeded": None if seeded is None else _half(seeded),
        "skipped": [
            {"path": str(file.path), "problem": file.error.what, "code": int(file.error.code)}
            for file in dataset.skipped
        ],
    }


def _half(found: Validated) -> dict[str, object]:
    return {
        "how": found.how,
        "folds": found.folds,
        "estimate": found.estimate.as_dict(),
        "notes": list(found.notes),
        "seconds": round(found.seconds, 3),
    }
