"""`keenline expose`: a grey level turned into an exposure."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.conftest import Keenline

_STATION = """\
station = "bench"
bundle = "part.keen"
[trigger]
source = "software"
every_ms = 1000
[[cameras]]
kind = "simulated"
name = "top"
rendered = 1
latency_ms = 1
exposure_us = 200
"""


@pytest.fixture
def station(tmp_path: Path) -> Path:
    path = tmp_path / "station.toml"
    path.write_text(_STATION, encoding="utf-8")
    return path


def test_the_exposure_for_a_grey_level_is_found(keenline: Keenline, station: Path) -> None:
    dark = keenline("expose", station, "--grey", 60, "--json").record
    bright = keenline("expose", station, "--grey", 100, "--saturated", 0.2, "--json").record
    assert abs(dark["grey"] - 60) <= 3
    assert abs(bright["grey"] - 100) <= 3
    assert bright["exposure_us"] > 1.4 * dark["exposure_us"]
    said = keenline("expose", station, "--camera", "top", "--grey", 60).out
    assert f"exposure_us = {dark['exposure_us']:g}" in said


def test_a_grey_level_that_cannot_be_reached_is_said(keenline: Keenline, station: Path) -> None:
    ran = keenline("expose", station, "--grey", 250, "--tolerance", 0.1, "--saturated", 0)
    assert ran.code == 7
    assert "KL5108" in ran.err


def test_a_camera_that_is_not_there_is_said(keenline: Keenline, station: Path) -> None:
    ran = keenline("expose", station, "--camera", "left")
    assert ran.code == 7
    assert "top" in ran.err
