"""Gives tests the images and weights that lie beside a checkout, where there are any."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[1].parent / "shared"
"""Real images and weights, read-only. They are not part of this repository."""


@pytest.fixture(scope="session")
def shared() -> Path:
    if not (SHARED / "data").is_dir():
        pytest.skip("needs the real images in ../shared/data, which are not here")
    return SHARED
