"""Gives the tests bundles learnt once from a few small parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.small_parts import good_folder, recipe, tiny_backbone

import keenline
from keenline.inference.inspector import Inspector
from keenline.recipe import Recipe

Learn = Callable[[str], Path]

DETECTORS = ("memory_bank, f32", "memory_bank, int8", "classical")


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 24 good parts: with a few, an estimated threshold hangs on each of them."""
    return good_folder(tmp_path_factory.mktemp("parts"), 24)


@pytest.fixture(scope="session")
def learn(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Learn:
    """Answers with the bundle of one of `DETECTORS`, learnt once; tests must not change it."""
    folder = tmp_path_factory.mktemp("bundles")
    backbone = tiny_backbone(folder)
    chosen: dict[str, Recipe] = {
        "memory_bank, f32": recipe(backbone=backbone, precision="f32"),
        "memory_bank, int8": recipe(backbone=backbone, precision="int8"),
        "classical": recipe(name="classical"),
    }
    learnt: dict[str, Path] = {}

    def bundle(detector: str) -> Path:
        if detector not in learnt:
            path = folder / f"{len(learnt)}.keen"
            keenline.train(keenline.open_dataset(parts), path, recipe=chosen[detector])
            learnt[detector] = path
        return learnt[detector]

    return bundle


@pytest.fixture(scope="session")
def inspector(learn: Learn) -> Inspector:
    """Of a memory bank in f32."""
    return Inspector.open(learn("memory_bank, f32"))
