"""`keenline distill`: folders of any images turned into a backbone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json
from keenline.cli.terminal import Terminal


def distill(
    images: Annotated[
        list[Path],
        typer.Argument(help="Folders of images, without labels.", metavar="DIR..."),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="A folder for the student.", metavar="DIR"),
    ],
    teacher: Annotated[
        list[str],
        typer.Option("--teacher", help="A backbone to learn from; may be said again."),
    ],
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", help="Files that are no images to learn, such as masks."),
    ] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", min=0.01)] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1)] = None,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    resume: Annotated[bool, typer.Option("--resume")] = False,
    as_json: Json = False,
) -> None:
    """Teach a small network to see what larger ones see."""
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        from keenline.training import distill as teaching
        from keenline.training.distill_settings import Settings, best_device, check_extra
        from keenline.training.unlabelled import read_folders

        check_extra()
        settings = Settings(tuple(teacher), steps=steps, minutes=minutes, seed=seed)
        device, bf16 = best_device()
        settings = replace(settings, device=device, bf16=bf16, teacher_precision="bf16")
        with terminal.steps() as progress:
            unlabelled = read_folders(images, exclude=exclude or (), progress=progress)
            terminal.skipped((str(path), why) for path, why in unlabelled.skipped)
            result = teaching.distill(
                unlabelled, settings, output, resume=resume, progress=progress, told=terminal.emit
            )
        terminal.fact("student", str(result.graph))
