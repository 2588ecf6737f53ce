"""A label file, and the name of a format or none, turned into the format to read or write by."""

from __future__ import annotations

from pathlib import Path

from keenline.data.formats import FORMATS, Format
from keenline.data.labels import LabelProblem, Labels
from keenline.data.new_folder import new_folder
from keenline.errors import Code, LabelError, OutputError


def chosen_format(place: Path, name: str | None) -> Format:
    """The format `name`, or the first that recognises `place`. Raises LabelError (LABEL_FILE)."""
    if not place.exists():
        raise LabelError(
            Code.LABEL_FILE,
            "There are no labels here",
            where=place,
            expected="a label file, or a folder of them",
            got="nothing of that name",
        )
    if name is not None:
        return format_named(name)
    for known in FORMATS:
        if known.recognises(place):
            return known
    raise LabelError(
        Code.LABEL_FILE,
        "No format recognises these labels",
        where=place,
        expected="one of " + ", ".join(known.name for known in FORMATS),
        got="a folder" if place.is_dir() else f"a {place.suffix or 'nameless'} file",
        next="name the format with --format; the error will then say what is wrong",
    )


def format_named(name: str) -> Format:
    """Raises LabelError (LABEL_FILE)."""
    for known in FORMATS:
        if known.name == name:
            return known
    raise LabelError(
        Code.LABEL_FILE,
        "There is no such format of labels",
        expected="one of " + ", ".join(known.name for known in FORMATS),
        got=name,
    )


def write_labels(labels: Labels, target: Format, folder: Path | None) -> tuple[LabelProblem, ...]:
    """Write into an empty or new folder; answers with what the format cannot say.

    Raises OutputError when the folder holds something, or cannot be written.
    """
    if folder is None:
        raise OutputError(
            Code.OUTPUT_NOT_WRITABLE,
            "It is not said where the labels are to be written",
            expected="--output DIR",
        )
    new_folder(folder)
    return target.write(labels, folder)
