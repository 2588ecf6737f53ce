"""Independent programs that the tests of devices, stores and publishers talk to."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def require_peer(reason: str) -> NoReturn:
    """Ends a test whose peer is not here: skipped, or failed where KEENLINE_REQUIRE_PEERS is 1."""
    if os.environ.get("KEENLINE_REQUIRE_PEERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
