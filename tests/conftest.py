"""Gives tests the images and weights that lie beside a checkout, where there are any."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[1].parent / "shared"
"""Real images and weights, read-only. They are not part of this repository."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("train") and not (find_spec("torch") and find_spec("timm")):
        pytest.skip("needs the extra `train`, which is not installed: make test-train")


@pytest.fixture(scope="session")
def shared() -> Path:
    if not (SHARED / "data").is_dir():
        pytest.skip("needs the real images in ../shared/data, which are not here")
    return SHARED
