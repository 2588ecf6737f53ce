"""The file of the bundle at a running station turned into what the station does about a change."""

from __future__ import annotations

import time
from pathlib import Path

from keenline.errors import KeenlineError
from keenline.lifecycle.authority import withdrawn_since

_AGAIN_S = 60.0


class BundleWatch:
    """Sees that authority was withdrawn from the bundle that decides. One thread asks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._again_at = 0.0

    def withdrawn(self, running: str) -> tuple[str, ...]:
        """Classes that may no longer reject, where that is all that has changed since the bundle
        that runs, of sha256 `running`.

        Said again a minute later where the station still runs with the old one.
        A new bundle in the same file, a class that may reject now, or a ledger that does not lead
        from one to the other waits for somebody to reload the station.
        """
        state = _state(self._path)
        if state is None or state == self._seen or time.monotonic() < self._again_at:
            return ()
        try:
            names = withdrawn_since(self._path, running)
        except KeenlineError:
            names = ()  # it was damaged: `doctor --station` says so
        if names:
            self._again_at = time.monotonic() + _AGAIN_S
        else:
            self._seen = state
        return names


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
