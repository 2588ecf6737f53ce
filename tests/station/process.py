"""A bundle and a few images turned into a `keenline station` that runs as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage
from tests.peers.plc_process import free_port
from tests.small_parts import dented, good_part
from tests.station.lines import until

SOURCE = Path(__file__).parents[2] / "src"
NAME = "press-7"
TOML = """\
station = "{name}"
bundle = "{bundle}"
[trigger]
source = "software"
every_ms = 50.0
deadline_ms = 2000.0
frame_ms = 1000.0
[[cameras]]
name = "top"
kind = "simulated"
folder = "pictures"
[engine]
threads = 1
[store.images]
reserve_gb = 0.01
[store.retention]
free_gb = 0.02
[metrics]
port = {port}
"""


def write_station(folder: Path, bundle: Path, port: int, more: str = "") -> Path:
    """`station.toml` beside images of small parts, every third one dented."""
    pictures = folder / "pictures"
    pictures.mkdir(parents=True)
    for number in range(1, 7):
        part = dented(number) if number % 3 == 0 else good_part(number)
        PillowImage.fromarray(part).save(pictures / f"{number}.png")
    path = folder / "station.toml"
    path.write_text(TOML.format(name=NAME, bundle=bundle, port=port) + more, "utf-8")
    return path


class Running:
    """A station that was started, and what it writes."""

    def __init__(self, config: Path, port: int, environment: Mapping[str, str]) -> None:
        self.config, self.port = config, port
        self.lines: list[str] = []
        """Of its log."""
        self._ended: tuple[int, str] | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "keenline", "station", str(config), "--log-passes", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"} | environment,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in map(json.loads, list(self.lines)) if one["event"] == kind]

    def until_parts(self, number: int) -> None:
        until(lambda: len(self.events("part")) >= number, 60)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Ask it to end; its exit code and what it wrote to stdout."""
        if self._ended is not None:
            return self._ended
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            code = self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._reader.join()
            assert self._process.stdout is not None
            assert self._process.stderr is not None
            out = self._process.stdout.read()
            self._process.stdout.close()
            self._process.stderr.close()
        self._ended = code, out
        return self._ended

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)


@contextmanager
def station_process(
    folder: Path, bundle: Path, more: str = "", **environment: str
) -> Iterator[Running]:
    """A station in `folder`, which inspects when this is entered; `more`: tables of its file."""
    port = free_port()
    station = Running(write_station(folder, bundle, port, more), port, environment)
    try:
        station.until_parts(3)
        yield station
    finally:
        station.end()
