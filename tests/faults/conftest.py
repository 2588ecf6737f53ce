"""Gives the tests of faults a bundle, and the peers that they kill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.peers.node_peer import require_package
from tests.peers.plc_process import PlcProcess, free_port
from tests.peers.postgres import Postgres
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
    folder = tmp_path_factory.mktemp("bundle")
    parts = good_folder(folder / "parts", 24)
    chosen = recipe(backbone=tiny_backbone(folder), precision="f32")
    keenline.train(keenline.open_dataset(parts), folder / "part.keen", recipe=chosen)
    return folder / "part.keen"


@pytest.fixture(scope="session")
def other_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another one for the same parts; its graph answers a black image with NaN."""
    folder = tmp_path_factory.mktemp("other")
    parts = good_folder(folder / "parts", 24)
    network = save_backbone(folder, fails_on_black(), {"fine": (3, 8)}, offset=0.0)
    chosen = recipe(backbone=network, precision="f32")
    keenline.train(keenline.open_dataset(parts), folder / "part.keen", recipe=chosen)
    return folder / "part.keen"


@pytest.fixture
def plc_peer() -> Iterator[PlcProcess]:
    """A Modbus PLC in a process of its own."""
    peer = PlcProcess([require_package("modbus-serial"), "modbus_server.js"], free_port())
    yield peer
    peer.kill()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()
