"""A station that is killed while its engine hangs leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.faults.station_process import ROOT, is_alive
from tests.station.lines import until

_STATION = """\
import sys, time
import numpy as np
from keenline.station.engine_messages import Opening
from keenline.station.engine_process import EngineProcess, EngineSettings

class Nobody:
    def answered(self, answer): ...
    def unanswered(self, part, camera, error): ...
    def engine_down(self, reason): ...
    def engine_up(self): ...

engine = EngineProcess(
    Opening("", 1), Nobody(), EngineSettings(hang_s=600), factory="tests.faults.engines:hanging"
)
engine.start()
engine.submit(1, "top", np.ones((64, 96, 3), np.uint8))
print(engine.pid, flush=True)
time.sleep(600)
"""


def test_an_engine_that_hangs_ends_with_its_station() -> None:
    path = f"{ROOT}{os.pathsep}{ROOT / 'src'}"
    station = subprocess.Popen(
        [sys.executable, "-c", _STATION],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert station.stdout is not None
    engine = int(station.stdout.readline())
    until(lambda: b"hanging" in Path(f"/proc/{engine}/cmdline").read_bytes())
    assert is_alive(engine)
    station.send_signal(signal.SIGKILL)
    station.wait()
    station.stdout.close()
    until(lambda: not is_alive(engine), 5)
