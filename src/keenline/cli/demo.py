"""`keenline demo`: the whole job on a part that is rendered here, from nothing to a report."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from keenline.cli.evaluate import show_evaluated
from keenline.cli.failures import failing_calmly
from keenline.cli.files import Files
from keenline.cli.terminal import Terminal
from keenline.cli.train import conclude, describe
from keenline.errors import Code, OutputError

_GOOD, _INSPECTED = 60, 60
_MARK = "made-by-keenline-demo.txt"
_RECIPE = """\
# What the demo inspects. Every key is explained in docs/recipe.md.
part = "Demo plate"

[image]
pixel_size_mm = {pixel_size_mm}
"""


def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder to write.", metavar="DIR")
    ] = Path("keenline-demo"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, other plates.")] = 0,
    line_seconds: Annotated[
        float,
        typer.Option("--line-seconds", min=0, help="How long the simulated line runs; 0: not."),
    ] = 30.0,
    open_report: Annotated[
        bool, typer.Option("--open", help="Open the report in the browser.", show_default=False)
    ] = False,
) -> None:
    """Render a metal plate, learn it from 60 good photos, inspect 60, write a report, and let the
    plates run past a simulated camera with a PLC.

    Needs no camera, no internet and no images.
    """
    terminal = Terminal()
    with failing_calmly(terminal):
        _require_ours(output)
        images, recipe = output / "images", output / "recipe.toml"
        bundle, report = output / "plate.keen", output / "report.html"
        with terminal.waiting(f"rendering {_GOOD + _INSPECTED} photos of a metal plate"):
            _render(output, seed)
        with terminal.waiting("reading the photos"):
            from keenline.data.importers import open_dataset
            from keenline.inference.inspector import Inspector
            from keenline.recipe import load_recipe
            from keenline.training import fit

            dataset = open_dataset(images)
        describe(dataset, terminal)
        with terminal.steps() as progress:
            trained = fit.train(
                dataset, bundle, recipe=load_recipe(recipe), seed=seed, progress=progress
            )
        conclude(trained, dataset, terminal)
        terminal.say()
        inspector = Inspector.open(bundle)
        show_evaluated(bundle, inspector, dataset, Files(report=report), terminal)
        if line_seconds:
            _run_line(bundle, images, output / "line", line_seconds, terminal)
        terminal.next_step("keenline", "inspect", str(bundle), str(images / "test"))
    if open_report:
        typer.launch(report.resolve().as_uri())


def _run_line(bundle: Path, images: Path, folder: Path, seconds: float, terminal: Terminal) -> None:
    from keenline.cli.simulate import run_line
    from keenline.cli.simulated_line import Wanted

    terminal.say()
    terminal.say("The same plates on a virtual conveyor, 20 a second:", "bold")
    folder.mkdir(exist_ok=True)
    run_line(Wanted(bundle, images), folder, seconds, terminal)


def _require_ours(folder: Path) -> None:
    """Raise OutputError unless `folder` is new, empty, or from an earlier demo."""
    if not folder.exists() or (folder / _MARK).is_file():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    raise OutputError(
        Code.OUTPUT_NOT_WRITABLE,
        "The folder holds something that is not from the demo",
        where=folder,
        next="choose another folder with --output",
    )


def _render(folder: Path, seed: int) -> None:
    from keenline.data.demo_part import PIXEL_SIZE_MM, write_demo_dataset

    with _whole_folder(folder) as made:
        write_demo_dataset(made / "images", good=_GOOD, inspected=_INSPECTED, seed=seed)
        (made / "recipe.toml").write_text(_RECIPE.format(pixel_size_mm=PIXEL_SIZE_MM))
        (made / _MARK).write_text(f"`keenline demo` may replace this folder. Seed {seed}.\n")


@contextmanager
def _whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of `folder` when it is complete, and only then.

    Raises OutputError when it cannot be written.
    """
    made: Path | None = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        made.chmod(0o755)
        yield made
        if folder.exists():
            shutil.rmtree(folder)
        made.replace(folder)
        made = None
    except OSError as error:
        raise OutputError(
            Code.OUTPUT_NOT_WRITABLE,
            "The folder cannot be written",
            where=folder,
            got=error.strerror,
            next="choose another folder with --output, or free some space",
        ) from error
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)
