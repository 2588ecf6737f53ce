"""A folder turned into the list of its image files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from keenline.data.image_file import is_image_name
from keenline.errors import Code, DatasetError

_CLUTTER = frozenset({"__macosx", "thumbs.db", "desktop.ini", "$recycle.bin"})


@dataclass(frozen=True, slots=True)
class Listing:
    """The image files under a folder, by their path relative to it."""

    root: Path
    images: tuple[PurePosixPath, ...]
    """Sorted; files with an image's ending, masks included."""
    others: tuple[PurePosixPath, ...] = ()
    """Other files, without hidden ones and what operating systems leave behind."""

    def folders(self) -> dict[PurePosixPath, list[PurePosixPath]]:
        """The images of each folder that directly holds some."""
        found: dict[PurePosixPath, list[PurePosixPath]] = {}
        for image in self.images:
            found.setdefault(image.parent, []).append(image)
        return found


def listing(root: Path) -> Listing:
    """Walk `root`; links are followed, each real folder once, so loops end.

    Raises DatasetError: DATASET_MISSING when `root` is no readable folder, DATASET_EMPTY when it
    holds no image file at all.
    """
    if not root.is_dir():
        raise DatasetError(
            Code.DATASET_MISSING,
            "The folder of images does not exist",
            where=root,
            got="a file" if root.exists() else "nothing of that name",
        )
    images: list[PurePosixPath] = []
    others: list[PurePosixPath] = []
    for path in _files(root):
        kind = images if is_image_name(path) else others
        kind.append(PurePosixPath(path.relative_to(root).as_posix()))
    if not images:
        raise DatasetError(
            Code.DATASET_EMPTY,
            "The folder holds no images",
            where=root,
            expected="PNG, JPEG, TIFF, BMP or WebP files",
            got=f"{len(others)} other files",
        )
    return Listing(root, tuple(sorted(images)), tuple(sorted(others)))


def _files(root: Path) -> Iterator[Path]:
    seen: set[str] = set()
    for folder, children, files in os.walk(root, onerror=_refused, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            children.clear()
            continue
        seen.add(real)
        children[:] = sorted(name for name in children if _wanted(name))
        yield from (Path(folder, name) for name in files if _wanted(name))


def _wanted(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _CLUTTER


def _refused(error: OSError) -> None:
    raise DatasetError(
        Code.DATASET_MISSING, "A folder cannot be read", where=error.filename, got=error.strerror
    ) from error
