"""`keenline learn`: labelled images turned into a network of any kind, in a bundle."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.changes import follow
from keenline.cli.failures import failing_calmly
from keenline.cli.options import (
    Json,
    LearntEngine,
    LearntPrecision,
    Output,
    PartPattern,
    RecipeFile,
    Seed,
    Side,
    effective_recipe,
    require_writable,
)
from keenline.cli.teach import words_of
from keenline.cli.terminal import Terminal
from keenline.cli.train import describe, show_news, show_threshold
from keenline.training.supervised.learners import LEARNERS, learner

if TYPE_CHECKING:
    from keenline.data.dataset import Dataset
    from keenline.training.supervised.learn import Learnt
    from keenline.training.supervised.lesson import Line


EPILOG = "Models:\n" + "".join(f"\n* {name}: {known.meaning}" for name, known in LEARNERS.items())


def learn(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of labelled images, in any layout.", metavar="DATA", show_default=False
        ),
    ],
    output: Output,
    recipe: RecipeFile = None,
    model: Annotated[
        str | None, typer.Option("--model", help="One of those below.", metavar="NAME")
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
        str | None,
        typer.Option("--loss", help="dice+bce, focal, weighted or cross-entropy.", metavar="NAME"),
    ] = None,
    balance: Annotated[
        str | None,
        typer.Option(
            "--balance", help="For rare classes: oversample, weights or none.", metavar="NAME"
        ),
    ] = None,
    attention: Annotated[
        bool | None,
        typer.Option(
            "--attention/--no-attention", help="Let the decoder weigh channels and places."
        ),
    ] = None,
    frozen: Annotated[
        bool | None,
        typer.Option("--frozen/--no-frozen", help="Teach only what follows the encoder."),
    ] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="How many at most.")] = None,
    time_budget: Annotated[
        str | None,
        typer.Option(
            "--time-budget", help="Learn no longer than this: 90s, 10m, 1.5h.", metavar="TIME"
        ),
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", help="Images in a batch.")] = None,
    crop: Annotated[
        int | None, typer.Option("--crop", help="Side of a crop in pixels.", metavar="PX")
    ] = None,
    rate: Annotated[float | None, typer.Option("--rate", help="How large steps are.")] = None,
    devices: Annotated[
        int, typer.Option("--devices", help="GPUs that share each batch.", min=1)
    ] = 1,
    size: Side = None,
    engine: LearntEngine = None,
    precision: LearntPrecision = None,
    seed: Seed = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from FILE.keen.checkpoint, if it is there.")
    ] = False,
    part_pattern: PartPattern = None,
    as_json: Json = False,
) -> None:
    """Teach a network every weight, with `[learning]` of the recipe and what is said here.

    About a fifth of the parts is left out of learning: they decide when it ends, and every number
    is measured on them. Of a layout with a training split only that is read. Needs the extra
    `train`.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        # The extra is missed before images are read.
        from keenline.training.supervised.settings import Settings, check_extra, seconds_of

        try:
            seconds = None if time_budget is None else seconds_of(time_budget)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        wanted = effective_recipe(
            recipe,
            backbone=backbone,
            engine=engine,
            precision=precision,
            size=size,
            learning={
                "model": model,
                "loss": loss,
                "balance": balance,
                "attention": attention,
                "frozen": frozen,
                "epochs": epochs,
                "batch": batch,
                "crop": crop,
                "rate": rate,
            },
            unsaid_backbone=lambda made: (
                None if weights is None else learner(made.learning.model).backbone
            ),
        )
        known = learner(wanted.learning.model)
        check_extra()
        require_writable(output)
        settings = Settings.of(
            wanted.learning,
            weights=weights,
            from_scratch=from_scratch,
            seconds=seconds,
            seed=seed,
            devices=devices,
        )
        with terminal.waiting(f"reading {data}"):
            from keenline.data.importers import open_dataset

            dataset = open_dataset(data, part_pattern=part_pattern, only_defects=known.only_defects)
            teach = known.load()
        describe(dataset, terminal)
        with terminal.steps() as progress:
            learnt = teach(
                dataset,
                output,
                recipe=wanted,
                settings=settings,
                resume=resume,
                progress=progress,
                told=lambda line: _show(line, settings.epochs, terminal),
            )
        follow(learnt.path, "learnt", before="", terminal=terminal)
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
    for name, words in learnt.said.items():
        terminal.fact(name, words)
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
        "facts": manifest.facts,
        "seconds": round(learnt.seconds, 3),
        "notes": list(learnt.notes),
        "skipped": [
            {"path": str(file.path), "problem": file.error.what, "code": int(file.error.code)}
            for file in learnt.skipped
        ],
    }
