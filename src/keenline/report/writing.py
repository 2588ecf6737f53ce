"""Turns finished bytes into a file that is either whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from keenline.errors import OutputError


def write_whole(data: bytes, path: Path) -> None:
    """Write `data` beside `path` and move it there; an interruption leaves no partial file.

    Raises OutputError when the folder is missing, not writable, or the disk is full.
    """
    partial: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        partial = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.chmod(0o666 & ~_umask())  # mkstemp keeps it private
        partial.replace(path)
        partial = None
    except OSError as problem:
        raise OutputError.of(problem, path) from problem
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def as_utf8(text: str) -> bytes:
    """UTF-8; a file name that is no valid text on this system keeps its bytes as `\\udcXX`."""
    return text.encode("utf-8", "backslashreplace")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
