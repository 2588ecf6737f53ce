"""A bundle's file turned into a copy that nobody else can change while it is in use."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import BinaryIO

from keenline.bundle import Manifest, read_bundle
from keenline.errors import BundleError, OutputError


class HeldBundle:
    """A verified bundle in a file of its own that has no name.

    An engine that crashed and is started again gets from it what was verified and is named in
    every result, whatever has become of the bundle's file meanwhile.
    """

    def __init__(self, path: Path) -> None:
        """Copy and verify. Raises BundleError, or OutputError where a copy cannot be written."""
        try:
            content = path.read_bytes()
        except OSError:
            content = b""  # `read_bundle` says why
        self.sha256 = ""
        """By which results and ledgers name it (`Bundle.sha256`): 64 hexadecimal digits."""
        self._file: BinaryIO = tempfile.TemporaryFile(prefix="keenline-bundle-")  # noqa: SIM115
        self.manifest: Manifest
        try:
            self._file.write(content)
            self._file.flush()
            bundle = read_bundle(Path(self.path))
            self.manifest, self.sha256 = bundle.manifest, bundle.sha256
        except BundleError:
            self._file.close()
            read_bundle(path)  # says the same of the file that was meant
            raise
        except OSError as error:
            self._file.close()
            raise OutputError.of(error, tempfile.gettempdir()) from error

    @property
    def number(self) -> int:
        """Of its open file, for a process that inherits it."""
        return self._file.fileno()

    @property
    def path(self) -> str:
        """Where this process, and one that inherits the number, can open it."""
        return f"/dev/fd/{self.number}"

    def close(self) -> None:
        """Let it go, for good."""
        self._file.close()
