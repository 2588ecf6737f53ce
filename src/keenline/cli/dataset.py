"""`keenline dataset`: immutable versions of a folder of images made, shown, checked, counted."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json, PartPattern, require_writable
from keenline.cli.results import one_line
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.data.class_progress import ClassProgress
    from keenline.data.dataset_version import DatasetVersion


class Action(StrEnum):
    """What to do."""

    CREATE = "create"
    SHOW = "show"
    VERIFY = "verify"
    PROGRESS = "progress"


_MADE_ONLY = "create: "


def dataset(
    action: Annotated[
        Action,
        typer.Argument(
            help="create, show, verify or progress.",
            metavar="create|show|verify|progress",
            show_default=False,
        ),
    ],
    place: Annotated[
        Path,
        typer.Argument(
            help="create: the folder of images; else a version (.keenset).",
            metavar="PLACE",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help=_MADE_ONLY + "the version to write; else the next vN.keenset in the folder.",
            metavar="FILE.keenset",
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", help=_MADE_ONLY + "who makes it.", metavar="NAME")
    ] = None,
    parent: Annotated[
        Path | None,
        typer.Option(
            "--parent", help=_MADE_ONLY + "the version it follows.", metavar="FILE.keenset"
        ),
    ] = None,
    provenance: Annotated[
        Path | None,
        typer.Option(
            "--provenance",
            help=_MADE_ONLY + "a table of where images come from; else provenance.csv, if any.",
            metavar="FILE.csv",
        ),
    ] = None,
    seeded: Annotated[
        float, typer.Option("--seeded", help=_MADE_ONLY + "share held out of each class.")
    ] = 0.3,
    validation: Annotated[
        float, typer.Option("--validation", help=_MADE_ONLY + "share to tune by while learning.")
    ] = 0.15,
    acceptance: Annotated[
        float, typer.Option("--acceptance", help=_MADE_ONLY + "share sealed for the acceptance.")
    ] = 0.0,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help=_MADE_ONLY + "the same seed deals the same.")
    ] = 0,
    across_lots: Annotated[
        bool,
        typer.Option("--across-lots", help=_MADE_ONLY + "images of one lot may be torn apart."),
    ] = False,
    keep_splits: Annotated[
        bool,
        typer.Option("--keep-splits", help=_MADE_ONLY + "the folder's own train and test stand."),
    ] = False,
    part_pattern: PartPattern = None,
    as_json: Json = False,
) -> None:
    """Make an immutable version of a folder of images; show, check and count one.

    A version lists every image with its hash, labels, origin and split. A share of each class is
    held out (seeded), and one can be sealed for the acceptance: learning never sees it. Give a
    version wherever a folder of images is asked for.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        if action is not Action.CREATE:
            if any((output, by, parent, provenance, across_lots, keep_splits, part_pattern)):
                raise typer.BadParameter("only create makes a version, and takes such options")
            {Action.SHOW: _show, Action.VERIFY: _verify, Action.PROGRESS: _progress}[action](
                place, terminal
            )
            return
        require_writable(output)
        from keenline.data.dealing import Shares
        from keenline.data.importers.version_file import account
        from keenline.data.versioning import create_version
        from keenline.types import GOOD

        with terminal.waiting(f"reading {place}"):
            created = create_version(
                place,
                output,
                by=by or account(),
                provenance=provenance,
                parent=parent,
                shares=Shares(seeded, validation, acceptance),
                seed=seed,
                across_lots=across_lots,
                keep_splits=keep_splits,
                part_pattern=part_pattern,
            )
        skipped = [(str(each.path), each.error.what) for each in created.skipped]
        if as_json:
            listed = [{"path": path, "error": what} for path, what in skipped]
            terminal.emit(_record(created.file, created.version) | {"skipped": listed})
            return
        _describe(created.file, created.version, terminal)
        terminal.skipped(skipped)
        learnt = {sample.label == GOOD for sample in created.version.of("train")}
        if created.version.parent and False in learnt:
            terminal.next_step("keenline", "teach", "BUNDLE", "--labelled", str(created.file))
        elif created.version.parent and learnt:
            terminal.next_step("keenline", "update", "BUNDLE", "--good", str(created.file))
        elif True in learnt:
            terminal.next_step("keenline", "train", str(created.file), "-o", "part.keen")


