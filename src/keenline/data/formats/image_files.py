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
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() in SUFFIXES and path.is_file():
                    self._by_name[path.name].append(path)

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
        if len({path.resolve() for path in same_name}) == 1:
            return same_name[0]
        ranked = sorted(((_shared(path, sought), path) for path in same_name), reverse=True)
        if len(ranked) > 1 and ranked[0][0] > ranked[1][0]:
            return ranked[0][1]
        return None

    def stem(self, stem: str) -> Path | None:
        """The only image with this file name less its suffix; None when there is none, or more."""
        found = {
            path
            for name, paths in self._by_name.items()
            if PurePosixPath(name).stem == stem
            for path in paths
        }
        return found.pop() if len(found) == 1 else None


def _shared(path: Path, sought: PurePosixPath) -> int:
    count = 0
    for mine, other in zip(reversed(path.parts), reversed(sought.parts), strict=False):
        if mine != other:
            break
        count += 1
    return count
