"""A stock of crops turned into a taught pair of networks, within a time, even after a kill -9."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from keenline.errors import Code, TrainingError
from keenline.models.base import Progress
from keenline.training.generative.cycle import Cycle, as_fed
from keenline.training.generative.settings import Settings
from keenline.training.generative.surfaces import Stock
from keenline.training.supervised.memory_short import with_smaller_batches

Told: TypeAlias = Callable[[int, Mapping[str, float], float], None]
"""Step, mean losses since the last time, and seconds left."""

KEPT_EVERY = 20.0
"""Seconds between checkpoints."""


class Learning:
    """One run, which goes on where its checkpoint left it."""

    def __init__(
        self,
        stock: Stock,
        settings: Settings,
        checkpoint: Path,
        stamp: Mapping[str, object],
        *,
        kept_every: float = KEPT_EVERY,
    ) -> None:
        """stamp: what must be equal in a run that is taken up again; kept_every: seconds."""
        self._stock, self._settings, self._checkpoint = stock, settings, checkpoint
        self._stamp, self._kept_every = dict(stamp), kept_every
        self.cycle = Cycle(settings, 1 if stock.is_grey else 3)
        self.step, self.seconds = 0, 0.0

    def resume(self) -> bool:
        """Go on from the checkpoint where there is one; raises TrainingError (OPTION_CONFLICT)."""
        if not self._checkpoint.is_file():
            return False
        try:
            found = torch.load(self._checkpoint, map_location="cpu", weights_only=True)
            stamp = found["stamp"]
        except (RuntimeError, KeyError, TypeError, EOFError, ValueError, *_BROKEN) as error:
            raise TrainingError(
                Code.OPTION_CONFLICT,
                "The checkpoint cannot be read",
                where=self._checkpoint,
                got=f"{type(error).__name__}: {error}".splitlines()[0],
                next="begin anew, without --resume",
            ) from error
        other = [key for key, value in self._stamp.items() if stamp.get(key) != value]
        if other:
            raise TrainingError(
                Code.OPTION_CONFLICT,
                "The checkpoint belongs to a run with other settings or images",
                where=self._checkpoint,
                expected="; ".join(f"{key} {stamp.get(key)}" for key in other),
                got="; ".join(f"{key} {self._stamp[key]}" for key in other),
                next="give the same options and images as before, or begin anew, without --resume",
            )
        self.cycle.restore(found["state"])
        self.step, self.seconds = int(found["step"]), float(found["seconds"])
        return True

    def run(self, progress: Progress, told: Told, said: Callable[[str], None]) -> None:
        """Teach until the steps or the time are over.

        said: what the user should know. Raises TrainingError (LOSS_NOT_FINITE, MEMORY_SHORT).
        """
        with_smaller_batches(
            lambda batch: self._steps(batch, progress, told), self._settings.batch, said
        )

    def forget(self) -> None:
        """Remove the checkpoint; what it was for is written."""
        for left in (self._checkpoint, self._unfinished):
            left.unlink(missing_ok=True)

    @property
    def _unfinished(self) -> Path:
        return self._checkpoint.with_name(f"{self._checkpoint.name}.unfinished")

    def _steps(self, batch: int, progress: Progress, told: Told) -> None:
        settings = self._settings
        began = time.monotonic() - self.seconds
        kept, losses = self.seconds, []
        while self.step < settings.steps and not self._is_over():
            # Everything random follows from the seed and the step, so that nothing of it is kept.
            rng = np.random.default_rng((settings.seed, self.step))
            good, bad = (as_fed(c, self.cycle.channels) for c in self._stock.drawn(rng, batch))
            losses.append(self.cycle.step(good, bad, self._part(), rng))
            self.step += 1
            self.seconds = time.monotonic() - began
            progress("learning", int(1000 * self._part()), 1000)
            is_last = self.step == settings.steps or self._is_over()
            if self.seconds - kept > self._kept_every or is_last:
                self._keep()
                means = {key: float(np.mean([one[key] for one in losses])) for key in losses[0]}
                told(self.step, means, self.seconds * (1 / max(self._part(), 1e-3) - 1))
                kept, losses = self.seconds, []

    def _part(self) -> float:
        budget = self._settings.seconds
        by_time = self.seconds / budget if budget else 0.0
        return min(1.0, max(self.step / self._settings.steps, by_time))

    def _is_over(self) -> bool:
        return self._settings.seconds is not None and self.seconds >= self._settings.seconds

    def _keep(self) -> None:
        values: dict[str, Any] = {"step": self.step, "seconds": self.seconds}
        torch.save(values | {"stamp": self._stamp, "state": self.cycle.state()}, self._unfinished)
        os.replace(self._unfinished, self._checkpoint)


_BROKEN = (torch.serialization.pickle.PickleError,)
