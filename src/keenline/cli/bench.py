"""`keenline bench`: a bundle on this machine turned into latency, start-up and memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keenline.cli.failures import failing_calmly
from keenline.cli.options import BundlePath, Json, Threads
from keenline.cli.terminal import Terminal

if TYPE_CHECKING:
    from keenline.bundle import Bundle

_COLUMNS = (
    ("p50_ms", "median"),
    ("p95_ms", "95 %"),
    ("p99_ms", "99 %"),
    ("max_ms", "longest"),
    ("start_seconds", "start s"),
    ("resident_mb", "memory MB"),
)


def bench(
    bundle: BundlePath,
    size: Annotated[
        str | None,
        typer.Option("--size", help="Of the images, instead of the learnt one.", metavar="WxH"),
    ] = None,
    images: Annotated[int, typer.Option("--images", min=1, help="To time, each engine.")] = 200,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Measure a bundle here: time from decoded array to verdict, start-up and memory.

    Every engine runs in a process of its own, one after the other. Images are rendered: a real
    image with many regions takes a little longer.
    """
    terminal = Terminal(as_json=as_json)
    with failing_calmly(terminal):
        from keenline.bundle import read_bundle
        from keenline.inference.engines import ENGINES

        opened = read_bundle(bundle)
        wanted = _size(size, opened)
        terminal.fact("bundle", f"{bundle} ({opened.manifest.detector})")
        terminal.fact("images", f"{images} of {wanted[0]} x {wanted[1]} px, one at a time")
        results = []
        for engine in ENGINES:
            with terminal.waiting(f"measuring {engine}"):
                results.append(_measured(bundle, engine, wanted, images, threads))
        if as_json:
            record = {"bundle": str(bundle), "width": wanted[0], "height": wanted[1]}
            terminal.emit(record | {"threads": threads, "engines": results})
        else:
            _show(results, opened.manifest.engine.name, terminal)


def _size(text: str | None, bundle: Bundle) -> tuple[int, int]:
    if text is None:
        return bundle.manifest.framing.width, bundle.manifest.framing.height
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is not a size such as 640x480", param_hint="--size")
    width = int(match[1])
    return width, int(match[2] or width)


def _measured(
    bundle: Path, engine: str, size: tuple[int, int], images: int, threads: int
) -> dict[str, object]:
    arguments = [bundle, engine, *size, images, threads, time.time()]
    command = [sys.executable, "-m", "keenline.cli.measuring", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        ended = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        return {"engine": engine, "error": ended}
    found: dict[str, object] = json.loads(lines[-1])
    return {"engine": engine} | found


def _show(results: list[dict[str, object]], own: str, terminal: Terminal) -> None:
    rows = [
        [
            f"{result['engine']}, {result['precision']}",
            *(f"{float(str(result[key])):.4g}" for key, _ in _COLUMNS),
        ]
        for result in results
        if "error" not in result
    ]
    bold = next((row[0] for row in rows if own.startswith(row[0].split(",")[0])), "")
    terminal.say()
    terminal.table(["engine", *(heading for _, heading in _COLUMNS)], rows, bold=bold)
    terminal.say()
    terminal.fact("times", "milliseconds from decoded array to verdict; start: Python to verdict")
    for result in results:
        if "error" in result:
            terminal.fact(str(result["engine"]), str(result["error"]), "red")
