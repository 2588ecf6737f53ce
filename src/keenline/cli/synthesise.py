"""`keenline synthesise`: labelled defects on good images turned into synthetic defective ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json, effective_recipe, require_writable
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keenline.data.dataset import Dataset
    from keenline.data.defect_library import Cuts
    from keenline.data.procedural_defects import DrawnKind
    from keenline.data.synthetic import Synthesised
    from keenline.recipe import Recipe

_SHOWN = 6
"""Images of each class on the sheet."""


def synthesise(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of good images and labelled defects.", metavar="DATA", show_default=False
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="The empty folder to write into.", metavar="DIR"),
    ],
    share: Annotated[
        float,
        typer.Option(
            "--share",
            min=0.01,
            max=0.9,
            help="Share of synthetic images among the defective ones of each class.",
        ),
    ] = 0.25,
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", help="Regions and classes; else the defaults.", metavar="FILE"),
    ] = None,
    draw: Annotated[
        list[str] | None,
        typer.Option(
            "--draw",
            help="Also draw scratch, dent, pit or stain as this class; again for more.",
            metavar="KIND=CLASS",
        ),
    ] = None,
    library: Annotated[
        Path | None,
        typer.Option(
            "--library",
            help="Paste from this library too; written anew where it is not there.",
            metavar="DIR",
        ),
    ] = None,
    preview: Annotated[
        Path | None,
        typer.Option("--preview", help="Also write a sheet of the results.", metavar="SHEET.png"),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed makes the same.")] = 0,
    as_json: Json = False,
) -> None:
    """Put real defects on good images, and draw others, to learn from beside the real ones.

    Only for learning: the images are named keenline-synthetic-N, lie in a folder of their own, and
    are never measured on. Of a layout with a training split only that is used.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        from keenline.data.new_folder import new_folder

        drawn = _drawn(draw or [])
        require_writable(preview)
        rules = effective_recipe(recipe)
        new_folder(output)
        with terminal.waiting(f"reading {data}"):
            from keenline.data.importers import open_dataset

            dataset = open_dataset(data)
        with terminal.waiting("cutting out defects, and putting them on good images"):
            found, made, tested = _make(dataset, rules, output, share, drawn, library, seed)
        if preview is not None:
            _preview(output, made, preview)
        if as_json:
            terminal.emit(_record(output, found, made, tested))
        else:
            _conclude(output, found, made, tested, terminal)


def _drawn(words: Sequence[str]) -> dict[str, list[DrawnKind]]:
    """`scratch=MT_Crack` and the like, by class; raises BadParameter."""
    from keenline.data.procedural_defects import DrawnKind

    found: dict[str, list[DrawnKind]] = {}
    for word in words:
        kind, is_there, name = word.partition("=")
        if kind not in list(DrawnKind) or not is_there or not name:
            known = ", ".join(DrawnKind)
            raise typer.BadParameter(f"{word!r} is not KIND=CLASS with one of {known}")
        found.setdefault(name, []).append(DrawnKind(kind))
    return found


def _make(
    dataset: Dataset,
    recipe: Recipe,
    output: Path,
    share: float,
    drawn: dict[str, list[DrawnKind]],
    library: Path | None,
    seed: int,
) -> tuple[Cuts, Synthesised, int]:
    """What was cut, what was made, and how many of the library's are of tested images."""
    from functools import partial

    from keenline.data.defect_library import (
        INDEX,
        cut_defects,
        read_library,
        write_library,
    )
    from keenline.data.new_folder import new_folder
    from keenline.data.synthetic import synthesise as make
    from keenline.data.synthetic import untested
    from keenline.inference.region_of_interest import roi_mask

    found = cut_defects(dataset.samples, recipe.image.bit_depth, dataset.root)
    cuts, given_away = found.cuts, 0
    if library is not None and (library / INDEX).exists():
        known = {(cut.source_sha256, cut.class_name, cut.box) for cut in cuts}
        kept = [
            cut
            for cut in read_library(library)
            if cut.network or (cut.source_sha256, cut.class_name, cut.box) not in known
        ]
        tested = [sample for sample in dataset.samples if sample.split == "test"]
        fair = untested(kept, set(dataset.hashes(tested).values()))
        given_away, cuts = len(kept) - len(fair), (*cuts, *fair)
    elif library is not None:
        new_folder(library)
        write_library(cuts, library)
    made = make(
        dataset.samples,
        cuts,
        recipe,
        output,
        share=share,
        drawn=drawn,
        seed=seed,
        region=partial(roi_mask, recipe.inspect),
        root=dataset.root,
    )
    return found, made, given_away


