"""Gives the tests of the station bundles learnt once from a few small parts."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.small_parts import (
    fails_on_black,
    good_folder,
    recipe,
    save_backbone,
    tiny_backbone,
)

import keenline


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 24 small parts."""
    folder = tmp_path_factory.mktemp("station")
    parts = good_folder(folder / "parts", 24)
    chosen = recipe(backbone=tiny_backbone(folder), precision="f32")
    keenline.train(keenline.open_dataset(parts), folder / "part.keen", recipe=chosen)
    return folder / "part.keen"


@pytest.fixture(scope="session")
def bundle_failing_on_black(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its graph answers a black image with NaN."""
    folder = tmp_path_factory.mktemp("failing")
    parts = good_folder(folder / "parts", 24)
    network = save_backbone(folder, fails_on_black(), {"fine": (3, 8)}, offset=0.0)
    chosen = recipe(backbone=network, precision="f32")
    keenline.train(keenline.open_dataset(parts), folder / "part.keen", recipe=chosen)
    return folder / "part.keen"
