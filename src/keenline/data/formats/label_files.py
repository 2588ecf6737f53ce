"""A path turned into the label files of one format at it, and those into one reading."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from keenline.data.formats.image_files import ImageFiles
from keenline.data.formats.reading import LabelReading
from keenline.errors import Code, LabelError

LOOKED_AT = 4096
"""Bytes at the start of a file by which its format is told, unless a format needs more."""


def label_files(
    path: Path, suffixes: Collection[str], belongs: Callable[[Path], bool]
) -> tuple[Path, ...]:
    """`path` itself where it is a file; of a folder, the files below it that belong to the format.

    `suffixes` in lower case with the dot. A file that was named is taken as it is: reading it
    says what is wrong with it.
    """
    if path.is_file():
        return (path,)
    found = (file for file in sorted(path.rglob("*")) if file.suffix.lower() in suffixes)
    return tuple(file for file in found if file.is_file() and belongs(file))


def image_files(path: Path, images: Path | None) -> ImageFiles:
    """The images in the folder named, or else beside and below the labels at `path`."""
    return ImageFiles(images or (path if path.is_dir() else path.parent))


def start_of(path: Path, size: int = LOOKED_AT) -> bytes:
    """The first bytes of a file; nothing when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError:
        return b""


def read_each(
    files: Collection[Path],
    path: Path,
    reading: LabelReading,
    read_one: Callable[[Path, LabelReading], None],
) -> None:
    """Read all files at `path`; one that cannot be read is put on the list where another can.

    Raises LabelError (LABEL_FILE) when there is none, or none that can be read.
    """
    failed: list[tuple[Path, LabelError]] = []
    for file in files:
        try:
            read_one(file, reading)
        except LabelError as error:
            failed.append((file, error))
    if not files:
        raise not_this_format(path, "no file of this format")
    if len(failed) == len(files):
        raise failed[0][1]
    for file, fault in failed:
        what = f"{fault.what}: {fault.got}" if fault.got else fault.what
        reading.problem(Code.LABEL_FILE, _line(fault), what, file=file)


def not_this_format(where: object, got: str) -> LabelError:
    """The error (LABEL_FILE) of a file that can be read but is of another kind."""
    return LabelError(
        Code.LABEL_FILE,
        "There are no labels of this format",
        where=where,
        got=got,
        next="name the format the labels were exported in, or leave it to be found",
    )


def _line(error: LabelError) -> int | None:
    number = (error.where or "").rpartition(":")[2]
    return int(number) if number.isdecimal() else None
