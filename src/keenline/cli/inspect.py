"""`keenline inspect`: images turned into verdicts, one line each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli import verdicts
from keenline.cli.failures import failing_calmly
from keenline.cli.files import Files, content_of
from keenline.cli.options import BundlePath, Csv, Json, OtherEngine, Parquet, Report, Threads
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.inference.inspector import Inspector
    from keenline.report.content import ReportRow
    from keenline.types import Inspection

DID_NOT_PASS = 1
"""The exit code that `--exit-verdict` asks for."""


def inspect(
    bundle: BundlePath,
    paths: Annotated[
        list[Path],
        typer.Argument(help="Images, or folders of images.", metavar="PATH", show_default=False),
    ],
    report: Report = None,
    csv: Csv = None,
    parquet: Parquet = None,
    exit_verdict: Annotated[
        bool,
        typer.Option("--exit-verdict", help="Exit with 1 when any image did not PASS."),
    ] = False,
    engine: OtherEngine = None,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Inspect images: PASS, REVIEW, REJECT or INVALID for each.

    Folders are searched for every image in them. An image that cannot be read is INVALID, never
    passed over. With --json one object a line, as soon as it is known.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        files = Files(report, csv, parquet)
        files.check()
        with terminal.waiting(f"opening {bundle}"):
            from keenline.inference.inspector import Inspector

            inspector = Inspector.open(bundle, engine=engine, threads=threads)
        images, masks = find_images(paths)
        if masks:
            terminal.note(f"Masks are not inspected: {len(masks)}, such as {masks[0]}")
        passed, rows = _inspect_all(inspector, images, terminal, keep=files)
        if files.wanted:
            files.write(content_of(bundle, inspector, rows), inspector, terminal)
    if exit_verdict and not passed:
        raise typer.Exit(DID_NOT_PASS)


def find_images(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The image files that `paths` mean, each once, folders searched to any depth; and the masks
    in folders, which show no part.

    A file that is named itself is inspected whatever its ending and name. Raises ImageError when
    a path does not exist, DatasetError when a folder holds no image.
    """
    from keenline.data.importers.listing import listing
    from keenline.data.importers.pairing import without_masks
    from keenline.errors import Code, ImageError

    found: dict[Path, None] = {}
    masks: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            images, beside = without_masks(path, listing(path).images)
            found |= {path / name: None for name in images}
            masks |= {path / name: None for name in beside}
        elif path.exists():
            found[path] = None
        else:
            raise ImageError(
                Code.IMAGE_MISSING,
                "There is no such image or folder",
                where=path,
                next="check the path; nothing was inspected",
            )
    return list(found), [mask for mask in masks if mask not in found]


def _inspect_all(
    inspector: Inspector, images: Sequence[Path], terminal: Terminal, *, keep: Files
) -> tuple[bool, list[ReportRow]]:
    """Inspect and say so image by image; whether all passed, and the rows that files need."""
    terminal.say(verdicts.HEADER, "dim")
    said: list[tuple[str, float]] = []
    rows: list[ReportRow] = []
    for image in images:
        inspection = inspector.inspect(image)
        verdict = inspection.decision.verdict.value
        said.append((verdict, inspection.milliseconds))
        _tell(image, inspection, terminal)
        if keep.wanted:
            rows.append(_row(image, inspection))
    terminal.say()
    terminal.show(verdicts.summary(said, inspector.threshold))
    return all(verdict == "PASS" for verdict, _ in said), rows


def _tell(image: Path, inspection: Inspection, terminal: Terminal) -> None:
    if not terminal.as_json:
        terminal.row(verdicts.line(str(image), inspection))
        return
    from keenline.report.tables import inspection_record

    terminal.emit(inspection_record(str(image), inspection))


def _row(image: Path, inspection: Inspection) -> ReportRow:
    from keenline.report.content import ReportRow

    return ReportRow(image, inspection)
