"""One station that runs, a bundle in shadow asked and not asked in turns, into times of verdicts.

`python line_shadow.py BUNDLE SHADOW IMAGES SECONDS` measures in a process of its own and prints
what it found; `measured` starts it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from keenline.cli.station_assembly import Plant
from keenline.cli.station_config import StationConfig
from keenline.types import Frame, Result, Verdict

BLOCK_S = 1.0
"""So long it is asked, then so long not: what else the machine does falls on both."""
EVERY_MS = 50.0
REAL_TIME = 5
SHARES = (50, 99, 99.9)
_WARM_S = 2.0
_LOADS_S = 300.0


@dataclass(frozen=True, slots=True)
class Turns:
    """What one run found."""

    alone: tuple[float, ...]
    """Milliseconds from trigger to verdict that `SHARES` of the parts stayed within, while the
    bundle in shadow is loaded and not asked."""
    beside: tuple[float, ...]
    """The same while it is asked about every part."""
    parts: tuple[int, int]
    """Of both, alone first."""
    invalid: tuple[int, int]
    answers: int
    skipped: int

    def ratio(self, share: float) -> float:
        """The time beside to that alone."""
        place = SHARES.index(share)
        return self.beside[place] / self.alone[place]


def measured(bundle: Path, shadow: Path, images: Path, seconds: float) -> Turns:
    """One run in a process of its own, before everything of ordinary priority."""
    command = [sys.executable, __file__, str(bundle), str(shadow), str(images), f"{seconds}"]
    path = os.pathsep.join(one for one in sys.path if one)
    more = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=os.environ | more, stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    return Turns(**{name: tuple(v) if isinstance(v, list) else v for name, v in found.items()})


def main() -> None:
    bundle, shadow, images = (Path(word).resolve() for word in sys.argv[1:4])
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(REAL_TIME))
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="line-", dir=bundle.parent) as folder:
        plant = Plant(_config(bundle, shadow, images), Path(folder), on_result=results.append)
        plant.start()
        try:
            found = _turns(plant, results, float(sys.argv[4]))
        finally:
            plant.stop(drain_s=1.0)
    print(json.dumps(found))


def _config(bundle: Path, shadow: Path, images: Path) -> StationConfig:
    made = {
        "station": "bench",
        "bundle": str(bundle),
        "trigger": {"source": "software", "every_ms": EVERY_MS},
        "cameras": [{"kind": "simulated", "name": "top", "folder": str(images)}],
        "engine": {"largest_image_mb": 1},
        "shadow": {"bundle": str(shadow)},
        "store": {"images": {"reserve_gb": 0.1}, "retention": {"free_gb": 0.2}},
    }
    return StationConfig.model_validate_json(json.dumps(made))


def _turns(plant: Plant, results: list[Result], seconds: float) -> dict[str, object]:
    shadow = plant.station.shadow
    assert shadow is not None
    end = time.monotonic() + _LOADS_S
    process: int | None = None
    while not shadow.is_up:
        if time.monotonic() > end:
            raise RuntimeError("the bundle in shadow is not loaded in time")
        if process is None and shadow.engine is not None and shadow.engine.pid is not None:
            process = shadow.engine.pid
            time.sleep(0.05)  # by now the station has put it behind everything
            _schedule(process, os.SCHED_OTHER)  # on a busy machine it would load for minutes
        time.sleep(0.1)
    assert process is not None
    _schedule(process, os.SCHED_IDLE)
    is_asked = False
    offer = shadow.offer

    def perhaps(result: Result, frames: Mapping[str, Frame]) -> None:
        if is_asked:
            offer(result, frames)

    shadow.offer = perhaps  # type: ignore[method-assign]
    time.sleep(_WARM_S)
    before = shadow.counts
    blocks: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic_ns()
        time.sleep(BLOCK_S)
        blocks[is_asked].append((begin, time.monotonic_ns()))
        is_asked = not is_asked
        while not is_asked and shadow.waiting:  # what was asked is no part of the time alone
            time.sleep(0.01)
    is_asked = False
    time.sleep(0.5)
    alone, beside = (_within(results, each) for each in blocks)
    after = shadow.counts
    return {
        "alone": _times(alone),
        "beside": _times(beside),
        "parts": (len(alone), len(beside)),
        "invalid": (_invalid(alone), _invalid(beside)),
        "answers": after.answers - before.answers,
        "skipped": sum(after.skipped.values()) - sum(before.skipped.values()),
    }


def _schedule(process: int, policy: int) -> None:
    """Every thread of a process."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        os.sched_setscheduler(int(thread.name), policy, os.sched_param(0))


def _within(results: list[Result], blocks: list[tuple[int, int]]) -> list[Result]:
    return [
        result
        for result in results
        if any(begin <= result.trigger.monotonic_ns < end for begin, end in blocks)
    ]


def _times(results: list[Result]) -> list[float]:
    took = [one.timings.decided for one in results if one.timings.decided is not None]
    return [float(value) for value in np.percentile(took, SHARES)]


def _invalid(results: list[Result]) -> int:
    return sum(one.decision.verdict is Verdict.INVALID for one in results)


if __name__ == "__main__":
    main()
