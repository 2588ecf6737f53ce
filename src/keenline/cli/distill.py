"""`keenline distill`: folders of images without labels turned into a backbone of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.training.distill import Distilled, Line
    from keenline.training.unlabelled import Unlabelled


def distill(
    images: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of images, read to any depth; no labels are needed.",
            metavar="DIR...",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="A folder for the student and all that is needed to go on.",
            metavar="DIR",
            show_default=False,
        ),
    ],
    teacher: Annotated[
        list[str],
        typer.Option(
            "--teacher",
            help="A backbone to learn from, with levels at strides 8 and 16; may be said again.",
            metavar="NAME",
            show_default=False,
        ),
    ],
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            help="Files to leave out, such as masks: a pattern as in a shell, for the path below "
            "the folder; may be said again.",
            metavar="PATTERN",
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", min=0.01, help="How long to teach; 60 unless --steps is said."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="How many batches to teach.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="What is drawn at random.")] = 0,
    batch: Annotated[int, typer.Option("--batch", min=2, help="Crops in a batch.")] = 16,
    size: Annotated[
        int, typer.Option("--size", min=32, help="Side of a crop in pixels.", metavar="PX")
    ] = 160,
    final_size: Annotated[
        int,
        typer.Option(
            "--final-size", min=32, help="Side in the last part of the run.", metavar="PX"
        ),
    ] = 256,
    procedural: Annotated[
        float,
        typer.Option("--procedural", min=0, max=1, help="Share of crops of drawn images."),
    ] = 0.4,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in the folder.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Teach a small network, from random weights, to see what larger ones see.

    The student is a backbone: `keenline train --backbone onnx:DIR/keenline.onnx`. Needs the
    extra `train` and an hour of two cores, or minutes of a GPU.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        # The extra is missed before an hour of images is read.
        from keenline.training.distill_settings import Settings, check_extra, fitted

        check_extra()
        settings = fitted(
            Settings(
                tuple(teacher),
                steps=steps,
                minutes=60.0 if minutes is None and steps is None else minutes,
                seed=seed,
                batch=batch,
                size=size,
                final_size=final_size,
                procedural=procedural,
                pool=500 if procedural else 0,
            )
        )
        from keenline.training import distill as teaching
        from keenline.training.unlabelled import read_folders

        with terminal.steps() as progress:
            unlabelled = read_folders(images, exclude=exclude or (), progress=progress)
            _describe(unlabelled, terminal)
            result = teaching.distill(
                unlabelled,
                settings,
                output,
                resume=resume,
                progress=progress,
                told=lambda line: _show(line, terminal),
            )
        if as_json:
            terminal.emit(_record(result, unlabelled))
        else:
            terminal.fact("student", str(result.graph), "bold")
            terminal.next_step(
                *("keenline", "train", "DATA", "-o", "part.keen"),
                *("--backbone", f"onnx:{result.graph}"),
            )


def _describe(unlabelled: Unlabelled, terminal: Terminal) -> None:
    held_out = len(unlabelled.held_out)
    terminal.fact("images", f"{unlabelled.files} files, of which {held_out} only to measure with")
    terminal.skipped((str(path), why) for path, why in unlabelled.skipped)


def _show(line: Line, terminal: Terminal) -> None:
    told = [f"step {line['step']:g}", f"{line['minutes']:.1f} min"]
    told += [f"loss {line['loss']:.3f}"] if "loss" in line else []
    told += [f"{level} {100 * line[level]:.1f} %" for level in ("s8", "s16") if level in line]
    terminal.fact("explained", "  ".join(told))


def _record(result: Distilled, unlabelled: Unlabelled) -> dict[str, object]:
    return {
        "graph": str(result.graph),
        "steps": result.steps,
        "minutes": round(result.minutes, 2),
        "explained": dict(result.explained),
        "images": unlabelled.files,
        "held_out": len(unlabelled.held_out),
        "skipped": [{"path": str(path), "problem": why} for path, why in unlabelled.skipped],
    }
