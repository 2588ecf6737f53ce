"""`keenline augment`: labelled images turned into a sheet of how they might also have looked."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import Json, effective_recipe, require_writable
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from keenline.data.augment import Variant
    from keenline.data.dataset import Dataset
    from keenline.recipe import Recipe
    from keenline.report.contact_sheet import SheetRow
    from keenline.types import Sample


def augment(
    data: Annotated[
        Path,
        typer.Argument(help="A folder of labelled images.", metavar="DATA", show_default=False),
    ],
    preview: Annotated[
        Path, typer.Option("--preview", help="The sheet to write, a PNG.", metavar="SHEET.png")
    ],
    recipe: Annotated[
        Path | None,
        typer.Option("--recipe", help="What each class allows; else the defaults.", metavar="FILE"),
    ] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="Show this class only.", metavar="NAME")
    ] = None,
    rows: Annotated[
        int, typer.Option("--rows", min=1, max=40, help="Images to show, from all classes in turn.")
    ] = 8,
    variants: Annotated[
        int, typer.Option("--variants", min=1, max=20, help="Variants of each image.")
    ] = 6,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed shows the same.")] = 0,
    as_json: Json = False,
) -> None:
    """Show what a recipe makes of labelled images before anything is learnt from them.

    Each row of the sheet is one image, first as it is, then as it might also have looked. A variant
    that shows what cannot happen on your part means that the recipe's [classes.augment] allows too
    much. Of a layout with a training split only that is shown.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        require_writable(preview)
        rules = effective_recipe(recipe)
        with terminal.waiting(f"reading {data}"):
            from keenline.data.importers import open_dataset

            dataset = open_dataset(data)
            chosen = _chosen(dataset, class_name, rows)
        made, shown = _sheet(chosen, rules, variants, seed)
        write_sheet(made, preview)
        if as_json:
            record = [{"image": str(s.image), "class": s.label, "limited": n} for s, n in shown]
            terminal.emit({"sheet": str(preview), "seed": seed, "images": record})
            return
        _conclude(shown, variants, preview, terminal)


def write_sheet(sheet: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], path: Path) -> None:
    """Write (height, width, 3) as a PNG, whole or not at all. Raises OutputError."""
    from PIL import Image as PillowImage

    from keenline.report.writing import write_whole

    content = io.BytesIO()
    PillowImage.fromarray(sheet).save(content, "PNG")
    write_whole(content.getvalue(), path)


def _chosen(dataset: Dataset, class_name: str | None, count: int) -> list[Sample]:
    """Samples of all classes in turn, those first that say where the defect is."""
    from keenline.errors import Code, DatasetError

    learnable = [s for s in dataset.defects if s.split != "test"]
    named = [s for s in learnable if class_name in (None, s.label)]
    if not named:
        raise DatasetError(
            Code.DATASET_NO_DEFECT,
            "There are no defects to show variants of",
            where=dataset.root,
            expected=f"labelled images of {class_name}" if class_name else "labelled images",
            got=", ".join(sorted({s.label for s in learnable})) or "no defects",
        )
    by_class: dict[str, list[Sample]] = {}
    for sample in sorted(named, key=lambda s: (s.mask is None and not s.marks, str(s.image))):
        by_class.setdefault(sample.label, []).append(sample)
    longest = max(map(len, by_class.values()))
    turns = (
        each[place] for place in range(longest) for each in by_class.values() if place < len(each)
    )
    return [sample for sample, _ in zip(turns, range(count), strict=False)]


def _sheet(
    samples: Sequence[Sample], recipe: Recipe, variants: int, seed: int
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], list[tuple[Sample, int]]]:
    """The sheet, and of each image how many variants could not be turned freely."""
    import numpy as np

    from keenline.data.augment import augmented, policy_for, sensor_of
    from keenline.data.class_masks import class_masks
    from keenline.data.reading import read_image
    from keenline.report.contact_sheet import Cell, SheetRow, contact_sheet

    sheet: list[SheetRow] = []
    shown = []
    for place, sample in enumerate(samples):
        image = read_image(sample.image, bit_depth=recipe.image.bit_depth)
        masks = class_masks(sample, (image.shape[1], image.shape[0]))
        policy = policy_for(recipe, masks or [sample.label])
        rng = np.random.default_rng((seed, place))
        made = [augmented(image, masks, policy, rng, sensor_of(recipe)) for _ in range(variants)]
        cells = [Cell(image, masks, "as it is")]
        cells += [Cell(each.image, each.masks, _words(each)) for each in made]
        title = f"{', '.join(masks) or sample.label}   {policy.kind}   {sample.image.name}"
        sheet.append(SheetRow(title, cells))
        shown.append((sample, sum(each.is_limited for each in made)))
    return contact_sheet(sheet, "The first of each row is the original"), shown


def _words(variant: Variant) -> str:
    turn, light = variant.turn, variant.light
    words = [f"{round(turn.angle) % 360}°"]
    if turn.is_mirrored:
        words.append("mirrored")
    words.append(f"blur {light.blur:.1f}")
    lit = [f"light {100 * (light.brightness - 1):+.0f} %", f"contrast {light.contrast:.2f}"]
    lit.append(f"gamma {light.gamma:.2f}")
    return f"{'  '.join(words)}\n{'  '.join(lit)}"


def _conclude(
    shown: Sequence[tuple[Sample, int]], variants: int, preview: Path, terminal: Terminal
) -> None:
    counts: dict[str, int] = {}
    for sample, _ in shown:
        counts[sample.label] = counts.get(sample.label, 0) + 1
    words = ", ".join(f"{name} {count}" for name, count in counts.items())
    terminal.fact("shown", f"{len(shown)} images, {variants} variants of each: {words}")
    kept = sum(count for _, count in shown)
    if kept:
        what = f"{kept} variants only mirrored or by 180 or 90 degrees: the border is too near"
        terminal.fact("turned", what, "yellow")
    unmarked = sum(sample.mask is None and not sample.marks for sample, _ in shown)
    if unmarked:
        terminal.fact("no mark", f"{unmarked} images do not say where the defect is", "yellow")
    terminal.fact("sheet", str(preview), "bold")
