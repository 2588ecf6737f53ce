"""A measuring program in a process of its own turned into its result.

Every measurement runs in a fresh process, so that neither memory nor warm caches of one side or
of one measurement hide in another.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MARK = "RESULT "
"""Precedes the one line of JSON that a worker prints."""


class WorkerFailed(Exception):
    """A worker that ended without a result; says what it said last."""


def ask(
    python: Path | str,
    worker: str,
    task: str,
    *,
    seconds: float = 3600,
    threads: int = 2,
    folder: Path,
    arguments: dict[str, Any],
) -> dict[str, Any]:
    """Run one task and return what it found.

    A worker that says when something was there (`at`) is answered with `start_seconds`, counted
    from before its Python was started. Raises WorkerFailed when it fails, says nothing or takes
    longer than `seconds`.
    """
    command = [str(python), str(HERE / worker), task, json.dumps(arguments)]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": os.pathsep.join([str(HERE.parent / "src"), str(HERE)]),
    }
    started = time.time()
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise WorkerFailed(f"not done after {seconds:.0f} s") from error
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not lines:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
        raise WorkerFailed(f"{worker} {task} ended with {done.returncode}: {said[-1][-300:]}")
    found: dict[str, Any] = json.loads(lines[-1].removeprefix(MARK))
    if "at" in found:
        found["start_seconds"] = found.pop("at") - started
    return found


def medians(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Median of each number over repeats; whatever is not a number as in the last one."""
    last = found[-1]
    return {
        key: statistics.median([one[key] for one in found])
        if isinstance(value, (int, float)) and not isinstance(value, bool)
        else value
        for key, value in last.items()
    }
