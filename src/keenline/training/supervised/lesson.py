"""Crops turned, epoch by epoch, into a network that marks defects; lightning does the turning."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from keenline.errors import Code, TrainingError
from keenline.inference.enlarging import enlarge
from keenline.models.base import Progress
from keenline.training.supervised.labelled_views import KnownViews
from keenline.training.supervised.levelling import best_level, pixels_of
from keenline.training.supervised.losses import defect_logit, loss_of
from keenline.training.supervised.lots import Lots
from keenline.training.supervised.network import UNet
from keenline.training.supervised.settings import LOSSES, Settings, unfinished

Line: TypeAlias = Mapping[str, float]
"""Of one epoch: `epoch`, mean `loss`, `validation_loss`, `minutes` so far and `left` at most."""

VALIDATION = "validation_loss"
"""What decides which weights are kept: 1 - the highest Dice of the views of parts left out, at any
level, as `best_level` counts it, whatever loss is learnt with. The level is moved to the best one
afterwards, so weights that mark too much are no worse for that. Where no part left out shows a
defect: the mean of binary cross-entropy."""

STAMP = "keenline"
"""What a checkpoint says about the run it belongs to, under this key."""

_WARM_UP = 0.05
"""Share of the schedule in which the rate rises."""


_AVERAGED = 0.95
"""Share of the averaged weights that stays at each step: they look back about 20, an epoch."""


class Lesson(pl.LightningModule):  # type: ignore[misc]
    """The network, and what moves it."""

    def __init__(
        self,
        network: UNet,
        settings: Settings,
        lots: Lots,
        share_of_defects: float,
        feed: tuple[tuple[float, ...], tuple[float, ...]],
    ) -> None:
        """feed: scale and offset by which uint8 becomes what the encoder is fed."""
        super().__init__()
        self.network, self.settings, self.lots = network, settings, lots
        # A single step of so few crops leads astray; a slow average of the weights does not, and is
        # what is validated and kept.
        self.average = AveragedModel(network, avg_fn=_followed, use_buffers=True).requires_grad_(
            False
        )
        self._share_of_defects = share_of_defects
        self.loss = self.loss_for(share_of_defects)
        for name, values in zip(("scale", "offset"), feed, strict=True):
            self.register_buffer(name, torch.tensor(values)[None, :, None, None], persistent=False)
        self.part: Callable[[], float] = float
        """How much of the schedule is done, 0..1; set by the clock."""
        self.stamp: dict[str, object] = {}
        """What a checkpoint says about this run."""
        self._losses: list[float] = []
        self._surprise = 0.0
        self._pixels: list[NDArray[np.float64]] = []
        self.mean_loss = self.validation_loss = float("nan")

    def __getstate__(self) -> dict[str, Any]:
        # A function made by a function cannot go to another process; it is made anew there.
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name not in ("loss", "part")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.loss, self.part = self.loss_for(self._share_of_defects), float

    def fed(self, pixels: Any) -> Any:
        """(batch, height, width, 3), uint8, as the encoder wants it."""
        return pixels.permute(0, 3, 1, 2).float() * self.scale + self.offset

    def loss_for(self, share_of_defects: float) -> Callable[[Any, Any], Any]:
        """What learning makes small, of what the network answers and what is there."""
        settings = self.settings
        return loss_of(settings.loss_among(LOSSES), share_of_defects, settings.balance)

    def learning(self, batch: int) -> Any:
        """Crops in batches, for `training_step`."""
        return DataLoader(self.lots, batch_size=batch, drop_last=False)

    def examination(self, views: Any) -> Any:
        """Views of the parts left out, one by one, for `validation_step`."""
        return DataLoader(Whole(views), batch_size=1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint[STAMP] = self.stamp

    def configure_optimizers(self) -> Any:
        settings = self.settings
        groups = []
        inside = {id(p) for p in self.network.encoder.parameters()}
        for is_encoder in (True, False):
            mine = [
                p
                for p in self.network.parameters()
                if (id(p) in inside) is is_encoder and p.requires_grad
            ]
            factor = settings.encoder_rate if is_encoder and not settings.from_scratch else 1.0
            for decays in (True, False):
                groups.append(
                    {
                        "params": [p for p in mine if (p.ndim > 1) is decays],
                        "weight_decay": settings.weight_decay if decays else 0.0,
                        "factor": factor,
                    }
                )
        return torch.optim.AdamW([group for group in groups if group["params"]], lr=0.0)

    def on_train_epoch_start(self) -> None:
        # Follows from the epoch alone, so that a run that is taken up again goes on alike.
        self.lots.epoch = self.current_epoch
        self._losses.clear()

    def on_train_batch_start(self, _: Any, number: int) -> None:
        # So does this, batch by batch: lightning draws a number of its own at the start of an
        # epoch, sooner in a run that is taken up again, and dropout would be another then.
        # Several devices draw different numbers.
        device = (self.global_rank,) if self.global_rank else ()
        drawn = (self.settings.seed, self.current_epoch, number, *device)
        torch.manual_seed(int(np.random.SeedSequence(drawn).generate_state(1)[0]))
        for group in self.optimizers().param_groups:
            group["lr"] = self.settings.rate * rate_at(self.part()) * group["factor"]

    def training_step(self, batch: Any, number: int) -> Any:
        pixels, numbers = batch
        raw = self.network(self.fed(pixels))
        return self.noted(self.loss(raw, as_seen(numbers, raw.shape[2:])), number)

    def noted(self, loss: Any, number: int) -> Any:
        """The loss of batch `number`; raises TrainingError (LOSS_NOT_FINITE) when it is none."""
        value = float(loss.detach())
        if not np.isfinite(value):
            raise TrainingError(
                Code.LOSS_NOT_FINITE,
                "Learning went astray: the loss is no number any more",
                where=f"epoch {self.current_epoch + 1}, batch {number + 1}",
                expected="a finite loss",
                got=value,
                next="give a smaller --rate; images that are all black or white can do it too",
            )
        self._losses.append(value)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        self.average.update_parameters(self.network)

    def on_validation_epoch_start(self) -> None:
        self._surprise = 0.0
        self._pixels.clear()

    def validation_step(self, batch: Any, *_: Any) -> None:
        pixels, numbers = batch
        logit = defect_logit(self.average(self.fed(pixels)).float())[0].cpu().numpy()
        logit = enlarge(logit, (numbers.shape[1], numbers.shape[2])).astype(np.float64)
        there = (numbers[0] > 0).cpu().numpy()
        self._surprise += float(np.logaddexp(0, logit[~there]).sum())
        self._pixels.append(pixels_of(logit, there))

    def on_validation_epoch_end(self) -> None:
        good, defective = np.sum(self._pixels, axis=(0, 2))
        lost = 1 - best_level(self._pixels)[1] if defective else self._surprise / max(1.0, good)
        self.validated(float(lost))

    def validated(self, loss: float) -> None:
        """An epoch is over, and this is what decides whether its weights are kept."""
        # Several devices decide alike, also where they differ in the last bit.
        devices = self.trainer.strategy
        self.validation_loss = devices.broadcast(loss)
        mean = torch.tensor(np.mean(self._losses) if self._losses else float("nan"))
        self.mean_loss = float(devices.reduce(mean.float().to(self.device), reduce_op="mean"))
        self.log(VALIDATION, torch.tensor(self.validation_loss, dtype=torch.float32))


class Whole:
    """Views as they are, for validation."""

    def __init__(self, views: KnownViews) -> None:
        self._views = views

    def __len__(self) -> int:
        return len(self._views.known)

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        view = self._views.view(self._views.known[number])
        return view.pixels.copy(), view.numbers


def _followed(average: Any, weights: Any, steps: Any) -> Any:
    """The average after a step: at first it follows closely, so that it forgets where it began."""
    share = min(_AVERAGED, (1 + float(steps)) / (10 + float(steps)))
    # So written, what learning leaves alone stays as it is, to the last bit.
    return average + (weights - average) * (1 - share)


def as_seen(numbers: Any, grid: Any) -> Any:
    """(batch, height, width) on the network's grid: what covers at least half of a cell, else 0."""
    sides = (numbers.shape[1] // grid[0], numbers.shape[2] // grid[1])
    every = numbers.float().unsqueeze(1)
    covered = functional.avg_pool2d((every > 0).float(), sides) >= 0.5
    return (functional.max_pool2d(every, sides) * covered)[:, 0].long()


def rate_at(part: float) -> float:
    """Share of the highest rate: a short rise, then half a cosine down to 0."""
    if part < _WARM_UP:
        return (part + 1e-2) / (_WARM_UP + 1e-2)
    return float(0.5 * (1 + np.cos(np.pi * (part - _WARM_UP) / (1 - _WARM_UP))))


class Clock(Callback):  # type: ignore[misc]
    """Says how much of the schedule is done, and ends it when the time is up."""

    def __init__(
        self, settings: Settings, progress: Progress, told: Callable[[Line], None]
    ) -> None:
        self._settings, self._progress, self._told = settings, progress, told
        self._before, self._began = 0.0, time.monotonic()
        self._step, self._steps = 0, 1
        self._agreed = 0.0

    @property
    def seconds(self) -> float:
        """Taught so far, in earlier runs too."""
        return self._before + time.monotonic() - self._began

    def part(self) -> float:
        by_steps = self._step / self._steps
        budget = self._settings.seconds
        return min(1.0, max(by_steps, self._agreed / budget if budget else 0.0))

    def state_dict(self) -> dict[str, Any]:
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._before, self._began = float(state_dict["seconds"]), time.monotonic()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._steps = max(1, trainer.num_training_batches * self._settings.epochs)
        self._step = trainer.global_step
        self._agree(trainer)
        pl_module.part = self.part

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self._step = trainer.global_step
        self._agree(trainer)
        self._progress("learning", int(1000 * self.part()), 1000)
        budget = self._settings.seconds
        if budget and self._agreed >= budget:
            trainer.should_stop = True

    def _agree(self, trainer: Any) -> None:
        """Several devices go by the clock of the first: else their rates would differ."""
        if self._settings.seconds:
            self._agreed = trainer.strategy.broadcast(self.seconds)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._agree(trainer)
        part = self.part()
        self._told(
            {
                "epoch": trainer.current_epoch + 1,
                "loss": round(pl_module.mean_loss, 4),
                VALIDATION: round(pl_module.validation_loss, 4),
                "minutes": round(self.seconds / 60, 2),
                "left": round(self.seconds * (1 - part) / max(part, 1e-3) / 60, 2),
            }
        )


class Keeper(Callback):  # type: ignore[misc]
    """Keeps the weights that did best on the parts left out, and a checkpoint of every epoch."""

    def __init__(self, checkpoint: Path, stamp: Mapping[str, object]) -> None:
        self._checkpoint, self._stamp = checkpoint, dict(stamp)
        self.lowest = float("inf")
        self.epoch = 0
        self.weights: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        return {"lowest": self.lowest, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.lowest, self.epoch = float(state_dict["lowest"]), int(state_dict["epoch"])
        self.weights = state_dict["weights"]

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        if pl_module.validation_loss < self.lowest:
            self.lowest, self.epoch = pl_module.validation_loss, trainer.current_epoch + 1
            state = pl_module.average.module.state_dict()
            self.weights = {name: value.detach().cpu().clone() for name, value in state.items()}
        pl_module.stamp = self._stamp
        part = unfinished(self._checkpoint)
        trainer.save_checkpoint(part)
        if trainer.is_global_zero:  # which alone has written it
            os.replace(part, self._checkpoint)
