"""Finds the C library libsnap7, which the wheel of python-snap7 2.0.2 carries, for the S7 peer."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

CACHE = Path(__file__).parent / ".cache"
_VERSION = "2.0.2"


def find_library() -> Path | None:
    """Its path; fetched by pip once, None where that does not work."""
    folder = CACHE / f"snap7-{_VERSION}"
    found = _in(folder)
    if found is not None:
        return found
    CACHE.mkdir(exist_ok=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    wanted = [f"python-snap7=={_VERSION}", "--dest", str(CACHE)]
    done = subprocess.run([*pip, *wanted], capture_output=True, timeout=120, check=False)
    if done.returncode:
        return None
    for wheel in CACHE.glob(f"python_snap7-{_VERSION}-*.whl"):
        with zipfile.ZipFile(wheel) as package:
            package.extractall(folder)
    return _in(folder)


def _in(folder: Path) -> Path | None:
    return next(iter([*folder.rglob("libsnap7.so"), *folder.rglob("libsnap7.dylib")]), None)
