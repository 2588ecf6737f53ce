"""Says whether the npm packages of the peers are installed (`tests/peers/package.json`)."""

from __future__ import annotations

import shutil

from tests.peers import require_peer
from tests.peers.plc_process import HERE


def require_package(name: str) -> str:
    """The command that runs JavaScript; ends the test where it or the package is missing."""
    node = shutil.which("node")
    if node is None:
        require_peer("needs node")
    if not (HERE / "node_modules" / name).is_dir():
        require_peer(f"needs npm {name}: npm install --prefix tests/peers --no-package-lock")
    return node
