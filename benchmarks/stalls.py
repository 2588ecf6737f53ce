"""A core of this machine turned into the times at which it stood still, whatever ran on it.

A thread of real-time priority, bound to the core, sleeps and looks at the clock: no process of
ordinary priority can hold it up, so what it misses was taken by the machine below (a hypervisor,
firmware). `python benchmarks/stalls.py CORE` runs until its input ends and then prints a list of
[begin, end] in seconds of the monotonic clock, or `null` where real-time priority is not allowed.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

PRIORITY = 50
"""Above that of a station of real-time priority."""
SLEEP_S = 0.002
SHORTEST_S = 0.005
"""Of a stall that is told."""


def main(core: int) -> None:
    try:
        os.sched_setaffinity(0, {core})
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except (AttributeError, OSError):  # not Linux, or not allowed
        sys.stdin.read()
        print("null")
        return
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    stalls: list[tuple[float, float]] = []
    before = time.monotonic()
    while not over.is_set():
        time.sleep(SLEEP_S)
        now = time.monotonic()
        if now - before - SLEEP_S > SHORTEST_S:
            stalls.append((before, now))
        before = now
    print(json.dumps(stalls))


if __name__ == "__main__":
    main(int(sys.argv[1]))
