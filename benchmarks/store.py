"""Measures what the store costs: results a second, and an image encoded and written."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.peers.postgres import PASSWORD, Postgres  # noqa: E402
from tests.store.records import result  # noqa: E402

from keenline.credentials import Credential  # noqa: E402
from keenline.store.audit import verify  # noqa: E402
from keenline.store.database import Database  # noqa: E402
from keenline.store.images import ImageFolder  # noqa: E402
from keenline.store.pictures import encode, pixels_sha256  # noqa: E402
from keenline.store.results import ResultSink  # noqa: E402

BATCHES = (1, 32, 256)
SIZES = {"256 px": (256, 256), "5 MP": (2048, 2448)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each measurement")
    seconds = parser.parse_args().seconds
    print(f"load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(dir=ROOT) as folder:
        _images(Path(folder), seconds)
        for name, database in _databases(Path(folder)):
            _results(name, database, seconds)


def _images(folder: Path, seconds: float) -> None:
    noise = np.random.default_rng(0)
    for size, shape in SIZES.items():
        for colour in ("grey", "RGB"):
            image = _photo(noise, shape, colour)
            for kind in ("png", "tiff"):
                place = ImageFolder(folder / f"{size}{colour}{kind}", kind, reserve_bytes=1)
                place.open()
                data = encode(image, kind)
                writes = iter(range(10**9))
                times = [
                    _median(lambda: encode(image, kind), seconds / 3),  # noqa: B023
                    _median(lambda: place.put(f"{next(writes):064x}", data), seconds / 3),  # noqa: B023
                    _median(lambda: pixels_sha256(image), seconds / 3),  # noqa: B023
                ]
                words = ", ".join(f"{value:.2f}" for value in times)
                print(
                    f"{size} {colour} {kind}: encode, write, hash {words} ms; "
                    f"{len(data) / 1e6:.2f} of {image.nbytes / 1e6:.2f} MB"
                )


def _photo(noise: np.random.Generator, shape: tuple[int, int], colour: str) -> np.ndarray:
    """A ramp with a camera's noise (standard deviation 3 of 255)."""
    ramp = np.linspace(60, 180, shape[1])[None, :]
    planes = 1 if colour == "grey" else 3
    image = ramp[..., None] + noise.normal(0, 3, (*shape, planes))
    image = image.clip(0, 255).astype(np.uint8)
    return np.repeat(image, 3, axis=2) if planes == 1 else image


def _results(name: str, database: Database, seconds: float) -> None:
    sink = ResultSink(database)
    sink.prepare()
    number = 0
    for batch in BATCHES:
        stored, spent, processor = 0, 0.0, 0.0
        while spent < seconds:
            results = [result(number + place) for place in range(1, batch + 1)]
            number += batch
            begun, worked = time.perf_counter(), time.process_time()
            sink.deliver(results)
            spent += time.perf_counter() - begun
            processor += time.process_time() - worked
            stored += batch
        each = processor / stored * 1e6
        print(f"{name}, batch {batch}: {stored / spent:.0f} results/s, {each:.0f} us of processor")
    begun = time.perf_counter()
    assert verify(database).is_whole
    print(f"{name}, audit verify: {number / (time.perf_counter() - begun):.0f} results/s")
    database.close()


def _databases(folder: Path) -> Iterator[tuple[str, Database]]:
    yield "SQLite", Database(f"sqlite:///{folder / 'line.sqlite'}")
    if not list(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        print("PostgreSQL is not installed here")
        return
    with _server() as server:
        secret = folder / "secret"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        credential = Credential(file=str(secret))
        yield "PostgreSQL", Database(server.new_database(), password=credential)


@contextmanager
def _server() -> Iterator[Postgres]:
    server = Postgres()
    try:
        yield server
    finally:
        server.close()


def _median(work: Callable[[], object], seconds: float) -> float:
    """Milliseconds."""
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times)


main()
