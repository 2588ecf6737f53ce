"""`keenline learn`: marked defects turned into a network that marks them, in a bundle."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import (
    EngineName,
    Json,
    PartPattern,
    PrecisionName,
    effective_recipe,
    require_writable,
    side,
)
from keenline.cli.teach import words_of
from keenline.cli.terminal import Terminal
from keenline.cli.train import describe, show_news, show_threshold

if TYPE_CHECKING:
    from keenline.data.dataset import Dataset
    from keenline.training.supervised.learn import Learnt
    from keenline.training.supervised.lesson import Line


def learn(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of good images and marked defects.", metavar="DATA", show_default=False
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The bundle to write.", metavar="FILE.keen"),
    ],
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="What to inspect, in TOML.", metavar="FILE")
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option("--backbone", help="The encoder: keenline or timm:NAME.", metavar="NAME"),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", help="A file with the weights of timm:NAME.", metavar="FILE"),
    ] = None,
    from_scratch: Annotated[
        bool,
        typer.Option("--from-scratch", help="Begin with random weights; needs far more images."),
    ] = False,
    loss: Annotated[
        str, typer.Option("--loss", help="dice+bce, focal or weighted.", metavar="NAME")
    ] = "dice+bce",
    attention: Annotated[
        bool, typer.Option("--attention", help="Let the decoder weigh channels and places.")
    ] = False,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="How many at most.")] = 100,
    time_budget: Annotated[
        str | None,
        typer.Option(
            "--time-budget", help="Learn no longer than this: 90s, 10m, 1.5h.", metavar="TIME"
        ),
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Crops in a batch.")] = 8,
    crop: Annotated[
        int, typer.Option("--crop", min=16, help="Side of a crop in pixels.", metavar="PX")
    ] = 192,
    rate: Annotated[float, typer.Option("--rate", min=1e-7, help="How large steps are.")] = 1e-3,
    size: Annotated[
        str | None, typer.Option("--size", help="Pixels, auto or native.", metavar="PX")
    ] = None,
    engine: Annotated[
        EngineName | None, typer.Option("--engine", help="What runs the graph.")
    ] = None,
    precision: Annotated[
        PrecisionName | None, typer.Option("--precision", help="What it computes with.")
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="The same seed and images learn the same.")
    ] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from FILE.keen.checkpoint, if it is there.")
    ] = False,
    part_pattern: PartPattern = None,
    as_json: Json = False,
) -> None:
    """Teach a network to mark defects, and which class each is.

    About a fifth of the parts is left out of learning: they decide when it ends, and every number
    is measured on them. Of a layout with a training split only that is read. Needs the extra
    `train`.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        # The extra is missed before images are read.
        from keenline.training.supervised.settings import (
            LOSSES,
            Settings,
            check_extra,
            seconds_of,
        )

        kind = next((name for name in LOSSES if name == loss), None)
        if kind is None:
            raise typer.BadParameter(f"{loss!r} is none of {', '.join(LOSSES)}")
        try:
            seconds = None if time_budget is None else seconds_of(time_budget)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        check_extra()
        wanted = effective_recipe(
            recipe,
            detector="unet",
            backbone=backbone,
            engine=engine,
            precision=precision,
            size=None if size is None else side(size),
        )
        require_writable(output)
        settings = Settings(
            weights=weights,
            from_scratch=from_scratch,
            loss=kind,
            attention=attention,
            epochs=epochs,
            seconds=seconds,
            batch=batch,
            crop=crop,
            rate=rate,
            seed=seed,
        )
        with terminal.waiting(f"reading {data}"):
            from keenline.data.importers import open_dataset
            from keenline.training.supervised import learn as learning

            dataset = open_dataset(data, part_pattern=part_pattern)
        describe(dataset, terminal)
        with terminal.steps() as progress:
            learnt = learning.learn(
                dataset,
                output,
                recipe=wanted,
                settings=settings,
                resume=resume,
                progress=progress,
                told=lambda line: _show(line, epochs, terminal),
            )
        if as_json:
            terminal.emit(_record(learnt))
        else:
            _conclude(learnt, dataset, terminal)
            terminal.next_step("keenline", "inspect", str(learnt.path), "IMAGES")


def _show(line: Line, epochs: int, terminal: Terminal) -> None:
    left = line["left"]
    words = f"{left:.0f} min" if left >= 1 else f"{60 * left:.0f} s"
    terminal.fact(
        f"epoch {line['epoch']:g}",
        f"of {epochs}  loss {line['loss']:.3f}  on parts left out {line['validation_loss']:.3f}  "
        f"at most {words} left",
    )


def _conclude(learnt: Learnt, dataset: Dataset, terminal: Terminal) -> None:
    manifest = learnt.bundle.manifest
    training = manifest.training
    terminal.fact(
        "learnt",
        f"{training.images} images of {training.parts} parts, {training.held_out_parts} of them "
        f"left out, {learnt.epochs} epochs, in {learnt.seconds:.0f} s",
    )
    for known in manifest.classes:
        terminal.fact("", words_of(known))
    if not math.isnan(learnt.pixel_f1):
        terminal.fact("pixels", f"F1 {learnt.pixel_f1:.2f} on parts left out")
    show_news(dataset, learnt.notes, learnt.skipped, terminal)
    show_threshold(learnt.bundle, terminal)
    terminal.fact("engine", f"{manifest.engine.name}, {manifest.engine.precision}")
    terminal.fact("bundle", f"{learnt.path} ({learnt.path.stat().st_size / 1e6:.1f} MB)", "bold")
    terminal.fact("", f"sha256 {learnt.bundle.sha256[:12]}")


def _record(learnt: Learnt) -> dict[str, object]:
    manifest = learnt.bundle.manifest
    f1 = None if math.isnan(learnt.pixel_f1) else round(learnt.pixel_f1, 4)
    return {
        "bundle": str(learnt.path),
        "sha256": learnt.bundle.sha256,
        "classes": [known.model_dump(mode="json") for known in manifest.classes],
        "threshold": manifest.threshold.model_dump(mode="json"),
        "training": manifest.training.model_dump(mode="json"),
        "engine": manifest.engine.model_dump(mode="json"),
        "epochs": learnt.epochs,
        "pixel_f1": f1,
        "seconds": round(learnt.seconds, 3),
        "notes": list(learnt.notes),
        "skipped": [
            {"path": str(file.path), "problem": file.error.what, "code": int(file.error.code)}
            for file in learnt.skipped
        ],
    }
