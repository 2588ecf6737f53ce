"""A station in a process of its own, as `keenline station` runs it, that says what it cost.

`line_run.py` starts it with a folder that holds `station.json` (a station's configuration), the
name of its store and, where it is to run before everything else, `real-time`. It says its
process numbers, runs until its input ends, and says what tally and operating system counted.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from keenline.cli.station_assembly import Plant
from keenline.cli.station_config import StationConfig
from keenline.journal.entries import Entry
from keenline.station.tally import STAGES
from keenline.store.images import ImageFolder
from keenline.store.keeper import ImageKeeper, OnLost
from keenline.store.opening import Store, open_store
from keenline.store.policy import KeepPolicy
from keenline.store.retention import Retention
from keenline.store.settings import StoreSettings
from keenline.types import Image, Verdict

SLOW_IMAGE_S = 2.0
"""What a slow disk takes for each image: at 3 to 4 kept a second it falls ever further behind."""
REAL_TIME = 5
"""Priority among real-time ones; above it are the kernel's own threads (50)."""
SHARES = (50, 99, 99.9, 100)


class NoSink:
    """Takes what the store would, and keeps nothing."""

    name = "store"

    def prepare(self) -> None: ...

    def last_trigger(self, _station: str) -> int:
        return 0

    def deliver(self, entries: Sequence[Entry]) -> None: ...

    def close(self) -> None: ...


class NoKeeper:
    """Wants no image."""

    def start(self) -> None: ...

    def wants(self, _verdict: Verdict, _result_id: str) -> bool:
        return False

    def put(self, _sha256: str, _image: Image) -> bool:
        return True

    def close(self) -> None: ...


class SlowFolder(ImageFolder):
    """A folder on a disk that takes its time, as a network drive or a worn card does."""

    def put(self, sha256: str, data: bytes) -> None:
        time.sleep(SLOW_IMAGE_S)
        super().put(sha256, data)


def without_store(settings: StoreSettings, *, station: str, folder: Path, on_lost: OnLost) -> Store:
    """Records go no further than the journal."""
    made = open_store(settings, station=station, folder=folder, on_lost=on_lost)
    return Store(NoSink(), NoKeeper(), made.retention, made.database, made.place)  # type: ignore[arg-type]


def slow_images(settings: StoreSettings, *, station: str, folder: Path, on_lost: OnLost) -> Store:
    """The store as it is, but for the disk of its images."""
    made = open_store(settings, station=station, folder=folder, on_lost=on_lost)
    images = settings.images
    place = SlowFolder(folder / "images", images.format, reserve_bytes=1)
    keeper = ImageKeeper(
        place,
        KeepPolicy(settings.keep),
        kind=images.format,
        queue_bytes=int(images.queue_mb * 1e6),
        on_lost=on_lost,
    )
    retention = Retention(made.database, place, settings.retention, station)
    return Store(made.sink, keeper, retention, made.database, place)


STORES: dict[str, Callable[..., Store]] = {
    "store": open_store,
    "no store": without_store,
    "slow images": slow_images,
}


def main() -> None:
    folder, store, *more = Path(sys.argv[1]), *sys.argv[2:]
    if "real-time" in more:  # as CPUSchedulingPolicy=rr of systemd; the engine inherits it
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(REAL_TIME))
    config = StationConfig.model_validate_json((folder / "station.json").read_text("utf-8"))
    plant = Plant(config, folder, store=STORES[store])
    plant.start()
    engine = plant.station.opened.engine
    print(json.dumps({"station": os.getpid(), "engine": engine.pid}), flush=True)
    begun, used = time.monotonic(), time.process_time()
    engine_used = _processor_s(engine.pid)
    threads_used = {one.native_id: _processor_s(os.getpid(), one.native_id) for one in _threads()}
    faults = _major_faults(os.getpid()), _major_faults(engine.pid)
    sys.stdin.read()
    lasted = time.monotonic() - begun
    told = {
        "counts": asdict(plant.station.tally.counts()),
        "stages": {
            stage: dict(
                zip(map(str, SHARES), plant.station.tally.percentiles(stage, *SHARES), strict=True)
            )
            for stage in STAGES
        },
        "processor": (time.process_time() - used) / lasted,
        "engine_processor": (_processor_s(engine.pid) - engine_used) / lasted,
        "threads": {
            one.name: (
                _processor_s(os.getpid(), one.native_id) - threads_used.get(one.native_id, 0.0)
            )
            / lasted
            for one in _threads()
        },
        "major_faults": _major_faults(os.getpid()) - faults[0],
        "engine_major_faults": _major_faults(engine.pid) - faults[1],
        "behind": {one.sink.name: one.state.is_behind for one in plant.forwarders},
        "images_waiting": getattr(plant.store.keeper, "state", None) is not None
        and plant.store.keeper.state.waiting_bytes,
    }
    plant.stop(drain_s=1.0)
    print(json.dumps(told, default=_plain), flush=True)


def _threads() -> list[threading.Thread]:
    return threading.enumerate()


def _major_faults(process: int | None) -> int:
    """Pages that had to be read from a disk."""
    return int(_fields(Path(f"/proc/{process}/stat"))[9])


def _processor_s(process: int | None, thread: int | None = None) -> float:
    """Seconds of processor time, on Linux; see proc_pid_stat(5)."""
    fields = _fields(Path(f"/proc/{process}") / (f"task/{thread}" if thread else "") / "stat")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _fields(file: Path) -> list[str]:
    """Those of proc_pid_stat(5) from the third on; the second may hold spaces."""
    return file.read_text("ascii").rpartition(")")[2].split()


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else str(value)


if __name__ == "__main__":
    main()
