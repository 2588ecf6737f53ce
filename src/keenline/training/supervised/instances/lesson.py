"""Crops with their defects turned, epoch by epoch, into a network that finds them one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from keenline.evaluation.box_precision import Boxes, box_precision, mean_precision
from keenline.training.supervised.instances.answering import Answering
from keenline.training.supervised.instances.examining import boxes_of, numbered, true_boxes
from keenline.training.supervised.instances.lots import batched
from keenline.training.supervised.instances.marked import InstanceView, InstanceViews
from keenline.training.supervised.instances.network import MaskRCNN
from keenline.training.supervised.lesson import Lesson
from keenline.training.supervised.lots import Lots
from keenline.training.supervised.settings import Settings


class InstanceLesson(Lesson):
    """The network, and what moves it.

    `validation_loss` is 1 - the average precision of boxes on the parts left out, over the classes
    and over overlaps of .50 to .95: the losses of a detector, each of other sampled places, say
    little of how good it is.
    """

    def __init__(
        self,
        network: MaskRCNN,
        settings: Settings,
        lots: Lots,
        feed: tuple[tuple[float, ...], tuple[float, ...]],
    ) -> None:
        """lots: `InstanceLots`. feed: scale and offset by which uint8 becomes what is fed."""
        super().__init__(network, settings, lots, 0.0, feed)
        self._found: list[Boxes] = []
        self._true: list[Boxes] = []

    def learning(self, batch: int) -> Any:
        return DataLoader(self.lots, batch_size=batch, collate_fn=batched)

    def examination(self, views: InstanceViews) -> Any:
        return DataLoader(_Whole(views), batch_size=None)

    def training_step(self, batch: Any, number: int) -> Any:
        pixels, targets = batch
        losses = self.network.losses(self.fed(pixels), targets)
        return self.noted(sum(losses.values()), number)

    def on_validation_epoch_start(self) -> None:
        self._found.clear()
        self._true.clear()

    def validation_step(self, batch: Any, *_: Any) -> None:
        pixels, rows = batch
        network = self.average.module
        levels = [level.float() for level in network.levels(self.fed(pixels[None]))]
        with torch.autocast(self.device.type, enabled=False):
            found = Answering(network)(*levels)[1]
        self._found.append(boxes_of(found.cpu().numpy()))
        self._true.append(true_boxes(rows.cpu().numpy()))

    def on_validation_epoch_end(self) -> None:
        precision = mean_precision(box_precision(self._found, self._true))
        self.validated(1 - precision if np.isfinite(precision) else 1.0)


class _Whole:
    """Views as they are, and (instances, 5) integers: a box and the number of its class."""

    def __init__(self, views: InstanceViews) -> None:
        self._views = views

    def __len__(self) -> int:
        return len(self._views.known)

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        view = self._views.view(self._views.known[number])
        assert isinstance(view, InstanceView)
        return view.pixels.copy(), numbered(view)
