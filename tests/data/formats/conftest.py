"""Real label files that several tests of the formats read."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def porosity(shared: Path) -> Path:
    """87 images of 600 x 600 with 3067 polygons."""
    return shared / "data/formats/coco/_annotations.coco.json"
