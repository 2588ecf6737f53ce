"""`keenline agreement`: labels of several people compared, and what most of them said written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json
from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.data.annotators import Opinions
    from keenline.data.labels import LabelProblem, Labels
    from keenline.evaluation.agreement import Agreement, Disagreement, Overlap, Pair
    from keenline.evaluation.consensus import Consensus
    from keenline.evaluation.kappa import Kappa

_SHOWN = 20


def agreement(
    labels: Annotated[
        list[str],
        typer.Argument(
            help="A label file for each person, as PATH or NAME=PATH; or one that names them.",
            metavar="LABELS...",
            show_default=False,
        ),
    ],
    images: Annotated[
        Path | None,
        typer.Option(
            "--images", help="Where the images are, if not beside or below.", metavar="DIR"
        ),
    ] = None,
    written_as: Annotated[
        str | None,
        typer.Option("--format", help="What LABELS are; else it is recognised.", metavar="NAME"),
    ] = None,
    marked_only: Annotated[
        bool,
        typer.Option(
            "--marked-only", help="One file: people saw only the images they marked something on."
        ),
    ] = False,
    consensus: Annotated[
        str | None,
        typer.Option(
            "--consensus", help="Write what most people said, in this format.", metavar="NAME"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The empty folder to write into.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say how far two or more people agree who labelled the same images.

    Images they disagree on are listed; above 5 % of them the labels are to be made anew. Intervals
    are two-sided, 95 %.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        from keenline.data.importers.label_choice import format_named, write_labels
        from keenline.evaluation.agreement import agreement as compare
        from keenline.evaluation.consensus import consensus as decide

        if marked_only and len(labels) > 1:
            raise typer.BadParameter("--marked-only: only for one file that names its people")
        if (consensus is None) != (output is None):
            raise typer.BadParameter("--consensus and --output go together")
        target = None if consensus is None else format_named(consensus)
        with terminal.waiting("reading the labels"):
            opinions, problems = _read(labels, images, written_as, marked_only=marked_only)
        found = compare(opinions.seen)
        decided = None if target is None else decide(opinions.seen, opinions.images)
        unsaid: Sequence[LabelProblem] = ()
        if target is not None and decided is not None:
            unsaid = write_labels(decided.labels, target, output)
        if as_json:
            terminal.emit(_record(found, opinions, problems, decided, unsaid))
            return
        _show(found, opinions, problems, terminal)
        if decided is not None:
            _show_consensus(decided, unsaid, f"{output} ({consensus})", terminal)


def _read(
    given: Sequence[str], images: Path | None, written_as: str | None, *, marked_only: bool
) -> tuple[Opinions, list[LabelProblem]]:
    from keenline.data.annotators import of_files, of_one_file
    from keenline.data.importers.label_choice import chosen_format

    places = [_named(text) for text in given]
    read: list[Labels] = [chosen_format(path, written_as).read(path, images) for _, path in places]
    problems = [problem for labels in read for problem in labels.problems]
    if len(read) == 1:
        return of_one_file(read[0], marked_only=marked_only), problems
    names = [name for name, _ in places]
    if len(set(names)) < len(names):
        names = [
            name if "=" in text else path.resolve().parent.name
            for text, (name, path) in zip(given, places, strict=True)
        ]
    return of_files(list(zip(names, read, strict=True))), problems


def _named(text: str) -> tuple[str, Path]:
    """NAME=PATH, or PATH, whose stem is the name."""
    name, is_named, rest = text.partition("=")
    if is_named and name and not Path(text).exists():
        return name, Path(rest)
    path = Path(text)
    return path.resolve().stem, path


def _show(
    found: Agreement, opinions: Opinions, problems: Sequence[LabelProblem], terminal: Terminal
) -> None:
    terminal.fact("people", one_line(", ".join(found.people)))
    for note in opinions.notes:
        terminal.fact("note", note)
    dropped = sum(problem.is_dropped for problem in problems)
    if dropped:
        words = f"{dropped} marks or images; `keenline labels` lists them"
        terminal.fact("not taken", words, "yellow")
    rate = found.disagreement
    terminal.fact("disagree", _rate(rate), "red" if rate.relabel else "green")
    terminal.fact("kappa", f"{_kappa(found.kappa)} (Fleiss, over the classes of an image)")
    for name, kappa in found.class_kappas.items():
        terminal.fact("", f"{one_line(name)}: {_kappa(kappa)}")
    for pair in found.pairs:
        _show_pair(pair, terminal)
    if rate.different:
        terminal.say()
        terminal.fact("label anew", f"{len(rate.different)} images", "yellow")
        _list(rate.different, terminal)
    terminal.say()
    if rate.relabel:
        terminal.say("They disagree on more than 5 % of the images: label those anew.", "red")
    elif rate.images:
        terminal.say("They disagree on no more than 5 % of the images.", "green")
    else:
        terminal.say("No image was seen by two people.", "red")


def _show_pair(pair: Pair, terminal: Terminal) -> None:
    terminal.say()
    terminal.fact("pair", one_line(" and ".join(pair.people)), "bold")
    terminal.fact("disagree", _rate(pair.disagreement))
    terminal.fact("kappa", f"{_kappa(pair.kappa)} (Cohen, over the classes of an image)")
    rows = [
        (
            one_line(each.class_name),
            f"{each.marks[0]} / {each.marks[1]}",
            str(each.matched),
            str(each.same_place),
            _mean(each.box, each.box95),
            _mean(each.mask, each.mask95),
            _kappa(pair.class_kappas[each.class_name]),
        )
        for each in pair.overlaps
    ]
    if rows:
        heading = ("class", "marks", "matched", "IoU >= .5", "box IoU", "mask IoU", "kappa")
        terminal.table(heading, rows)
    if pair.displaced:
        terminal.fact("place", f"same classes, other places: {len(pair.displaced)} images")
        _list(pair.displaced, terminal)


def _show_consensus(
    decided: Consensus, unsaid: Sequence[LabelProblem], written: str, terminal: Terminal
) -> None:
    terminal.fact("consensus", f"{len(decided.labels.images)} images")
    for what, names in (("undecided", decided.undecided), ("no one place", decided.unplaced)):
        if names:
            terminal.fact(what, f"{len(names)}", "yellow")
            _list(names, terminal)
    for problem in unsaid[:_SHOWN]:
        terminal.fact("cannot say", problem.what)
    terminal.fact("written", written, "bold")


def _list(names: Sequence[str], terminal: Terminal) -> None:
    for name in names[:_SHOWN]:
        terminal.fact("", one_line(name))
    if len(names) > _SHOWN:
        terminal.fact("", f"and {len(names) - _SHOWN} more; all with --json")


def _rate(rate: Disagreement) -> str:
    if rate.value is None:
        return "no image was seen by two"
    spread = f"{100 * rate.lower95:.1f} to {100 * rate.upper95:.1f} %"
    return f"on {len(rate.different)} of {rate.images} images, {100 * rate.value:.1f} % ({spread})"


def _kappa(kappa: Kappa) -> str:
    if kappa.value is None or kappa.lower95 is None or kappa.upper95 is None:
        return "-"
    return f"{kappa.value:.2f} ({kappa.lower95:.2f} to {kappa.upper95:.2f})"


def _mean(value: float | None, spread: tuple[float, float] | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" + ("" if spread is None else f" ({spread[0]:.2f} to {spread[1]:.2f})")


def _record(
    found: Agreement,
    opinions: Opinions,
    problems: Sequence[LabelProblem],
    decided: Consensus | None,
    unsaid: Sequence[LabelProblem],
) -> dict[str, object]:
    return {
        "people": list(found.people),
        "disagreement": _rate_record(found.disagreement),
        "kappa": asdict(found.kappa),
        "classes": {name: asdict(kappa) for name, kappa in found.class_kappas.items()},
        "pairs": [_pair_record(pair) for pair in found.pairs],
        "notes": list(opinions.notes),
        "problems": [str(problem) for problem in problems],
        "consensus": None
        if decided is None
        else {
            "images": len(decided.labels.images),
            "undecided": list(decided.undecided),
            "unplaced": list(decided.unplaced),
            "not_said": [problem.what for problem in unsaid],
        },
    }


def _rate_record(rate: Disagreement) -> dict[str, object]:
    return asdict(rate) | {"different": list(rate.different), "relabel": rate.relabel}


def _pair_record(pair: Pair) -> dict[str, object]:
    return {
        "people": list(pair.people),
        "disagreement": _rate_record(pair.disagreement),
        "kappa": asdict(pair.kappa),
        "classes": {name: asdict(kappa) for name, kappa in pair.class_kappas.items()},
        "overlaps": [_overlap_record(each) for each in pair.overlaps],
        "displaced": list(pair.displaced),
    }


def _overlap_record(each: Overlap) -> dict[str, object]:
    record = asdict(each)
    return {"class": record.pop("class_name"), **record}