def _show(file: Path, terminal: Terminal) -> None:
    from keenline.data.keenset import read_version
    from keenline.data.seal_log import log_of, read_log

    version = read_version(file)
    events = read_log(log_of(file))
    if terminal.as_json:
        from dataclasses import asdict

        terminal.emit(_record(file, version) | {"log": [asdict(event) for event in events]})
        return
    _describe(file, version, terminal)
    for event in events:
        words = f"{event.time[:19]} {event.event} by {event.who}: {event.why}"
        terminal.fact("sealed set" if event.number == 1 else "", one_line(words))


def _verify(file: Path, terminal: Terminal) -> None:
    from keenline.data.importers.version_file import changes, require_unchanged
    from keenline.data.keenset import folder_of, read_version
    from keenline.data.seal_log import log_of, read_log
    from keenline.data.sealed import require_log

    version = read_version(file)
    require_log(file)
    events = read_log(log_of(file))
    with terminal.waiting("checking every file"):
        changed = changes(folder_of(version, file), version.samples)
    require_unchanged(file, changed)
    head = events[-1].hash if events else None
    if terminal.as_json:
        terminal.emit(
            {
                "whole": True,
                "id": version.id,
                "samples": len(version.samples),
                "log": len(events),
                "log_head": head,
            }
        )
        return
    terminal.fact("version", version.id)
    if head:
        terminal.fact("log", f"{len(events)} lines, the last {head}")
    terminal.say(f"All {len(version.samples)} samples are as they were.", "green")


def _progress(file: Path, terminal: Terminal) -> None:
    from keenline.data.class_progress import GOALS, capture_list, progress
    from keenline.data.dataset_version import SPLITS
    from keenline.data.keenset import read_version

    classes = progress(read_version(file))
    wanted = capture_list(classes)
    if terminal.as_json:
        listed = [_progress_record(each) for each in classes]
        terminal.emit({"goals": list(GOALS), "classes": listed, "to_capture": wanted})
        return
    rows = [
        (
            each.name,
            str(each.images),
            *("yes" if each.images >= goal else f"{goal - each.images} more" for goal in GOALS),
            str(each.groups),
            *(str(count) for _, count in each.splits),
        )
        for each in classes
    ]
    goals = [f"{goal}?" for goal in GOALS]
    terminal.table(("class", "images", *goals, "groups", *SPLITS), rows)
    terminal.say()
    for place, line in enumerate(wanted):
        terminal.fact("" if place else "to capture", one_line(line))


def _describe(file: Path, version: DatasetVersion, terminal: Terminal) -> None:
    from keenline.data.class_progress import progress
    from keenline.data.dataset_version import SPLITS

    terminal.fact("version", str(file), "bold")
    terminal.fact("", f"id {version.id}")
    terminal.fact("made", f"{version.created:%Y-%m-%d %H:%M} by {one_line(version.by)}")
    if version.parent:
        terminal.fact("follows", version.parent)
    terminal.fact("images", f"{len(version.samples)} ({version.layout})")
    for note in version.notes:
        terminal.fact("note", one_line(note))
    terminal.say()
    rows = [
        (each.name, *(str(count) for _, count in each.splits), str(each.groups))
        for each in progress(version)
    ]
    terminal.table(("class", *SPLITS, "groups"), rows)
    if version.gone:
        terminal.fact("gone", f"{len(version.gone)} images of earlier versions")


def _record(file: Path, version: DatasetVersion) -> dict[str, object]:
    from keenline.data.class_progress import progress

    return {
        "file": str(file),
        "id": version.id,
        "parent": version.parent or None,
        "created": version.created.isoformat(),
        "by": version.by,
        "layout": version.layout,
        "samples": len(version.samples),
        "gone": len(version.gone),
        "classes": [_progress_record(each) for each in progress(version)],
        "notes": list(version.notes),
    }


def _progress_record(each: ClassProgress) -> dict[str, object]:
    return {
        "class": each.name,
        "images": each.images,
        "groups": each.groups,
        "splits": dict(each.splits),
        "next_goal": each.goal,
        "missing": each.to_capture,
        **{spread.by: dict(spread.counts) for spread in each.spreads},
    }
