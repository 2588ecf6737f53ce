"""A path turned into an empty folder, so that nothing that is there is overwritten."""

from __future__ import annotations

from pathlib import Path

from keenline.errors import Code, OutputError


def new_folder(folder: Path) -> None:
    """Make the folder where it is not there. Raises OutputError where it holds something."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        occupied = next(folder.iterdir(), None)
    except OSError as error:
        raise OutputError.of(error, folder) from error
    if occupied is not None:
        raise OutputError(
            Code.OUTPUT_NOT_WRITABLE,
            "The folder is not empty, and nothing in it is overwritten",
            where=folder,
            got=occupied.name,
            next="name an empty or a new folder",
        )
