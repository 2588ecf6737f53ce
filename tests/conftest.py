"""Gives tests the images and weights that lie beside a checkout, where there are any."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[1].parent / "shared"
"""Real images and weights, read-only. They are not part of this repository."""


TRAIN = ("torch", "timm", "lightning", "segmentation_models_pytorch")
"""What the extra `train` brings."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("train") and not all(map(find_spec, TRAIN)):
        pytest.skip("needs the extra `train`, which is not installed: make test-train")


@pytest.fixture(scope="session")
def shared() -> Path:
    if not (SHARED / "data").is_dir():
        pytest.skip("needs the real images in ../shared/data, which are not here")
    return SHARED
