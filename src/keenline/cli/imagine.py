"""`keenline imagine`: marked defects turned into imagined ones in a library of defects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json, effective_recipe, require_writable
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keenline.training.generative.imagine import Imagined

_SHOWN = 8
"""Crops in a row of the sheet."""


def imagine(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of good images and marked defects.", metavar="DATA", show_default=False
        ),
    ],
    name: Annotated[str, typer.Option("--class", help="The defect to imagine.", metavar="NAME")],
    library: Annotated[
        Path,
        typer.Option(
            "--library", help="The library of defects to add to, or to write.", metavar="DIR"
        ),
    ],
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", help="Regions and classes; else the defaults.", metavar="FILE"),
    ] = None,
    time_budget: Annotated[
        str | None,
        typer.Option(
            "--time-budget", help="Learn no longer than this: 90s, 10m, 1.5h.", metavar="TIME"
        ),
    ] = None,
    steps: Annotated[int, typer.Option("--steps", min=1, help="How many at most.")] = 4000,
    crop: Annotated[
        int, typer.Option("--crop", min=32, help="Side of a crop in pixels.", metavar="PX")
    ] = 64,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Crops in a batch.")] = 2,
    rate: Annotated[float, typer.Option("--rate", min=1e-7, help="How large steps are.")] = 2e-4,
    tries: Annotated[
        int, typer.Option("--tries", min=1, help="Good surfaces to imagine it on.")
    ] = 200,
    preview: Annotated[
        Path | None,
        typer.Option("--preview", help="Also write a sheet of the results.", metavar="SHEET.png"),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="The same seed and images imagine the same.")
    ] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from DIR.checkpoint, if it is there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Teach networks to turn good surfaces into defective ones, and keep what they imagine.

    What changed in one compact place enters the library, with the network and the image it was
    imagined on; `keenline synthesise --library` pastes it. Look at it first: a network shows what
    it has seen, not what can happen. Needs the extra `train`.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        from keenline.training.generative.settings import Settings
        from keenline.training.supervised.settings import check_extra, seconds_of

        try:
            seconds = None if time_budget is None else seconds_of(time_budget)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error
        check_extra()
        require_writable(preview)
        rules = effective_recipe(recipe)
        settings = Settings(
            crop=crop, batch=batch, rate=rate, steps=steps, seconds=seconds, seed=seed
        )
        with terminal.waiting(f"reading {data}"):
            from keenline.data.importers import open_dataset
            from keenline.training.generative import imagine as imagining

            dataset = open_dataset(data)
        with terminal.steps() as progress:
            found = imagining.imagine(
                dataset,
                name,
                library,
                recipe=rules,
                settings=settings,
                tries=tries,
                resume=resume,
                progress=progress,
                told=lambda step, losses, left: _show(step, losses, left, terminal),
            )
        if preview is not None:
            _preview(found, preview)
        if as_json:
            terminal.emit(_record(library, found))
        else:
            _conclude(library, found, terminal)
            terminal.next_step("keenline", "synthesise", str(data), "--library", str(library))


def _show(step: int, losses: Mapping[str, float], left: float, terminal: Terminal) -> None:
    words = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
    time = f"{left / 60:.0f} min" if left >= 60 else f"{left:.0f} s"
    terminal.fact(f"step {step}", f"{words}  at most {time} left")


def _conclude(library: Path, found: Imagined, terminal: Terminal) -> None:
    network = found.network
    terminal.fact(
        "learnt",
        f"{network.class_name}: {len(network.learnt_from)} images, {network.steps} steps, "
        f"in {found.seconds:.0f} s",
    )
    if found.without_place:
        what = f"{found.without_place} good images without a surface like that around the defects"
        terminal.fact("passed over", what, "yellow")
    terminal.fact("imagined", f"{len(found.cuts)} of {len(found.tries)} good surfaces")
    for why, count in found.unusable.items():
        terminal.fact("not taken", f"{count} {why}", "yellow")
    for note in found.notes:
        terminal.fact("note", note, "yellow")
    terminal.skipped((str(file.path), file.error.what) for file in found.skipped)
    terminal.fact("library", str(library), "bold")
    terminal.fact("", f"network {network.sha256[:12]}")


def _preview(found: Imagined, sheet: Path) -> None:
    """Real ones; surfaces, and below each what was made of it; and what was not taken."""
    from keenline.cli.augment import write_sheet
    from keenline.report.contact_sheet import Cell, SheetRow, contact_sheet
    from keenline.training.generative.changed_area import Unusable

    name = found.network.class_name
    # Crops of one image follow one another; a few from everywhere say more.
    step = max(1, len(found.real) // _SHOWN)
    rows = [SheetRow(f"real {name}", [Cell(crop, {}) for crop in found.real[::step][:_SHOWN]])]
    taken = [one for one in found.tries if not isinstance(one.found, Unusable)]
    others = [one for one in found.tries if isinstance(one.found, Unusable)]
    for title, tries in (("imagined", taken[:_SHOWN]), ("not taken", others[:_SHOWN])):
        if tries:
            before = [Cell(one.before, {}) for one in tries]
            after = [
                Cell(one.after, {}, one.found)
                if isinstance(one.found, Unusable)
                else Cell(one.after, {name: one.found})
                for one in tries
            ]
            rows += [SheetRow(f"{title}: good surfaces", before), SheetRow(title, after)]
    write_sheet(contact_sheet(rows, f"{name}, real and imagined"), sheet)


def _record(library: Path, found: Imagined) -> dict[str, object]:
    return {
        "library": str(library),
        "imagined": len(found.cuts),
        "tries": len(found.tries),
        "not_taken": {why.value: count for why, count in found.unusable.items()},
        "network": found.network.model_dump(mode="json", by_alias=True),
        "without_place": found.without_place,
        "seconds": round(found.seconds, 3),
        "notes": list(found.notes),
        "skipped": [
            {"path": str(file.path), "problem": file.error.what, "code": int(file.error.code)}
            for file in found.skipped
        ],
    }
