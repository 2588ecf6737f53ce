"""What several commands ask for, in the same words, and its check before any work begins."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.errors import Code, EnvironmentMissing, OutputError

if TYPE_CHECKING:
    from keenline.recipe import Recipe


class EngineName(StrEnum):
    """Which engine runs the graph."""

    OPENVINO = "openvino"
    ONNXRUNTIME = "onnxruntime"


class PrecisionName(StrEnum):
    """What the engine computes with."""

    AUTO = "auto"
    F32 = "f32"
    BF16 = "bf16"
    INT8 = "int8"


Output = Annotated[
    Path, typer.Option("--output", "-o", help="The bundle to write.", metavar="FILE.keen")
]
RecipeFile = Annotated[
    Path | None, typer.Option("--recipe", help="What to inspect, in TOML.", metavar="FILE")
]
Side = Annotated[str | None, typer.Option("--size", help="Pixels, auto or native.", metavar="PX")]
LearntEngine = Annotated[EngineName | None, typer.Option("--engine", help="What runs the graph.")]
LearntPrecision = Annotated[
    PrecisionName | None, typer.Option("--precision", help="What it computes with.")
]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="The same seed and images learn the same.")
]
BundlePath = Annotated[
    Path, typer.Argument(help="A bundle written by train.", metavar="BUNDLE", show_default=False)
]
Json = Annotated[
    bool, typer.Option("--json", help="Write JSON on stdout, and nothing else.", show_default=False)
]
Report = Annotated[
    Path | None,
    typer.Option("--report", help="Write a report, one HTML file.", metavar="FILE"),
]
PageReport = Annotated[
    Path | None,
    typer.Option("--report", help="Write a report: one HTML file, or PDF.", metavar="FILE"),
]
Csv = Annotated[Path | None, typer.Option("--csv", help="Write raw scores as CSV.", metavar="FILE")]
Parquet = Annotated[
    Path | None,
    typer.Option("--parquet", help="Write raw scores as Parquet (extra parquet).", metavar="FILE"),
]
OtherEngine = Annotated[
    EngineName | None,
    typer.Option("--engine", help="Run with this engine instead of the bundle's own."),
]
Threads = Annotated[
    int, typer.Option("--threads", min=0, help="Threads for one image; 0: the engine's choice.")
]
PartPattern = Annotated[
    str | None,
    typer.Option(
        "--part-pattern",
        help="Regular expression with a group (?P<part>...), searched in each path under DATA: "
        "images of one part or lot stay together.",
        metavar="REGEX",
    ),
]


def side(text: str) -> int | str:
    """`--size` as the recipe knows it; raises BadParameter."""
    if text in ("auto", "native"):
        return text
    if not text.isascii() or not text.isdigit():
        raise typer.BadParameter(f"{text!r} is neither a number of pixels, nor auto, nor native")
    return int(text)


def effective_recipe(
    path: Path | None,
    *,
    detector: str | None = None,
    backbone: str | None = None,
    engine: str | None = None,
    precision: str | None = None,
    size: int | str | None = None,
    learning: Mapping[str, object] | None = None,
    unsaid_backbone: Callable[[Recipe], str | None] = lambda _: None,
) -> Recipe:
    """The recipe in `path`, or every default, with what was said on the command line on top.

    learning: keys of the recipe's table of that name, None where nothing was said; its model is the
    detector then. unsaid_backbone: which one, for the recipe that results, where nobody named any.
    Raises RecipeError for the file, BadParameter for what was said.
    """
    from pydantic import ValidationError

    from keenline.recipe import Recipe, load_recipe

    recipe = Recipe() if path is None else load_recipe(path)
    nobody = backbone is None and "backbone" not in recipe.detector.model_fields_set
    said = {"name": detector, "backbone": backbone, "engine": engine, "precision": precision}
    values = recipe.model_dump(mode="json")
    values["detector"] |= {key: value for key, value in said.items() if value is not None}
    if learning is not None:
        values["learning"] |= {key: value for key, value in learning.items() if value is not None}
        values["detector"]["name"] = values["learning"]["model"]
    if size is not None:
        values["image"]["size"] = side(str(size))
    try:
        made = Recipe.model_validate_json(json.dumps(values))
        own = unsaid_backbone(made) if nobody else None
        if own is None:
            return made
        values["detector"]["backbone"] = own
        return Recipe.model_validate_json(json.dumps(values))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(key) for key in fault['loc'][:2])} = {fault['input']}: {fault['msg']}"
            for fault in error.errors()[:1]
        )
        raise typer.BadParameter(faults) from error


def require_writable(*paths: Path | None) -> None:
    """Raise OutputError now rather than after the work, where a file plainly cannot be written."""
    for path in paths:
        if path is None:
            continue
        problem = _problem(path)
        if problem:
            raise OutputError(
                Code.OUTPUT_NOT_WRITABLE,
                "The file cannot be written",
                where=path,
                got=problem,
                next="name a file in a folder that exists and may be written",
            )


def require_pdf(path: Path | None) -> None:
    """Raise EnvironmentMissing now rather than after the work."""
    if path is not None:
        from keenline.report.pdf import require_pdf as required

        required(path)


def require_parquet(path: Path | None) -> None:
    """Raise EnvironmentMissing now rather than after the work."""
    if path is not None and find_spec("pyarrow") is None:
        raise EnvironmentMissing(
            Code.EXTRA_MISSING,
            "Writing Parquet needs pyarrow",
            where=path,
            next="pip install 'keenline[parquet]', or --csv",
        )


def _problem(path: Path) -> str | None:
    folder = path.parent
    if path.is_dir():
        return "this is a folder"
    if not folder.exists():
        return f"the folder {folder} does not exist"
    if not folder.is_dir():
        return f"{folder} is not a folder"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"the folder {folder} may not be written"
    return None