def _preview(output: Path, made: Synthesised, sheet: Path) -> None:
    """A row for each class."""
    from keenline.cli.augment import write_sheet
    from keenline.data.reading import read_image, read_mask
    from keenline.report.contact_sheet import Cell, SheetRow, contact_sheet

    rows: dict[str, list[Cell]] = {}
    for one in made.index.images:
        cells = rows.setdefault(one.class_name, [])
        if len(cells) < _SHOWN:
            image = read_image(output / one.image)
            mask = read_mask(output / one.mask, (image.shape[1], image.shape[0]))
            cells.append(Cell(image, {one.class_name: mask}, f"{one.origin} {one.blend or ''}"))
    found = [SheetRow(f"{name}   synthetic", cells) for name, cells in rows.items()]
    write_sheet(contact_sheet(found, "Synthetic defects"), sheet)


def _conclude(
    output: Path, found: Cuts, made: Synthesised, tested: int, terminal: Terminal
) -> None:
    counts = _counts(made)
    terminal.fact("cut out", f"{len(found.cuts)} defects")
    reasons = {
        "cut off by the border of their image": found.at_border,
        "too large to have surroundings": found.too_large,
        "too small: slips beside a larger mark": found.too_small,
        "too faint to stand out from their surroundings": found.too_faint,
        "in images that do not say where": found.unmarked,
    }
    for reason, count in reasons.items():
        if count:
            terminal.fact("not cut", f"{count} {reason}", "yellow")
    if tested:
        what = f"{tested} of the library, which come from images of the test split"
        terminal.fact("not used", what, "yellow")
    for name, count in counts.items():
        words = f"{name}: {count} images beside {made.index.real.get(name, 0)} real ones, "
        words += f"{100 * made.share_of(name):.0f} %"
        terminal.fact("made" if name == next(iter(counts)) else "", words)
    for name, count in made.without_place.items():
        what = f"{name}: {count} images, because no good image has a surface like the defect's"
        terminal.fact("not made", what, "yellow")
    for name in made.without_cut:
        terminal.fact("not made", f"{name}: none of its defects could be cut out", "yellow")
    terminal.skipped((str(file.path), file.error.what) for file in (*found.skipped, *made.skipped))
    terminal.fact("folder", str(output), "bold")


def _counts(made: Synthesised) -> dict[str, int]:
    names = sorted({one.class_name for one in made.index.images})
    return {name: sum(one.class_name == name for one in made.index.images) for name in names}


def _record(output: Path, found: Cuts, made: Synthesised, tested: int) -> dict[str, object]:
    return {
        "folder": str(output),
        "made": _counts(made),
        "real": made.index.real,
        "share": made.index.share,
        "shares": {name: round(made.share_of(name), 4) for name in _counts(made)},
        "of_tested_images": tested,
        "without_place": made.without_place,
        "without_cut": list(made.without_cut),
        "cut": len(found.cuts),
        "not_cut": {
            "at_border": found.at_border,
            "too_large": found.too_large,
            "too_small": found.too_small,
            "too_faint": found.too_faint,
            "unmarked": found.unmarked,
        },
        "skipped": [
            {"path": str(file.path), "problem": file.error.what, "code": int(file.error.code)}
            for file in (*found.skipped, *made.skipped)
        ],
    }
