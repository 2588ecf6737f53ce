"""Images run a few at a time, on one thread each, and answered in their order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Outputs: TypeAlias = Mapping[str, NDArray[np.float32]]


def lanes(side_by_side: bool, threads: int) -> int:
    """How many images an engine runs at a time; `threads` 0 stands for all there are."""
    return (threads or available()) if side_by_side else 1


def available() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(
    run: Callable[[NDArray[np.uint8]], Outputs], images: Iterable[NDArray[np.uint8]], at_once: int
) -> Iterator[Outputs]:
    """What `run` answers to each image; at most `at_once` run and one waits.

    Images are taken as they are needed, so memory does not grow with their number.
    """
    if at_once == 1:
        yield from map(run, images)
        return
    waiting: deque[Future[Outputs]] = deque()
    with ThreadPoolExecutor(at_once, thread_name_prefix="keenline-lane") as pool:
        for image in images:
            waiting.append(pool.submit(run, image))
            if len(waiting) > at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
