"""One bundle and one engine in a fresh process turned into times and memory, as JSON.

`keenline bench` starts it once for each engine, so that neither start-up nor memory of one engine
hides in the other: `python -m keenline.cli.measuring BUNDLE ENGINE WIDTH HEIGHT IMAGES THREADS
STARTED`, with STARTED the time at which the process was asked for, in seconds since the epoch.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keenline.errors import KeenlineError

if TYPE_CHECKING:
    from keenline.types import Image

_WARM_UP = 5
_DIFFERENT = 4
"""Images in turn, so that a cache does not learn one by heart."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one engine takes on this machine."""

    engine: str
    precision: str
    images: int
    mean_ms: float
    """Decoded array to verdict, as all times here."""
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    start_seconds: float
    """From starting Python to the first verdict."""
    resident_mb: float
    """After the last image; the highest so far where the system says no more."""
    peak_mb: float


def measure(
    bundle: Path, engine: str, size: tuple[int, int], *, images: int, threads: int, started: float
) -> Measured:
    """Inspect `images` rendered photos of `size` (width, height) and time each.

    Raises KeenlineError as `Inspector.open` does.
    """
    from keenline.inference.inspector import Inspector

    inspector = Inspector.open(bundle, engine=engine, threads=threads)
    inspector.inspect(_plain(size))
    start = time.time() - started
    photos = _photos(size)
    for photo in photos[:1] * _WARM_UP:
        inspector.inspect(photo)
    times = []
    for place in range(images):
        photo = photos[place % len(photos)]
        begun = time.perf_counter()
        inspector.inspect(photo)
        times.append(1000 * (time.perf_counter() - begun))
    resident, peak = _memory()
    return _measured(inspector.manifest.engine.precision, engine, times, start, resident, peak)


def _measured(
    precision: str, engine: str, times: list[float], start: float, resident: float, peak: float
) -> Measured:
    times.sort()
    p50, p90, p95, p99 = (_percentile(times, share) for share in (0.5, 0.9, 0.95, 0.99))
    return Measured(
        engine=engine,
        precision=precision,
        images=len(times),
        mean_ms=round(sum(times) / len(times), 3),
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=round(times[-1], 3),
        start_seconds=round(start, 3),
        resident_mb=round(resident, 1),
        peak_mb=round(peak, 1),
    )


def _percentile(ascending: list[float], share: float) -> float:
    """The smallest measured time that at least `share` of all do not exceed."""
    place = max(0, -int(-share * len(ascending) // 1) - 1)
    return round(ascending[place], 3)


def _plain(size: tuple[int, int]) -> Image:
    import numpy as np

    return np.full((size[1], size[0], 3), 128, np.uint8)


def _photos(size: tuple[int, int]) -> list[Image]:
    import numpy as np

    from keenline.data.demo_part import render_part

    return [render_part(np.random.default_rng(n), size=size)[0] for n in range(_DIFFERENT)]


def _memory() -> tuple[float, float]:
    """Resident now and at most, in MB of 1 000 000 bytes; 0 where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return tuple(int(lines[key].split()[0]) * 1024 / 1e6 for key in ("VmRSS", "VmHWM"))  # type: ignore[return-value]
    if sys.platform == "win32":
        return 0.0, 0.0
    import resource

    # Bytes on macOS, kibibytes elsewhere (getrusage(2) of either system).
    unit = 1 if sys.platform == "darwin" else 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return most, most


def _main(arguments: list[str]) -> None:
    bundle, engine, width, height, images, threads, started = arguments
    try:
        measured = measure(
            Path(bundle),
            engine,
            (int(width), int(height)),
            images=int(images),
            threads=int(threads),
            started=float(started),
        )
    except KeenlineError as error:
        print(json.dumps({"error": str(error)}))
        return
    print(json.dumps(asdict(measured)))


if __name__ == "__main__":
    _main(sys.argv[1:])
