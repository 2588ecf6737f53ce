"""A step's number turned into that step's images and what the teachers see in them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from keenline.models.base import Progress
from keenline.training.crops import Pool, crops_of
from keenline.training.distill_settings import Settings
from keenline.training.disturbing import disturbed
from keenline.training.teachers import Features, Statistics, Teachers
from keenline.training.unlabelled import Unlabelled

Batch: TypeAlias = tuple[NDArray[np.uint8], Features]
"""Images (batch, side, side, 3) and the teachers' features of them."""

_AHEAD = 2
"""Batches that are made while others are learnt from."""

_LEARNING, _MEASURING = 0, 1
"""Kinds of batches: what teachers are normalised by is not what is learnt from first."""


class Batches:
    """Batches by step, each the same whenever it is asked for."""

    def __init__(
        self, unlabelled: Unlabelled, settings: Settings, teachers: Teachers, pool: Pool
    ) -> None:
        self._unlabelled, self._settings, self._teachers = unlabelled, settings, teachers
        self._pool = pool

    def batch(self, step: int, side: int) -> Batch:
        """What is learnt from at `step`; steps are asked for in ascending order."""
        images = self._images(step, side, _LEARNING)
        return images, self._teachers.features(images)

    def statistics(self, progress: Progress) -> Statistics:
        """Mean and deviation of each of the teachers' channels."""
        total = self._settings.statistics_batches

        def batches() -> Iterator[NDArray[np.uint8]]:
            for number in range(total):
                progress("measuring the teachers", number, total)
                yield self._images(number, self._settings.size, _MEASURING)
            progress("measuring the teachers", total, total)

        return self._teachers.statistics(batches())

    def _images(self, step: int, side: int, kind: int) -> NDArray[np.uint8]:
        import torch

        settings = self._settings
        crops = crops_of(
            step,
            seed=settings.seed + (kind << 20),
            unlabelled=self._unlabelled,
            pool=self._pool.at(step if kind == _LEARNING else 0),
            share=settings.procedural,
            count=settings.batch,
            side=side,
        )
        seed = int(np.random.SeedSequence((settings.seed, kind, step)).generate_state(1)[0])
        with torch.no_grad():
            data = torch.from_numpy(crops).to(settings.device)
            images: NDArray[np.uint8] = disturbed(data, side, seed).cpu().numpy()
        return images


@contextmanager
def made_ahead(
    batches: Batches, settings: Settings, first: int, clock: Callable[[], float]
) -> Iterator[Iterator[tuple[Batch, float]]]:
    """Batches from step `first` on, with how much of the schedule is done, until all is.

    They are made by a thread while others are learnt from. clock: seconds taught so far.
    """
    with ThreadPoolExecutor(1, initializer=take_half_of_the_cores) as maker:
        waiting: deque[tuple[Future[Batch], float]] = deque()

        def ordered() -> Iterator[tuple[Batch, float]]:
            step = first
            while True:
                while len(waiting) <= _AHEAD and (part := settings.done(step, clock())) < 1:
                    side = settings.side(part)
                    waiting.append((maker.submit(batches.batch, step, side), part))
                    step += 1
                if not waiting:
                    return
                future, part = waiting.popleft()
                yield future.result(), part

        try:
            yield ordered()
        finally:
            for future, _ in waiting:
                future.cancel()


def half_of_the_cores() -> int:
    """Threads for the student, and for the teachers.

    They work side by side: each with its own half is as fast as both on all cores, and several
    times faster where something else runs too.
    """
    return max(1, (os.cpu_count() or 1) // 2)


def take_half_of_the_cores() -> None:
    """Tell torch so, for the thread that calls; it counts its threads for each of ours."""
    import torch

    torch.set_num_threads(half_of_the_cores())
