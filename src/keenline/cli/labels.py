"""`keenline labels`: label files of any tool checked, counted, and written for another tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keenline.data.formats import Format
    from keenline.data.labels import LabelProblem, Labels

_SHOWN = 20


def labels(
    place: Annotated[
        Path,
        typer.Argument(
            help="A label file, or a folder of them.", metavar="LABELS", show_default=False
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
        typer.Option("--format", help="What LABELS is; else it is recognised.", metavar="NAME"),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Write the labels in this format.", metavar="NAME")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The empty folder to write into.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check label files of any tool, and write them for another.

    Everything that cannot be taken as it stands is listed with its file and line. Images are not
    copied. Formats: coco, voc, deeppcb, yolo, labelme, cvat, cvat-video, labelbox, via, manifest,
    masks.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        from keenline.data.importers.label_choice import chosen_format, format_named, write_labels

        known = chosen_format(place, written_as)
        target = None if to is None else format_named(to)
        with terminal.waiting(f"reading {place}"):
            found = known.read(place, images)
        unsaid = () if target is None else write_labels(found, target, output)
        if as_json:
            terminal.emit(_record(found, target, output, unsaid))
            return
        _show(found, terminal)
        if target is not None:
            _list(unsaid, f"{target.name} cannot say", terminal)
            terminal.fact("written", f"{output} ({target.name})", "bold")


def _show(found: Labels, terminal: Terminal) -> None:
    terminal.fact("labels", found.format)
    here = sum(image.path is not None for image in found.images)
    good = sum(not image.annotations for image in found.images)
    terminal.fact("images", f"{len(found.images)}, {here} of them here, {good} without any mark")
    for name, count in found.counts.items():
        terminal.fact("", f"{name}: {count}")
    dropped = [problem for problem in found.problems if problem.is_dropped]
    changed = [problem for problem in found.problems if not problem.is_dropped]
    _list(dropped, "not taken", terminal)
    _list(changed, "to know", terminal)


def _list(problems: Sequence[LabelProblem], what: str, terminal: Terminal) -> None:
    if problems:
        terminal.fact(what, str(len(problems)), "yellow")
    for problem in problems[:_SHOWN]:
        terminal.fact("", f"KL{int(problem.code)} {problem}")
    if len(problems) > _SHOWN:
        terminal.fact("", f"and {len(problems) - _SHOWN} more; all with --json")


def _record(
    found: Labels, target: Format | None, output: Path | None, unsaid: Sequence[LabelProblem]
) -> dict[str, object]:
    return {
        "format": found.format,
        "images": len(found.images),
        "images_here": sum(image.path is not None for image in found.images),
        "classes": found.counts,
        "problems": [_problem(problem) for problem in found.problems],
        "written": None if target is None else {"format": target.name, "folder": str(output)},
        "not_said": [_problem(problem) for problem in unsaid],
    }


def _problem(problem: LabelProblem) -> dict[str, object]:
    return {
        "code": int(problem.code),
        "file": str(problem.file),
        "line": problem.line,
        "problem": problem.what,
        "dropped": problem.is_dropped,
    }
