"""Finds the image a label file names, as tools name it: by path, by file name, or by address."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from keenline.data.image_file import SUFFIXES


class ImageFiles:
    """The images below some folders."""

    def __init__(self, *folders: Path) -> None:
        """The folders are looked through in this order; one that is not there holds nothing."""
        self._folders = folders
        self._by_name: defaultdict[str, list[Path]] = defaultdict(list)
        self._by_stem: defaultdict[str, list[Path]] = defaultdict(list)
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() in SUFFIXES and path.is_file():
                    self._by_name[path.name].append(path)
                    self._by_stem[path.stem].append(path)

    def find(self, name: str) -> Path | None:
        """The image meant by `name`: a path or an address, with forward slashes.

        Sought as that path below each folder; then by its file name and, of several files with
        that name, the one that shares the most folders at the end of its path. None when there
        is none, or when it cannot be told which of several. Never a file outside the folders.
        """
        sought = PurePosixPath(unquote(urlsplit(name).path) if "://" in name else name)
        same_name = self._by_name.get(sought.name, [])
        for folder in self._folders:
            exact = folder / sought.relative_to(sought.anchor)
            if exact in same_name:
                return exact
        return _nearest(same_name, sought.parent)

    def stem(self, name: str) -> Path | None:
        """The image with this name less its suffix, where folders before it tell which of several;
        None when there is none, or when it cannot be told which."""
        sought = PurePosixPath(name)
        return _nearest(self._by_stem.get(sought.name, []), sought.parent)


def _nearest(paths: list[Path], folder: PurePosixPath) -> Path | None:
    if len({path.resolve() for path in paths}) == 1:
        return paths[0]
    ranked = sorted(((_shared(path.parent, folder), path) for path in paths), reverse=True)
    if len(ranked) > 1 and ranked[0][0] > ranked[1][0]:
        return ranked[0][1]
    return None


def _shared(path: Path, sought: PurePosixPath) -> int:
    count = 0
    for mine, other in zip(reversed(path.parts), reversed(sought.parts), strict=False):
        if mine != other:
            break
        count += 1
    return count
