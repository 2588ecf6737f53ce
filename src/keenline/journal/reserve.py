"""Space set aside on a disk turned back into room, block by block, when the disk is full."""

from __future__ import annotations

import errno
import os
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the operating system says when there is no room, for all or for this user."""

_BLOCK = 4096
# A disk that has just got room for the reserve alone would be full again at once.
_ROOM_BESIDE = 4


class Reserve:
    """A preallocated file that is shortened while the disk is full. One thread at a time.

    Only so much is given up as one write needs, so that nobody else on the disk gets the rest. On
    a file system that compresses or that copies on write it gives less than its size, or nothing.
    """

    def __init__(self, path: Path, size: int) -> None:
        """Open or make the file at `path` with `size` bytes, or as many as there are; raises
        OSError when it cannot even be made."""
        self.size = size
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self.left = 0
        """Bytes that it still holds."""
        self.refill()

    @property
    def is_used(self) -> bool:
        """It does not hold all that it should."""
        return self.left < self.size

    def give_up(self, needed: int) -> bool:
        """Give `needed` bytes, rounded up to blocks, back to the disk; False when none are left."""
        held = self._held()
        self.left = max(0, held - -(-needed // _BLOCK) * _BLOCK)
        os.ftruncate(self._file, self.left)
        return held > 0

    def refill(self) -> bool:
        """Take back what was given up, where the disk has ample room; whether it is whole."""
        self.left = self._held()
        if self.left == self.size:
            return True
        disk = os.fstatvfs(self._file)
        missing = self.size - self.left
        if disk.f_bavail * disk.f_frsize < missing + self.size // _ROOM_BESIDE:
            return False
        try:
            if missing < 0:
                os.ftruncate(self._file, self.size)
            else:
                os.posix_fallocate(self._file, self.left, missing)
        except OSError as error:
            os.ftruncate(self._file, min(self.left, self.size))
            if error.errno not in FULL:
                raise
            return False
        self.left = self.size
        return True

    def close(self) -> None:
        """Let the file go; what it holds stays held."""
        os.close(self._file)
        self._file = -1  # its number may soon be another file's

    def _held(self) -> int:
        return os.fstat(self._file).st_size
