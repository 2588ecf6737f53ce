"""Files of images kept by the hash of their pixels, in a folder; each is whole or not there."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from keenline.errors import Code, StoreError
from keenline.store.pictures import SUFFIX, decode, pixels_sha256
from keenline.store.settings import ImageFormat
from keenline.types import Image

_PARTIAL = "partial"
"""Folder of files that are being written."""
_LEFT_S = 3600.0
"""Older ones were left by a sudden end."""


class ImagePlace(Protocol):
    """Where the files of images are."""

    name: str
    """For people."""

    def open(self) -> None:
        """Make ready. Raises StoreError IMAGES_UNREACHABLE when that can only fail again."""

    def put(self, sha256: str, data: bytes) -> None:
        """Keep `data`; safe when this returns. Raises StoreError IMAGES_UNREACHABLE."""

    def get(self, sha256: str) -> bytes:
        """The file of an image. Raises StoreError IMAGES_UNREACHABLE, also where there is none."""

    def has(self, sha256: str) -> bool:
        """Whether there is a file of this image. Raises StoreError IMAGES_UNREACHABLE."""

    def delete(self, sha256: str) -> None:
        """Let a file go, where there is one. Raises StoreError IMAGES_UNREACHABLE."""

    def has_room(self) -> bool:
        """Whether a file may be put now without taking what others need."""

    def free_bytes(self) -> int | None:
        """What is free on the disk; None where nobody can say."""

    def close(self) -> None:
        """End what runs; never raises."""


def read_image(place: ImagePlace, sha256: str) -> Image:
    """The image whose pixels have this hash, (height, width, 3), uint8.

    Raises StoreError: IMAGES_UNREACHABLE when it cannot be had, AUDIT_BROKEN when what is there is
    not the image that was inspected.
    """
    data = place.get(sha256)
    try:
        image = decode(data)
        found = pixels_sha256(image)
    except ValueError as error:
        found = str(error)
        image = None
    if image is None or found != sha256:
        raise StoreError(
            Code.AUDIT_BROKEN,
            "A kept image is not the one that was inspected",
            where=place.name,
            expected=sha256,
            got=found,
            next="the file was damaged or changed after it was written; keep it for an expert",
        )
    return image


class ImageFolder:
    """A place on disk: `ab/cdef....png` under a folder."""

    def __init__(self, folder: Path, kind: ImageFormat, *, reserve_bytes: int) -> None:
        self.folder = folder
        self.name = str(folder)
        self._suffix = SUFFIX[kind]
        self._reserve = reserve_bytes

    def open(self) -> None:
        try:
            partial = self.folder / _PARTIAL
            partial.mkdir(parents=True, exist_ok=True)
            for file in partial.iterdir():
                if time.time() - file.stat().st_mtime > _LEFT_S:
                    file.unlink(missing_ok=True)
            with tempfile.TemporaryFile(dir=partial):
                pass
        except OSError as error:
            raise unreachable(self.name, error) from error

    def put(self, sha256: str, data: bytes) -> None:
        path = self._path(sha256, self._suffix)
        try:
            if not path.exists():
                _write_whole(path, data, self.folder / _PARTIAL)
        except OSError as error:
            raise unreachable(self.name, error) from error

    def get(self, sha256: str) -> bytes:
        try:
            return self.file(sha256).read_bytes()
        except OSError as error:
            raise unreachable(self.name, error) from error

    def has(self, sha256: str) -> bool:
        return self.file(sha256).exists()

    def delete(self, sha256: str) -> None:
        try:
            for suffix in SUFFIX.values():
                self._path(sha256, suffix).unlink(missing_ok=True)
        except OSError as error:
            raise unreachable(self.name, error) from error

    def has_room(self) -> bool:
        free = self.free_bytes()
        return free is None or free > self._reserve

    def free_bytes(self) -> int | None:
        try:
            return shutil.disk_usage(self.folder).free
        except OSError:
            return None  # the folder is gone: `put` will say so

    def contents(self) -> Iterator[tuple[str, int]]:
        """Hash and bytes of every image that is here, oldest first."""
        files = [path for suffix in SUFFIX.values() for path in self.folder.glob(f"??/*{suffix}")]
        found = [(path.stat(), path) for path in files]
        for status, path in sorted(found, key=lambda each: each[0].st_mtime_ns):
            yield path.parent.name + path.stem, status.st_size

    def close(self) -> None:
        """Nothing runs here."""

    def file(self, sha256: str) -> Path:
        """The file of an image, or where it would be."""
        paths = [self._path(sha256, suffix) for suffix in SUFFIX.values()]
        return next((path for path in paths if path.exists()), paths[0])

    def _path(self, sha256: str, suffix: str) -> Path:
        return self.folder / sha256[:2] / f"{sha256[2:]}{suffix}"


def unreachable(where: str, error: Exception) -> StoreError:
    """The error for a place of images that does not do its work now."""
    return StoreError(
        Code.IMAGES_UNREACHABLE,
        "An image cannot be written or read",
        where=where,
        got=getattr(error, "strerror", None) or " ".join(str(error).split()),
        next="the line goes on without images; free space, check the permissions or the network",
    )


def _write_whole(path: Path, data: bytes, partial: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    number, name = tempfile.mkstemp(dir=partial)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fdatasync(number)  # or the name could outlive a loss of power without its content
        Path(name).chmod(0o640)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
