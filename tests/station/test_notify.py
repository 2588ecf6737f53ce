"""A station under a service manager: a real socket, and the unit file that systemd reads."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.station.process import station_process

from keenline.station.notify import ServiceManager

UNIT = Path(__file__).parents[2] / "packaging" / "keenline-station@.service"


@contextmanager
def manager(address: str) -> Iterator[socket.socket]:
    """The socket that systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(address)
        link.settimeout(10)
        yield link


def waiting(link: socket.socket) -> list[str]:
    """What has been said so far."""
    link.setblocking(False)
    said = []
    try:
        while True:
            said.append(link.recv(4096).decode())
    except BlockingIOError:
        return said


def test_a_running_station_says_ready_then_alive_then_stopping(bundle: Path, tmp_path: Path):
    address = str(tmp_path / "notify")
    environment = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"}
    with manager(address) as link:
        with station_process(tmp_path / "station", bundle, **environment) as station:
            assert link.recv(4096).decode().splitlines()[0] == "READY=1"
            begun = time.monotonic()
            alive = [link.recv(4096).decode() for _ in range(4)]
            took = time.monotonic() - begun
            assert station.end()[0] == 0
        assert set(alive) == {"WATCHDOG=1\nSTATUS=ContinuousExecution"}
        # Twice in the second that systemd waits.
        assert 1.0 < took < 4.0
        assert waiting(link)[-1] == "STOPPING=1\nSTATUS=stopping"


def test_an_address_in_the_abstract_namespace():
    name = f"keenline-test-{time.monotonic_ns()}"
    with manager("\0" + name) as link:
        ServiceManager({"NOTIFY_SOCKET": "@" + name}).ready("started")
        assert link.recv(4096) == b"READY=1\nSTATUS=started"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nobody/listens/here"}])
def test_without_a_manager_nothing_happens(environment: dict[str, str]):
    told = ServiceManager(environment)
    told.ready("started")
    told.alive("Ready")
    told.stopping()
    assert told.interval_s == 5.0


@pytest.mark.parametrize(("watchdog", "interval"), [("10000000", 5.0), ("2000000", 1.0), ("", 5.0)])
def test_alive_is_said_twice_in_the_time_of_the_watchdog(watchdog: str, interval: float):
    assert ServiceManager({"WATCHDOG_USEC": watchdog}).interval_s == interval


def test_systemd_takes_the_unit(tmp_path: Path):
    verify = shutil.which("systemd-analyze")
    if verify is None:
        pytest.skip("systemd-analyze is not on this machine")
    # Under the name of an instance, with a program that is here.
    copy = tmp_path / "keenline-station@press-7.service"
    text = UNIT.read_text("utf-8")
    program = "/opt/keenline/bin/keenline"
    assert f"ExecStart={program} station /var/lib/keenline/%i/station.toml" in text
    copy.write_text(text.replace(program, shutil.which("true") or "/bin/true"), "utf-8")
    done = subprocess.run(
        [verify, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "keenline" not in done.stderr


def test_the_unit_keeps_what_the_station_needs():
    keys = dict(
        line.split("=", 1)
        for line in UNIT.read_text("utf-8").splitlines()
        if "=" in line and not line.startswith("#")
    )
    assert keys["Type"] == "notify"
    assert keys["KillMode"] == "mixed"  # SIGTERM to the station only: its engine still has parts
    assert keys["ExecReload"].endswith("-HUP $MAINPID")
    assert keys["StartLimitIntervalSec"] == "0"
    assert int(keys["WatchdogSec"]) > 2
    assert int(keys["TimeoutStopSec"]) > 20
